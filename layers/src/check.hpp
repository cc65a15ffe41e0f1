// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::layers {

/// Throws ArgumentError when a size of a layer is 0.
inline void check_size(const char* layer, const char* what, std::size_t size) {
  if (size == 0) throw ArgumentError(layer, std::string(what) + " must be positive");
}

/// Throws `error` with the scopes that are open on the tape as its place.
template <class T, class E>
[[noreturn]] void throw_at_place(const detail::TapeState<T>& state, E error) {
  error.add_place(state.place());
  throw error;
}

}  // namespace tapestry::layers
