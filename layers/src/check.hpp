// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "tapestry/autodiff/error.hpp"

namespace tapestry::layers {

/// The largest size of a layer. A few of them, and few hundred times one, can be multiplied or
/// added without overflow of the extents; `detail::check_size` then looks at whole shapes.
inline constexpr std::size_t largest_size = std::size_t{1} << 48;

/// Throws ArgumentError when a size of a layer is 0, or so large that no machine could hold it.
inline void check_size(std::string_view layer, const char* what, std::size_t size) {
  if (size == 0) throw ArgumentError(layer, std::string(what) + " must be positive");
  if (size > largest_size)
    throw ArgumentError(layer, std::string(what) + " is too large: " + std::to_string(size));
}

}  // namespace tapestry::layers
