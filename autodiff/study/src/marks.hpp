// SPDX-License-Identifier: MIT
// Colours with which study tools mark drawings; they stay apart for the colour-blind.
#pragma once

#include <string>
#include <string_view>

namespace tapestry::detail {

inline constexpr std::string_view path_color = "#B8400E";
inline constexpr std::string_view positive_color = "#0B6E4F";
inline constexpr std::string_view negative_color = "#B8400E";

/// Between white and a dark violet, for `strength` from 0 to 1.
[[nodiscard]] std::string shade(double strength);

}  // namespace tapestry::detail
