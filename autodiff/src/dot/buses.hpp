// SPDX-License-Identifier: MIT
#pragma once

#include "dot/drawing.hpp"

namespace tapestry::detail {

/// Bounds the work of Graphviz, which lays out an arrow of each rank that it passes: the states of
/// 400 steps that all lead to one `stack` are 80,000 such pieces, and minutes. Where a drawing
/// would have too many of them, long arrows with a common end become one line with joints, as in
/// the drawing of a circuit. Other drawings stay as they are.
void add_buses(const Graph& graph, Drawing& drawing);

}  // namespace tapestry::detail
