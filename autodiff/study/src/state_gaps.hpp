// SPDX-License-Identifier: MIT
// What goes on from one recurrent state to a later one beside those between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/study/state_spectrum.hpp"

namespace tapestry::detail {

/// A way from state `from` to state `to`, at least two further on, that no state between them is
/// on.
struct StateGap {
  std::size_t from = 0;
  std::size_t to = 0;
  std::uint32_t value = 0;  // the last value on it before the next step
  std::int64_t value_time = 0;
};

/// Calls `visit` for the first such way from each state along which gradients flow.
template <class T>
void for_each_gap(const TapeState<T>& tape, const std::vector<StateAt<T>>& states,
                  const std::function<void(const StateGap&)>& visit);

}  // namespace tapestry::detail
