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

/// exp(nats): among how many equally likely tokens a model with this mean cross-entropy wavers.
[[nodiscard]] inline double perplexity(double nats) { return std::exp(nats); }

/// A mean cross-entropy in bits instead of nats.
[[nodiscard]] inline double bits(double nats) { return nats / std::numbers::ln2; }

/// The part of the targets whose logit is the largest of its row, the first of equally large ones;
/// a row with NaN counts as wrong. Logits have shape (..., V), targets (...). Targets equal to
/// `ignore_index` do not count; NaN when none does. ShapeError for shapes that do not fit,
/// IndexError for another target outside [0, V).
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

/// A weighted mean of numbers that come one after the other, such as the losses of the batches of
/// an epoch with their numbers of tokens.
class Mean {
 public:
  /// Throws ArgumentError for a weight that is negative or not finite. A value of weight 0 counts
  /// but has no effect, be it NaN.
  void add(double value, double weight = 1);

  /// The mean; NaN without weight.
  [[nodiscard]] double value() const { return sum_ / weight_; }

  /// How often a value was added.
  [[nodiscard]] std::uint64_t count() const { return count_; }

  /// The sum of the weights.
  [[nodiscard]] double weight() const { return weight_; }

  void reset() { *this = Mean(); }

  /// The bits of the weighted sum and of the weight, and the count: lets `bundle` save it.
  using State = std::array<std::uint64_t, 3>;
  [[nodiscard]] State state() const;
  /// Whether the weight makes sense.
  [[nodiscard]] static bool is_state(const State& state);
  /// Throws ArgumentError when it is none.
  void set_state(const State& state);

 private:
  double sum_ = 0;
  double weight_ = 0;
  std::uint64_t count_ = 0;
};

/// An exponential moving average that is not drawn towards 0 at the start: that of n values x_i has
/// weights proportional to smoothing^(n - i) (the corrected moments of Kingma and Ba 2015).
class MovingAverage {
 public:
  /// 0: the last value alone; close to 1: about the last 1 / (1 - smoothing) values. Throws
  /// ArgumentError outside [0, 1).
  explicit MovingAverage(double smoothing);

  void add(double value);

  /// The average; NaN without values.
  [[nodiscard]] double value() const { return sum_ / weight_; }

  void reset() { sum_ = weight_ = 0; }

  /// The bits of the sum and of the weight in it: lets `bundle` save it.
  using State = std::array<std::uint64_t, 2>;
  [[nodiscard]] State state() const;
  /// Whether the weight makes sense.
  [[nodiscard]] static bool is_state(const State& state);
  /// Throws ArgumentError when it is none.
  void set_state(const State& state);

 private:
  double smoothing_;
  double sum_ = 0;
  double weight_ = 0;
};

}  // namespace tapestry::data
