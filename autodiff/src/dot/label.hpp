// SPDX-License-Identifier: MIT
// What the boxes of a drawing say.
#pragma once

#include <string>

#include "dot/drawing.hpp"

namespace tapestry::detail {

/// The label of a box, HTML-like.
[[nodiscard]] std::string box_label(const Graph& graph, const Box& box, const DotOptions& options,
                                    bool to_the_right);

/// All there is to say about a box, on one line.
[[nodiscard]] std::string box_tooltip(const Graph& graph, const Box& box);

}  // namespace tapestry::detail
