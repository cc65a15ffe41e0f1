// SPDX-License-Identifier: MIT
// Losses over batches of sequences of different lengths.
//
// Letters: T steps of the longest sequence, B sequences (q in formulas), n_i the length of sequence
// i, V classes. There is one length for each sequence, at most T, in any order. Numbers beyond the
// end of a sequence, even NaN, change neither loss nor gradient.
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

/// How the losses of the elements of several sequences become one loss.
enum class SequenceReduction : std::uint8_t {
  /// The objective J = 1/q sum_i L_seq(i): the mean over sequences of L_seq = sum_t L_elt(t), the
  /// sum over the n_i elements of a sequence.
  mean_of_sequences,
  /// The sum over all elements of all sequences, divided by the number of elements: each step has
  /// the same weight, and the loss does not grow with the lengths.
  mean_of_steps,
  /// The mean over sequences of the loss at the last step of each, for tasks with one output for a
  /// sequence.
  last_step,
  /// The sum over all elements of all sequences.
  sum,
  /// No reduction over sequences: L_seq of each, (B).
  sequences,
  /// No reduction: the loss of each element, (T, B), and 0 beyond the ends.
  steps,
};

struct SequenceLossOptions {
  SequenceReduction reduction = SequenceReduction::mean_of_sequences;
};

/// The loss of a batch of sequences, from the losses of their elements (T, B), which a loss
/// function without reduction gives. The result is a scalar unless the reduction says otherwise.
/// Without lengths all sequences have T elements. Throws ShapeError when `element_losses` is not of
/// rank 2 or there are not B lengths, and ArgumentError when a length is more than T, or is 0 and
/// the last step is asked for.
template <class T>
Variable<T> sequence_loss(const Variable<T>& element_losses,
                          const std::vector<std::size_t>& lengths,
                          SequenceLossOptions options = {});
template <class T>
Variable<T> sequence_loss(const Variable<T>& element_losses, SequenceLossOptions options = {});

/// The same with a mask in place of lengths: `mask` (T, B) is 0 at elements that do not count,
/// which may lie anywhere. The last step of a sequence is the last one that counts. Throws
/// ShapeError when the mask does not have the shape of the losses, and ArgumentError when the last
/// step is asked for and a sequence has none.
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

/// The sequence loss with softmax_cross_entropy as the loss of an element: logits (T, B, V),
/// targets (T, B) in [0, V); beyond the ends targets may have any value. Throws what
/// `sequence_loss` and `softmax_cross_entropy` throw.
template <class T>
Variable<T> sequence_cross_entropy(
    const Variable<T>& logits, const Indices& targets, const std::vector<std::size_t>& lengths,
    const SequenceCrossEntropyOptions<std::type_identity_t<T>>& options = {});

/// The output at the last step of each sequence: output (T, B, ...), result (B, ...). Throws
/// ShapeError below rank 2 or when there are not B lengths, and ArgumentError when a length is 0 or
/// more than T.
template <class T>
Variable<T> last_step(const Variable<T>& output, const std::vector<std::size_t>& lengths);

/// A constant (T, B) on `tape` for `steps` T: 1 within each sequence, 0 beyond its end.
/// Throws ArgumentError when a length is more than T.
template <class T>
Variable<T> sequence_mask(Tape<T>& tape, const std::vector<std::size_t>& lengths,
                          std::size_t steps);

}  // namespace tapestry
