// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <span>

#include "schedule.hpp"
#include "step_program.hpp"
#include "steps.hpp"

namespace tapestry::layers {

/// One layer in one direction over all steps as one node on the tape. `inputs` are x (T, B, I), the
/// program's masks (B, *), the initial states (B, *) if there are any, and its parameters. Returns
/// the output (T, B, P) and the last states (B, *).
template <class T>
std::array<Variable<T>, 1 + most_states> apply_sequence(
    const std::shared_ptr<const StepProgram<T>>& program, const Lengths& lengths, bool initial,
    bool reverse, std::span<const Variable<T>> inputs);

}  // namespace tapestry::layers
