// SPDX-License-Identifier: MIT
#include "tapestry/data/bucket_batches.hpp"

#include <algorithm>
#include <numeric>
#include <span>
#include <string>
#include <utility>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/random.hpp"

namespace tapestry::data {
namespace {

constexpr const char* op = "BucketBatches";

/// A seed for an epoch: neighbouring ones must not give like orders (the mixing of SplitMix64).
std::uint64_t mixed(std::uint64_t seed, std::uint64_t epoch) {
  const auto mix = [](std::uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  };
  return mix(mix(seed) ^ epoch);
}

template <class X>
void shuffle(std::span<X> items, Generator& generator) {
  for (std::size_t n = items.size(); n > 1; --n) std::swap(items[n - 1], items[generator.below(n)]);
}

void check(const std::vector<std::vector<std::int64_t>>& sequences, const BucketOptions& options) {
  if (options.batch == 0) throw ArgumentError(op, "batch must be at least 1, got 0");
  if (options.buckets == 0) throw ArgumentError(op, "buckets must be at least 1, got 0");
  if (sequences.empty()) throw ArgumentError(op, "there are no sequences");
  for (std::size_t i = 0; i < sequences.size(); ++i)
    if (sequences[i].empty())
      throw ArgumentError(op, "sequence " + std::to_string(i) + " is empty");
}

}  // namespace

BucketBatches::BucketBatches(std::vector<std::vector<std::int64_t>> sequences,
                             BucketOptions options)
    : sequences_(std::move(sequences)), options_(options) {
  check(sequences_, options_);
  const std::size_t n = sequences_.size();
  by_length_.resize(n);
  std::iota(by_length_.begin(), by_length_.end(), std::size_t{0});
  std::stable_sort(by_length_.begin(), by_length_.end(), [&](std::size_t a, std::size_t b) {
    return sequences_[a].size() < sequences_[b].size();
  });
  order_ = by_length_;
  const std::size_t batches = (n - 1) / options_.batch + 1;
  batches_.resize(batches);
  const std::size_t buckets = std::min(options_.buckets, batches);
  const std::size_t each = batches / buckets, more = batches % buckets;
  for (std::size_t k = 0, first = 0; k < buckets; ++k) {
    const std::size_t whole = (each + (k < more ? 1 : 0)) * options_.batch;
    buckets_.push_back({first, std::min(whole, n - first)});
    first += whole;
  }
  arrange();
}

/// Puts the sequences and batches into the order of the epoch.
void BucketBatches::arrange() noexcept {
  std::copy(by_length_.begin(), by_length_.end(), order_.begin());
  for (std::size_t i = 0, first = 0; i < batches_.size(); ++i, first += options_.batch)
    batches_[i] = {first, std::min(options_.batch, order_.size() - first)};
  if (!options_.shuffle) return;
  Generator generator(mixed(options_.seed, epoch_));
  for (const Range& bucket : buckets_)
    shuffle(std::span(order_).subspan(bucket.first, bucket.count), generator);
  shuffle(std::span(batches_), generator);
}

std::size_t BucketBatches::longest(const Range& range) const {
  std::size_t steps = 0;
  for (std::size_t i = 0; i < range.count; ++i)
    steps = std::max(steps, sequences_[order_[range.first + i]].size());
  return steps;
}

PaddedBatch BucketBatches::next() {
  PaddedBatch batch;
  next(batch);
  return batch;
}

void BucketBatches::next(PaddedBatch& batch) {
  const Range range = batches_[position_];
  const std::size_t count = range.count;
  batch.tokens.resize({longest(range), count});
  std::fill(batch.tokens.begin(), batch.tokens.end(), options_.padding);
  batch.lengths.resize(count);
  batch.order.resize(count);
  for (std::size_t b = 0; b < count; ++b) {
    const std::size_t which = order_[range.first + b];
    const std::vector<std::int64_t>& sequence = sequences_[which];
    batch.order[b] = which;
    batch.lengths[b] = sequence.size();
    for (std::size_t t = 0; t < sequence.size(); ++t)
      batch.tokens.data()[t * count + b] = sequence[t];
  }
  if (++position_ < batches_.size()) return;
  position_ = 0;
  ++epoch_;
  arrange();
}

double BucketBatches::padded_share() const {
  double all = 0, used = 0;
  for (const Range& range : batches_)
    all += static_cast<double>(longest(range)) * static_cast<double>(range.count);
  for (const auto& sequence : sequences_) used += static_cast<double>(sequence.size());
  return 1 - used / all;
}

void BucketBatches::set_state(const State& state) noexcept {
  epoch_ = state[0];
  position_ = state[1] % batches_.size();
  arrange();
}

}  // namespace tapestry::data
