// SPDX-License-Identifier: MIT
// Figures of a training run.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry::data {

/// exp(nats), for a mean cross-entropy in nats. (A nat is the unit of a loss that is a natural
/// logarithm: a token that the model gives the probability p costs -ln p nats.) A model whose
/// perplexity is 5 is as unsure as one that chooses among 5 equally likely tokens.
[[nodiscard]] inline double perplexity(double nats) { return std::exp(nats); }

/// Converts a mean cross-entropy from nats to bits: divides by ln 2.
[[nodiscard]] inline double bits(double nats) { return nats / std::numbers::ln2; }

/// The share of the targets that a model predicts: the logit of the target is the largest of its
/// row, and the first one if several are equally large. A row with NaN counts as wrong. Logits have
/// shape (..., V), targets (...). Targets equal to `ignore_index` do not count; the result is NaN
/// when no target counts. Throws ShapeError for shapes that do not fit, IndexError for any other
/// target outside [0, V).
template <class T>
[[nodiscard]] double accuracy(std::span<const T> logits, const Shape& shape, const Indices& targets,
                              std::int64_t ignore_index = -100);

/// The same for an array or view of logits.
template <class Logits>
[[nodiscard]] double accuracy(const Logits& logits, const Indices& targets,
                              std::int64_t ignore_index = -100) {
  const std::span row_major(logits.data(), logits.size());
  return accuracy(row_major, Shape(logits.shape()), targets, ignore_index);
}

/// A weighted mean of numbers that come one after the other. Example: the losses of the batches of
/// an epoch, weighted by their numbers of tokens.
class Mean {
 public:
  /// Throws ArgumentError for a weight that is negative or not finite. A value of weight 0 counts
  /// in `count()` but has no effect on the mean, even if it is NaN.
  void add(double value, double weight = 1);

  /// The mean; NaN while the sum of the weights is 0.
  [[nodiscard]] double value() const { return sum_ / weight_; }

  /// The number of values that were added.
  [[nodiscard]] std::uint64_t count() const { return count_; }

  /// The sum of the weights.
  [[nodiscard]] double weight() const { return weight_; }

  void reset() { *this = Mean(); }

  /// The bits of the weighted sum, the bits of the weight, and the count. With them `bundle` saves
  /// the mean.
  using State = std::array<std::uint64_t, 3>;
  [[nodiscard]] State state() const;
  /// Whether the numbers can be such a state: the weight must make sense.
  [[nodiscard]] static bool is_state(const State& state);
  /// Throws ArgumentError when the numbers are no such state.
  void set_state(const State& state);

 private:
  double sum_ = 0;
  double weight_ = 0;
  std::uint64_t count_ = 0;
};

/// An exponential moving average that is not drawn towards 0 at the start. Of n values, the i-th
/// has a weight proportional to smoothing^(n - i) (the corrected moments of Kingma and Ba 2015).
class MovingAverage {
 public:
  /// With smoothing 0 the average is the last value; close to 1 it is about the mean of the last
  /// 1 / (1 - smoothing) values. Throws ArgumentError outside [0, 1).
  explicit MovingAverage(double smoothing);

  void add(double value);

  /// The average; NaN before the first value.
  [[nodiscard]] double value() const { return sum_ / weight_; }

  void reset() { sum_ = weight_ = 0; }

  /// The bits of the sum and of the weight. With them `bundle` saves the average.
  using State = std::array<std::uint64_t, 2>;
  [[nodiscard]] State state() const;
  /// Whether the numbers can be such a state: the weight must make sense.
  [[nodiscard]] static bool is_state(const State& state);
  /// Throws ArgumentError when the numbers are no such state.
  void set_state(const State& state);

 private:
  double smoothing_;
  double sum_ = 0;
  double weight_ = 0;
};

}  // namespace tapestry::data
