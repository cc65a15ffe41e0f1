// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tapestry/autodiff/array.hpp"

namespace tapestry::data {

/// How `BucketBatches` puts sequences together.
struct BucketOptions {
  std::size_t batch = 32;    ///< number of sequences in a batch, B
  std::size_t buckets = 8;   ///< groups by length; with 1, sequences of any lengths share a batch
  std::int64_t padding = 0;  ///< the token after the end of a sequence
  bool shuffle = true;       ///< otherwise every epoch goes from the shortest to the longest
  std::uint64_t seed = 1;    ///< the seed and the number of the epoch determine the order
};

/// Sequences side by side, up to the length T of the longest.
struct PaddedBatch {
  Indices tokens;                    ///< (T, B)
  std::vector<std::size_t> lengths;  ///< (B,), as recurrent layers take them
  std::vector<std::size_t> order;    ///< (B,), the number of each among all sequences
};

/// Cuts many separate sequences into batches with little padding.
///
/// The sequences are ordered by length and dealt into buckets. A bucket holds whole batches, and
/// buckets are as equal in size as that allows. Every epoch (one pass over all sequences) shuffles
/// each bucket, cuts it into batches, and shuffles the batches. So each sequence comes once in an
/// epoch, beside others of about its length. Only the last batch of the last bucket may have fewer
/// than B sequences.
class BucketBatches {
 public:
  /// Throws ArgumentError when there are no sequences, when one is empty, and when `batch` or
  /// `buckets` is 0.
  explicit BucketBatches(std::vector<std::vector<std::int64_t>> sequences,
                         BucketOptions options = {});

  /// The next batch. After the last batch of an epoch another epoch begins.
  [[nodiscard]] PaddedBatch next();

  /// Puts the next batch into `batch` and reuses its memory.
  void next(PaddedBatch& batch);

  /// True when the next batch is the first of an epoch.
  [[nodiscard]] bool at_start() const { return position_ == 0; }

  /// Number of the epoch that the next batch belongs to, from 0.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

  [[nodiscard]] std::size_t batches_per_epoch() const { return batches_.size(); }

  /// The share of padding among the tokens of all batches of this epoch, in [0, 1).
  [[nodiscard]] double padded_share() const;

  /// The epoch, and the number of its next batch. With them `bundle` saves the batches,
  /// `named("batches", batches)`.
  using State = std::array<std::uint64_t, 2>;
  [[nodiscard]] State state() const { return {epoch_, position_}; }
  /// Whether numbers can be a state; any can.
  [[nodiscard]] static bool is_state(const State&) { return true; }
  /// Goes to that batch of that epoch. A state that was saved with other sequences leads to some
  /// batch that exists.
  void set_state(const State& state) noexcept;

 private:
  struct Range {
    std::size_t first, count;  // in order_
  };

  void arrange() noexcept;
  [[nodiscard]] std::size_t longest(const Range& range) const;

  std::vector<std::vector<std::int64_t>> sequences_;
  BucketOptions options_;
  std::vector<std::size_t> by_length_;  // the sequences, shortest first
  std::vector<Range> buckets_;
  std::vector<std::size_t> order_;  // the sequences as this epoch takes them, bucket by bucket
  std::vector<Range> batches_;      // the batches as it takes them
  std::uint64_t epoch_ = 0;
  std::size_t position_ = 0;
};

}  // namespace tapestry::data
