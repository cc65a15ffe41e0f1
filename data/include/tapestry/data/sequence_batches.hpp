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

/// Sizes of a batch: `steps` (T) tokens of each of `batch` (B) streams.
struct SequenceOptions {
  std::size_t steps = 50;
  std::size_t batch = 32;
};

/// What a model reads and what it is to predict: both of shape (T, B), and `targets` is `tokens`
/// one step later.
struct SequenceBatch {
  Indices tokens;
  Indices targets;
};

/// Cuts a sequence of N tokens into batches for truncated backpropagation through time.
///
/// The sequence is laid out as B streams of equal length, one after the other. Each batch takes the
/// next T tokens of every stream, so column b of a batch continues where column b of the previous
/// batch ended, and a recurrent state may be carried from batch to batch. After
/// `batches_per_epoch()` = (N - 1) / (T B) batches it starts again; the state then belongs to
/// other text, which a trainer may take into account:
///
///     if (batches.at_start()) carry = {};
///     const auto [tokens, targets] = batches.next();
///
/// The (N - 1) mod (T B) tokens at the end of the sequence that fill no batch are left out.
class SequenceBatches {
 public:
  /// `sequence` has shape (N,). Throws ShapeError when it has another rank, ArgumentError when
  /// steps or batch is 0 or when N is less than T B + 1.
  explicit SequenceBatches(Indices sequence, SequenceOptions options = {});

  /// The same of a source, such as a file, from which each batch reads what it needs. Throws
  /// ArgumentError for a null pointer too; then `next` throws what the source does when it cannot
  /// be read, and may be called again.
  explicit SequenceBatches(std::shared_ptr<const TokenSource> source, SequenceOptions options = {});

  /// The next batch.
  [[nodiscard]] SequenceBatch next();

  /// The next batch into `batch`, reusing its memory.
  void next(SequenceBatch& batch);

  /// True when the next batch is the first of an epoch: a carried state does not fit it.
  [[nodiscard]] bool at_start() const { return position_ == 0; }

  /// Goes back to the first batch.
  void restart() { position_ = 0; }

  /// Which batch is next: lets `bundle` save it, `named("batches", batches)`.
  using State = std::array<std::uint64_t, 1>;
  [[nodiscard]] State state() const { return {position_}; }
  /// Whether a state can be one, as far as it can tell by itself.
  [[nodiscard]] static bool is_state(const State&) { return true; }
  /// Goes to a batch; of another sequence's state, to one that there is.
  void set_state(const State& state) noexcept { position_ = state[0] % batches_; }

  /// Number of batches until it starts again.
  [[nodiscard]] std::size_t batches_per_epoch() const { return batches_; }

 private:
  std::shared_ptr<const TokenSource> source_;
  SequenceOptions options_;
  std::vector<std::int64_t> read_;  // of each stream the tokens of a batch, and the one after them
  std::size_t batches_ = 0;
  std::size_t position_ = 0;  // of the next batch within the epoch
};

}  // namespace tapestry::data
