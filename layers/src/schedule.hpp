// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <numeric>
#include <vector>

#include "tapestry/layers/recurrent_state.hpp"

namespace tapestry::layers {

/// The rows on which a layer works in each step. Sequences of different lengths are put in order,
/// the longest first: step t works on the first `count(t)` rows, and nothing is done past an end.
class Schedule {
 public:
  Schedule(std::size_t steps, std::size_t batch, bool reverse)
      : steps_(steps), batch_(batch), reverse_(reverse) {}

  Schedule(std::size_t steps, const Lengths& lengths, bool reverse)
      : steps_(steps), batch_(lengths.size()), reverse_(reverse), order_(lengths.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::ranges::stable_sort(order_,
                             [&](std::size_t a, std::size_t b) { return lengths[a] > lengths[b]; });
    starts_.push_back(0);
    std::size_t count = batch_;
    for (std::size_t t = 0; t < steps; ++t) {
      while (count > 0 && lengths[order_[count - 1]] <= t) --count;
      starts_.push_back(starts_.back() + count);
    }
  }

  [[nodiscard]] std::size_t steps() const { return steps_; }
  [[nodiscard]] std::size_t batch() const { return batch_; }
  [[nodiscard]] bool reverse() const { return reverse_; }

  /// Whether all sequences go on to the last step, so that rows stand where they stand in x.
  [[nodiscard]] bool full() const { return order_.empty(); }

  /// Rows of all steps together.
  [[nodiscard]] std::size_t rows() const { return full() ? steps_ * batch_ : starts_.back(); }
  /// Number of the first row of step t among them, and how many rows it has.
  [[nodiscard]] std::size_t start(std::size_t t) const { return full() ? t * batch_ : starts_[t]; }
  [[nodiscard]] std::size_t count(std::size_t t) const {
    return full() ? batch_ : starts_[t + 1] - starts_[t];
  }
  /// Which sequence a row of a step is.
  [[nodiscard]] std::size_t sequence(std::size_t row) const { return full() ? row : order_[row]; }
  /// The time of the n-th step that is computed.
  [[nodiscard]] std::size_t time(std::size_t n) const { return reverse_ ? steps_ - 1 - n : n; }

  /// Copies rows (T, B, width) into those of the steps, or back. `each(row, place)` gets places in
  /// numbers.
  void for_each_row(std::size_t width, const auto& each) const {
    for (std::size_t t = 0; t < steps_; ++t)
      for (std::size_t row = 0; row < count(t); ++row)
        each((start(t) + row) * width, (t * batch_ + sequence(row)) * width);
  }

 private:
  std::size_t steps_;
  std::size_t batch_;
  bool reverse_;
  std::vector<std::size_t> order_;  // empty when all are full
  std::vector<std::size_t> starts_;
};

}  // namespace tapestry::layers
