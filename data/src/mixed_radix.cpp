// SPDX-License-Identifier: MIT
#include "tapestry/data/mixed_radix.hpp"

#include <limits>
#include <string>
#include <utility>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry::data {
namespace {

constexpr const char* op = "MixedRadix";

}  // namespace

MixedRadix::MixedRadix(std::vector<std::int64_t> sizes) : sizes_(std::move(sizes)) {
  if (sizes_.empty()) throw ArgumentError(op, "there are no sizes");
  for (const std::int64_t size : sizes_) {
    if (size < 1) throw ArgumentError(op, "sizes must be at least 1, got " + std::to_string(size));
    if (tokens_ > std::numeric_limits<std::int64_t>::max() / size)
      throw ArgumentError(op, "the product of the sizes is more than 64 bits can hold");
    tokens_ *= size;
  }
}

std::int64_t MixedRadix::encode(std::span<const std::int64_t> digits) const {
  if (digits.size() != sizes_.size())
    throw ShapeError(op, "expects " + std::to_string(sizes_.size()) + " integers, got " +
                             std::to_string(digits.size()));
  std::int64_t token = 0;
  for (std::size_t k = 0; k < digits.size(); ++k) {
    if (digits[k] < 0 || digits[k] >= sizes_[k])
      throw IndexError(op, "integer " + std::to_string(k) + " is " + std::to_string(digits[k]) +
                               ", outside [0, " + std::to_string(sizes_[k]) + ")");
    token = token * sizes_[k] + digits[k];
  }
  return token;
}

void MixedRadix::decode(std::int64_t token, std::span<std::int64_t> digits) const {
  if (token < 0 || token >= tokens_)
    throw IndexError(
        op, "token " + std::to_string(token) + " is outside [0, " + std::to_string(tokens_) + ")");
  for (std::size_t k = sizes_.size(); k-- > 0; token /= sizes_[k]) digits[k] = token % sizes_[k];
}

std::vector<std::int64_t> MixedRadix::decode(std::int64_t token) const {
  std::vector<std::int64_t> digits(sizes_.size());
  decode(token, digits);
  return digits;
}

Indices MixedRadix::encode(const Indices& digits) const {
  const std::size_t count = sizes_.size();
  std::vector<std::size_t> shape(digits.shape().begin(), digits.shape().end());
  if (shape.empty() || shape.back() != count)
    throw ShapeError(op, "the last axis must have " + std::to_string(count) +
                             " integers, the shape is " + Shape(digits.shape()).str());
  shape.pop_back();
  Indices tokens = Indices::from_shape(shape);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    tokens.data()[i] = encode(std::span(digits.data() + i * count, count));
  return tokens;
}

Indices MixedRadix::decode(const Indices& tokens) const {
  const std::size_t count = sizes_.size();
  std::vector<std::size_t> shape(tokens.shape().begin(), tokens.shape().end());
  shape.push_back(count);
  Indices digits = Indices::from_shape(shape);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    decode(tokens.data()[i], std::span(digits.data() + i * count, count));
  return digits;
}

}  // namespace tapestry::data
