// SPDX-License-Identifier: MIT
#pragma once

#include "dot/drawing.hpp"

namespace tapestry::detail {

/// Adds what makes a drawing of a recurrent model readable: each time step begins where the one
/// before it ends, so that steps become columns, and the weights of a part of the model stand
/// beside it and not beside the parts before it.
void add_guides(const Graph& graph, Drawing& drawing);

/// The innermost time step around a scope; 0 outside of any.
[[nodiscard]] std::uint32_t step_of(const Graph& graph, std::uint32_t scope);

}  // namespace tapestry::detail
