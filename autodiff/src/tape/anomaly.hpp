// SPDX-License-Identifier: MIT
// What a tape that looks for trouble checks.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/detail/state.hpp"

namespace tapestry::detail {

/// Throws AnomalyError when a result of the op, which has just been computed, is not finite.
template <class T>
void check_results(const TapeState<T>& state, const OpInfo<T>& info,
                   std::span<const std::uint32_t> inputs, std::uint32_t first_output);

/// Throws AnomalyError when the seed of a backward pass is not finite.
template <class T>
void check_seed_finite(const TapeState<T>& state, std::string_view op, std::uint32_t root,
                       const Array<T>& seed);

/// Whether all numbers are finite. There may be none.
template <class T>
bool all_finite(const T* data, std::size_t size);

/// Throws AnomalyError: node `node` gave its input `slot` the gradient `gradient`.
template <class T>
[[noreturn]] void throw_bad_gradient(const TapeState<T>& state, const Node<T>& node,
                                     std::uint32_t slot, const T* gradient,
                                     const T* result_gradient);

/// Runs the gradient rules of a node and throws AnomalyError when a gradient that was finite, or
/// was not there, is not finite after it. `stored(entry)` is where a gradient is, or null.
template <class T, class Stored, class Run>
void check_gradients(const TapeState<T>& state, const Node<T>& node, const Stored& stored,
                     const Run& run) {
  const auto finite = [&](std::uint32_t i) {
    const std::uint32_t input = state.edges[node.first_input + i];
    const T* gradient = stored(input);
    return !gradient || all_finite(gradient, state.entries[input].shape.size());
  };
  std::vector<bool> before;
  for (std::uint32_t i = 0; i < node.input_count; ++i) before.push_back(finite(i));
  run();
  for (std::uint32_t i = 0; i < node.input_count; ++i)
    if (before[i] && !finite(i))
      throw_bad_gradient(state, node, i, stored(state.edges[node.first_input + i]),
                         stored(node.first_output));
}

}  // namespace tapestry::detail
