// SPDX-License-Identifier: MIT
// The recurrent states that a tape holds, found by name: h of an RNN or GRU, h and c of an LSTM.
//
//   for (const auto& state : find_states(output, {"h", "c"}))
//     std::cout << state.time << ": " << state.parts[0].shape().str() << '\n';
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// The time of values that were recorded outside of all time steps.
inline constexpr std::int64_t no_step = std::numeric_limits<std::int64_t>::min();

/// The state after one step: values of one tape, or within its fused ops, each (n_i) or (B, n_i).
template <class T>
struct StateAt {
  std::int64_t time = 0;
  std::vector<Variable<T>> parts;
};

/// Which steps of a tape to look at.
struct StateFilter {
  std::string_view scope = {};  ///< within a scope of this name: "encoder", "reverse"
  std::int64_t layer = -1;      ///< of this layer; -1: of all of them
};

/// The values with these names in the time steps that were recorded up to `y`, in the order of
/// computation: last to first for a reverse direction. The parts of a state are in the order of
/// `names`, those of one name from the first layer to the last. Those of a fused layer are computed
/// again, and are variables until the tape is cleared or rewound: they can be read and studied, but
/// are no operands. ArgumentError when there are none, or not equally many in all steps;
/// GradientError when they cannot be computed again since a parameter has changed; StaleVariable.
template <class T>
std::vector<StateAt<T>> find_states(const Variable<T>& y,
                                    const std::vector<std::string_view>& names,
                                    StateFilter filter = {});

}  // namespace tapestry
