// SPDX-License-Identifier: MIT
// What goes on from one recurrent state to a later one beside those between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "tapestry/autodiff/graph.hpp"

namespace tapestry::detail {

/// A way from state `from` to state `to`, at least two further on, that no state between them is
/// on.
struct StateGap {
  std::size_t from = 0;
  std::size_t to = 0;
  std::uint32_t value = 0;  // position of the last value on it before the next step
  std::int64_t value_time = 0;
};

/// A state as the positions of its parts.
struct StatePositions {
  std::int64_t time = 0;
  std::vector<std::uint32_t> parts;
};

/// Calls `visit` for the first such way from each state along which gradients flow.
void for_each_gap(const Graph& graph, const std::vector<StatePositions>& states,
                  const std::function<void(const StateGap&)>& visit);

}  // namespace tapestry::detail
