// SPDX-License-Identifier: MIT
#include "tapestry/data/sequence_batches.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
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

std::shared_ptr<const TokenSource> in_memory(Indices sequence) {
  if (sequence.dimension() != 1)
    throw ShapeError(
        op, "the sequence must have one axis, its shape is " + Shape(sequence.shape()).str());
  return std::make_shared<TokenArray>(std::move(sequence));
}

}  // namespace

SequenceBatches::SequenceBatches(Indices sequence, SequenceOptions options)
    : SequenceBatches(in_memory(std::move(sequence)), options) {}

SequenceBatches::SequenceBatches(std::shared_ptr<const TokenSource> source, SequenceOptions options)
    : source_(std::move(source)), options_(options) {
  if (!source_) throw ArgumentError(op, "there is no source");
  batches_ = count_batches(source_->size(), options_);
  read_.resize((options_.steps + 1) * options_.batch);
}

SequenceBatch SequenceBatches::next() {
  SequenceBatch batch;
  next(batch);
  return batch;
}

void SequenceBatches::next(SequenceBatch& batch) {
  const auto [steps, streams] = options_;
  const std::size_t stream_length = batches_ * steps;
  const std::span<std::int64_t> all = read_;
  for (std::size_t b = 0; b < streams; ++b)
    source_->read(b * stream_length + position_ * steps, all.subspan(b * (steps + 1), steps + 1));
  batch.tokens.resize({steps, streams});
  batch.targets.resize({steps, streams});
  for (std::size_t t = 0; t < steps; ++t) {
    for (std::size_t b = 0; b < streams; ++b) {
      const std::int64_t* token = &all[b * (steps + 1) + t];
      batch.tokens.data()[t * streams + b] = token[0];
      batch.targets.data()[t * streams + b] = token[1];
    }
  }
  position_ = (position_ + 1) % batches_;
}

}  // namespace tapestry::data
