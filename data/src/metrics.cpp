// SPDX-License-Identifier: MIT
#include "tapestry/data/metrics.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry::data {
namespace {

void check_shapes(const Shape& logits, const Shape& targets) {
  bool fits = logits.rank() == targets.rank() + 1;
  for (std::size_t i = 0; fits && i < targets.rank(); ++i) fits = logits[i] == targets[i];
  if (!fits)
    throw ShapeError("accuracy",
                     "targets of shape " + targets.str() + " do not fit logits of " + logits.str());
}

template <class T>
bool is_largest(std::span<const T> row, std::size_t target) {
  for (std::size_t v = 0; v < row.size(); ++v) {
    const bool fits = v < target ? row[v] < row[target] : row[v] <= row[target];
    if (!fits) return false;  // nor does NaN
  }
  return true;
}

double number_of(std::uint64_t bits) { return std::bit_cast<double>(bits); }
std::uint64_t bits_of(double number) { return std::bit_cast<std::uint64_t>(number); }

}  // namespace

template <class T>
double accuracy(std::span<const T> logits, const Shape& shape, const Indices& targets,
                std::int64_t ignore_index) {
  check_shapes(shape, Shape(targets.shape()));
  if (logits.size() != shape.size())
    throw ShapeError(
        "accuracy", std::to_string(logits.size()) + " logits cannot have the shape " + shape.str());
  const std::size_t classes = shape.back();
  std::size_t counted = 0, right = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const std::int64_t target = targets.data()[i];
    if (target == ignore_index) continue;
    if (target < 0 || static_cast<std::size_t>(target) >= classes)
      throw IndexError("accuracy", "target " + std::to_string(target) + " at position " +
                                       std::to_string(i) + " is outside the " +
                                       std::to_string(classes) + " classes");
    ++counted;
    if (is_largest(logits.subspan(i * classes, classes), static_cast<std::size_t>(target))) ++right;
  }
  return static_cast<double>(right) / static_cast<double>(counted);
}

template double accuracy(std::span<const float>, const Shape&, const Indices&, std::int64_t);
template double accuracy(std::span<const double>, const Shape&, const Indices&, std::int64_t);

void Mean::add(double value, double weight) {
  if (!(weight >= 0) || !std::isfinite(weight))
    throw ArgumentError("Mean",
                        "a weight must be finite and not negative, not " + fixed_text(weight));
  if (weight > 0) sum_ += weight * value;
  weight_ += weight;
  ++count_;
}

Mean::State Mean::state() const { return {bits_of(sum_), bits_of(weight_), count_}; }

bool Mean::is_state(const State& state) {
  const double weight = number_of(state[1]);
  return weight >= 0 && std::isfinite(weight);
}

void Mean::set_state(const State& state) {
  if (!is_state(state)) throw ArgumentError("Mean", "this is not a state of a mean");
  sum_ = number_of(state[0]);
  weight_ = number_of(state[1]);
  count_ = state[2];
}

MovingAverage::MovingAverage(double smoothing) : smoothing_(smoothing) {
  if (!(smoothing >= 0 && smoothing < 1))
    throw ArgumentError("MovingAverage",
                        "smoothing must be in [0, 1), not " + fixed_text(smoothing));
}

void MovingAverage::add(double value) {
  sum_ = smoothing_ * sum_ + (1 - smoothing_) * value;
  weight_ = smoothing_ * weight_ + (1 - smoothing_);
}

MovingAverage::State MovingAverage::state() const { return {bits_of(sum_), bits_of(weight_)}; }

bool MovingAverage::is_state(const State& state) {
  const double weight = number_of(state[1]);
  return weight >= 0 && weight <= 1.0000001;  // it may be rounded up
}

void MovingAverage::set_state(const State& state) {
  if (!is_state(state)) throw ArgumentError("MovingAverage", "this is not a state of an average");
  sum_ = number_of(state[0]);
  weight_ = number_of(state[1]);
}

}  // namespace tapestry::data
