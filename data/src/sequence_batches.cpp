// SPDX-License-Identifier: MIT
#include "tapestry/data/sequence_batches.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry::data {
namespace {

constexpr const char* op = "SequenceBatches";

/// Number of whole batches in a sequence of `size` tokens, the last of which is only a target.
std::size_t count_batches(std::size_t size, const SequenceOptions& options) {
  const auto [steps, batch] = options;
  if (steps == 0) throw ArgumentError(op, "steps must be at least 1, got 0");
  if (batch == 0) throw ArgumentError(op, "batch must be at least 1, got 0");
  const std::string sizes = std::to_string(steps) + " steps x batch of " + std::to_string(batch);
  if (steps > (std::numeric_limits<std::size_t>::max() - 1) / batch)
    throw ArgumentError(op, sizes + " is more than can be addressed");
  if (size < steps * batch + 1)
    throw ArgumentError(op, sizes + " needs at least " + std::to_string(steps * batch + 1) +
                                " tokens, the sequence has " + std::to_string(size));
  return (size - 1) / (steps * batch);
}

}  // namespace

SequenceBatches::SequenceBatches(Indices sequence, SequenceOptions options)
    : sequence_(std::move(sequence)), options_(options) {
  if (sequence_.dimension() != 1)
    throw ShapeError(
        op, "the sequence must have one axis, its shape is " + Shape(sequence_.shape()).str());
  batches_ = count_batches(sequence_.size(), options_);
}

SequenceBatch SequenceBatches::next() {
  SequenceBatch batch;
  next(batch);
  return batch;
}

void SequenceBatches::next(SequenceBatch& batch) {
  const auto [steps, streams] = options_;
  batch.tokens.resize({steps, streams});
  batch.targets.resize({steps, streams});
  const std::size_t stream_length = batches_ * steps;
  const std::int64_t* source = sequence_.data() + position_ * steps;
  for (std::size_t t = 0; t < steps; ++t) {
    for (std::size_t b = 0; b < streams; ++b) {
      batch.tokens.data()[t * streams + b] = source[b * stream_length + t];
      batch.targets.data()[t * streams + b] = source[b * stream_length + t + 1];
    }
  }
  position_ = (position_ + 1) % batches_;
}

}  // namespace tapestry::data
