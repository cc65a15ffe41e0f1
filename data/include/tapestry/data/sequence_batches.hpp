// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/data/token_source.hpp"

namespace tapestry::data {

/// The sizes of a batch: it has `steps` (T) tokens from each of `batch` (B) streams.
struct SequenceOptions {
  std::size_t steps = 50;
  std::size_t batch = 32;
};

/// The tokens that a model reads, and the targets that it shall predict. Both have shape (T, B),
/// and a target is the token one step later.
struct SequenceBatch {
  Indices tokens;
  Indices targets;
};

/// Cuts a sequence of N tokens into batches for truncated backpropagation through time.
///
/// The sequence is cut into B streams of equal length, one after the other. Each batch takes the
/// next T tokens of every stream. So column b of a batch continues where column b of the previous
/// batch ended, and a recurrent state may be carried from batch to batch. After
/// `batches_per_epoch()` = (N - 1) / (T B) batches everything starts again. Then the carried state
/// belongs to other text, and a trainer may drop it:
///
///     if (batches.at_start()) carry = {};
///     const auto [tokens, targets] = batches.next();
///
/// The last (N - 1) mod (T B) tokens of the sequence do not fill a batch and are left out.
class SequenceBatches {
 public:
  /// `sequence` has shape (N,). Throws ShapeError when it has another rank, ArgumentError when
  /// steps or batch is 0 or when N is less than T B + 1.
  explicit SequenceBatches(Indices sequence, SequenceOptions options = {});

  /// The same for a source such as a file, from which each batch reads the tokens that it needs.
  /// Also throws ArgumentError for a null pointer. When the source cannot be read, `next` throws
  /// the error of the source, and may be called again.
  explicit SequenceBatches(std::shared_ptr<const TokenSource> source, SequenceOptions options = {});

  /// The next batch.
  [[nodiscard]] SequenceBatch next();

  /// Puts the next batch into `batch` and reuses its memory.
  void next(SequenceBatch& batch);

  /// True when the next batch is the first of an epoch; then a carried state does not fit.
  [[nodiscard]] bool at_start() const { return position_ == 0; }

  /// Goes back to the first batch.
  void restart() { position_ = 0; }

  /// The number of the next batch. With it `bundle` saves the batches, `named("batches", batches)`.
  using State = std::array<std::uint64_t, 1>;
  [[nodiscard]] State state() const { return {position_}; }
  /// Whether a number can be a state; any can.
  [[nodiscard]] static bool is_state(const State&) { return true; }
  /// Goes to that batch. A state that was saved with another sequence leads to some batch that
  /// exists.
  void set_state(const State& state) noexcept { position_ = state[0] % batches_; }

  /// The number of batches in an epoch.
  [[nodiscard]] std::size_t batches_per_epoch() const { return batches_; }

 private:
  std::shared_ptr<const TokenSource> source_;
  SequenceOptions options_;
  std::vector<std::int64_t> read_;  // of each stream the tokens of a batch, and the one after them
  std::size_t batches_ = 0;
  std::size_t position_ = 0;  // of the next batch within the epoch
};

}  // namespace tapestry::data
