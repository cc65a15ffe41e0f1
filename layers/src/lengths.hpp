// SPDX-License-Identifier: MIT
// Lengths of the sequences of a batch, checked, and as masks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/tape.hpp"

namespace tapestry::layers {

/// Throws unless there are `batch` lengths in [shortest, steps].
inline void check_lengths(std::string_view op, const std::vector<std::size_t>& lengths,
                          std::size_t steps, std::size_t batch, std::size_t shortest = 0) {
  if (lengths.size() != batch)
    throw ShapeError(op, std::to_string(lengths.size()) + " lengths for a batch of " +
                             std::to_string(batch) + " sequences");
  for (std::size_t b = 0; b < batch; ++b)
    if (lengths[b] < shortest || lengths[b] > steps)
      throw ArgumentError(op, "length " + std::to_string(lengths[b]) + " of sequence " +
                                  std::to_string(b) + " is outside [" + std::to_string(shortest) +
                                  ", " + std::to_string(steps) + "]");
}

/// A constant (T, B): 1 within each sequence, 0 beyond its end.
template <class T>
Variable<T> mask_of(detail::TapeState<T>& tape, const std::vector<std::size_t>& lengths,
                    std::size_t steps) {
  const std::size_t batch = lengths.size();
  const std::uint32_t index = tape.add_leaf({steps, batch}, Role::constant, false, "mask");
  T* mask = tape.entries[index].data;
  for (std::size_t t = 0; t < steps; ++t)
    for (std::size_t b = 0; b < batch; ++b) *mask++ = t < lengths[b] ? T{1} : T{0};
  return {tape, index};
}

}  // namespace tapestry::layers
