// SPDX-License-Identifier: MIT
// What a recorded step consists of: its values, and how its ops can be run.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "step_program.hpp"
#include "step_recording.hpp"

namespace tapestry::layers {

/// Why a step cannot run as a program.
struct Obstacle {
  std::string text;
};

inline constexpr std::size_t recorded_batch = 2;

/// A recorded step and its values.
template <class T>
struct RecordedStep {
  StepRecording<T> r;
  std::vector<StepValue> values;

  [[nodiscard]] const detail::TapeState<T>& tape() const { return r.tape->state(); }

  /// The shapes of values with another number of rows.
  [[nodiscard]] std::vector<Shape> shapes(std::span<const std::size_t> of, std::size_t rows) const;

  /// Finds out how an op can be run, by trying it on numbers: as a move of columns, by a kernel of
  /// the steps, or by its own. Throws Obstacle when it cannot be run row by row.
  void classify(StepOp<T>& op) const;
};

/// Makes a value of each entry of a recording of `recorded_batch` sequences; another, of one more,
/// tells which axes are the batch. Throws Obstacle.
template <class T>
std::vector<StepValue> find_values(const StepRecording<T>& r, const StepRecording<T>& other);

}  // namespace tapestry::layers
