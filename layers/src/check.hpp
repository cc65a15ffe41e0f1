// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

#include "tapestry/autodiff/error.hpp"

namespace tapestry::layers {

/// Throws ArgumentError when a size of a layer is 0.
inline void check_size(const char* layer, const char* what, std::size_t size) {
  if (size == 0) throw ArgumentError(layer, std::string(what) + " must be positive");
}

}  // namespace tapestry::layers
