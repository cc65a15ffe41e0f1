// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "step_program.hpp"
#include "tapestry/layers/recurrent_weights.hpp"

namespace tapestry::layers {

/// New parameters of a cell with `input_size` inputs, random numbers from `default_generator()`.
template <class T>
RecurrentWeights<T> make_weights(const StepProgram<T>& program, std::size_t input_size,
                                 const std::string& suffix);

/// Starts one bias of a gate at `value` and the other at 0.
template <class T>
void set_bias(const CellShape& cell, RecurrentWeights<T>& weights, std::string_view gate,
              double value);

/// The name of the parameter for a learned initial state.
std::string initial_name(const CellShape& cell, std::size_t state);

}  // namespace tapestry::layers
