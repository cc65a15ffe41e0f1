// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "tapestry/autodiff/graph.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// The graph of the gradients of scalar `y` with respect to each of `x`: the backward pass as a
/// computation, together with the values that it reads, for `to_dot` and `save_svg`. Its roots are
/// the gradients, named "∂L/∂U" by the names of `y` and `x`, in the order of `x`; without `x`, by
/// all leaves that `y` depends on and that need a gradient. The tape is left as it was. Throws as
/// `gradients`.
template <class T>
Graph backward_graph(const Variable<T>& y, const std::vector<Variable<T>>& x = {},
                     const SnapshotOptions& options = {});

}  // namespace tapestry
