// SPDX-License-Identifier: MIT
// Losses over batches of sequences of different lengths.
//
// Letters: T steps of the longest sequence, B sequences (q in formulas), n_i the length
// of sequence i, V classes. Lengths are a number for each sequence, at most T, in any order; what
// stands beyond the end of a sequence, be it NaN, changes neither loss nor gradient.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

template <class T>
class Tape;

/// How the losses of the elements of several sequences become one.
enum class SequenceReduction : std::uint8_t {
  /// The objective J = 1/q sum_i L_seq(i): the mean over sequences of L_seq = sum_t L_elt(t), the
  /// sum over the n_i elements of a sequence.
  mean_of_sequences,
  /// The sum over all elements of all sequences, divided by their number: each step weighs the
  /// same, and the loss does not grow with the lengths.
  mean_of_steps,
  /// The mean over sequences of the loss at each one's last step, for many-to-one tasks.
  last_step,
  /// The sum over all elements of all sequences.
  sum,
  /// L_seq of each sequence: (B).
  sequences,
  /// Each element, 0 beyond the ends: (T, B).
  steps,
};

struct SequenceLossOptions {
  SequenceReduction reduction = SequenceReduction::mean_of_sequences;
};

/// The loss of a batch of sequences from those of their elements (T, B), such as those of a loss
/// function without reduction: a scalar, or what the reduction says. Without lengths all sequences
/// have T elements. ShapeError when `element_losses` is not of rank 2 or the lengths are not B,
/// ArgumentError when one is more than T, or 0 where a last step is asked for.
template <class T>
Variable<T> sequence_loss(const Variable<T>& element_losses,
                          const std::vector<std::size_t>& lengths,
                          SequenceLossOptions options = {});
template <class T>
Variable<T> sequence_loss(const Variable<T>& element_losses, SequenceLossOptions options = {});

/// The same where the elements that count are given one by one: `mask` (T, B) is 0 at those that do
/// not, which may lie anywhere. The last step of a sequence is the last one that counts. ShapeError
/// when the mask is not shaped like the losses, ArgumentError when a sequence has no last step and
/// it is asked for.
template <class T>
Variable<T> masked_sequence_loss(const Variable<T>& element_losses, const Array<T>& mask,
                                 SequenceLossOptions options = {});

template <class T>
struct SequenceCrossEntropyOptions {
  SequenceReduction reduction = SequenceReduction::mean_of_sequences;
  /// Targets with this value do not count: their loss is 0, and `mean_of_steps` leaves them out of
  /// its number of steps.
  std::int64_t ignore_index = -100;
  /// As for `softmax_cross_entropy`; `mean_of_steps` divides by the weight of the targets.
  double label_smoothing = 0;
  std::optional<Array<T>> weight = std::nullopt;
};

/// The same with softmax_cross_entropy as the loss of an element: logits (T, B, V), targets (T, B)
/// in [0, V), of any value beyond the ends. Throws what both of them throw.
template <class T>
Variable<T> sequence_cross_entropy(
    const Variable<T>& logits, const Indices& targets, const std::vector<std::size_t>& lengths,
    const SequenceCrossEntropyOptions<std::type_identity_t<T>>& options = {});

/// What stands at the last step of each sequence: output (T, B, ...), result (B, ...). ShapeError
/// below rank 2 or when the lengths are not B, ArgumentError when one is 0 or more than T.
template <class T>
Variable<T> last_step(const Variable<T>& output, const std::vector<std::size_t>& lengths);

/// A constant (T, B) on `tape` for `steps` T: 1 within each sequence, 0 beyond its end.
/// ArgumentError when a length is more than T.
template <class T>
Variable<T> sequence_mask(Tape<T>& tape, const std::vector<std::size_t>& lengths,
                          std::size_t steps);

}  // namespace tapestry
