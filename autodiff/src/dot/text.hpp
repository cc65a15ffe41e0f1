// SPDX-License-Identifier: MIT
// Texts in a drawing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "tapestry/autodiff/graph.hpp"

namespace tapestry::detail {

/// Text for an HTML-like label of Graphviz. Line breaks become spaces, what is not UTF-8 or not
/// printable becomes U+FFFD, and texts beyond `max_length` characters end in an ellipsis.
[[nodiscard]] std::string html(std::string_view text, std::size_t max_length = 48);

/// Text as a string of DOT, in its quotes, safe in attributes that interpret \N or &amp; as well;
/// long texts end in an ellipsis.
[[nodiscard]] std::string dot_string(std::string_view text);

/// A number with at most `digits` digits: "0.25", "−1.5e−7".
[[nodiscard]] std::string short_number(double x, int digits = 4);

/// "1,234,567".
[[nodiscard]] std::string grouped(std::size_t n);

/// Arrays of up to so many elements are printed in full.
inline constexpr std::size_t few_elements = 12;

/// The numbers of a value or gradient that is present, for an HTML-like label.
[[nodiscard]] std::string numbers_html(const GraphData& data, const Shape& shape);

/// The op as a reader writes it: "×", "σ", "+ 0.5".
[[nodiscard]] std::string op_symbol(const GraphNode& node);

/// The attributes of the op that its symbol does not tell; may be empty.
[[nodiscard]] std::string op_detail(const GraphNode& node);

/// "layer 0", "lstm".
[[nodiscard]] std::string scope_label(const GraphScope& scope);

}  // namespace tapestry::detail
