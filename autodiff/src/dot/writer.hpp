// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "tapestry/autodiff/dot.hpp"
#include "tapestry/autodiff/graph.hpp"

namespace tapestry::detail {

/// The graph in DOT.
[[nodiscard]] std::string write_dot(const Graph& graph, const DotOptions& options);

}  // namespace tapestry::detail
