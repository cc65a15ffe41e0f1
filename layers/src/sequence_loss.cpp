// SPDX-License-Identifier: MIT
#include "tapestry/layers/sequence_loss.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "lengths.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/tape.hpp"

namespace tapestry {
namespace {

using layers::check_lengths;
using Lengths = std::vector<std::size_t>;

/// `losses` (T, B) as the reduction says, where `mask` is not 0, `count` times in all. The last of
/// them in each sequence is at its length - 1.
template <class T>
Variable<T> reduced(const Variable<T>& losses, const Variable<T>& mask, const Lengths& lengths,
                    std::size_t count, SequenceReduction reduction) {
  if (reduction == SequenceReduction::last_step) return mean(last_step(losses, lengths));
  const Variable<T> within = where(mask, losses, T{0});
  switch (reduction) {
    case SequenceReduction::mean_of_sequences:
      return sum(within) / static_cast<T>(lengths.size());
    case SequenceReduction::mean_of_steps:
      return sum(within) / static_cast<T>(count);
    case SequenceReduction::sequences:
      return sum(within, 0);
    case SequenceReduction::steps:
      return within;
    default:
      return sum(within);
  }
}

template <class T>
Variable<T> reduced(const Variable<T>& losses, const Lengths& lengths,
                    SequenceReduction reduction) {
  const auto mask = layers::mask_of(losses.state("sequence_loss"), lengths, losses.shape()[0]);
  const std::size_t count = std::reduce(lengths.begin(), lengths.end());
  return reduced(losses, mask, lengths, count, reduction);
}

/// The targets, with `ignore_index` beyond the ends.
Indices within(const Indices& targets, const Lengths& lengths, std::int64_t ignore_index) {
  Indices result = targets;
  for (std::size_t t = 0; t < targets.shape()[0]; ++t)
    for (std::size_t b = 0; b < lengths.size(); ++b)
      if (t >= lengths[b]) result(t, b) = ignore_index;
  return result;
}

}  // namespace

template <class T>
Variable<T> sequence_loss(const Variable<T>& element_losses, const Lengths& lengths,
                          SequenceLossOptions options) {
  return detail::attempt(element_losses.state("sequence_loss"), [&] {
    const Shape shape = element_losses.shape();
    if (shape.rank() != 2)
      throw ShapeError("sequence_loss",
                       "element losses must have shape (T, B), not " + shape.str());
    check_lengths("sequence_loss", lengths, shape[0], shape[1]);
    return reduced(element_losses, lengths, options.reduction);
  });
}

template <class T>
Variable<T> masked_sequence_loss(const Variable<T>& element_losses, const Array<T>& mask,
                                 SequenceLossOptions options) {
  const char* op = "masked_sequence_loss";
  detail::TapeState<T>& tape = element_losses.state(op);
  return detail::attempt(tape, [&] {
    const Shape shape(mask.shape());
    if (shape.rank() != 2 || !(element_losses.shape() == shape))
      throw ShapeError(op, "element losses " + element_losses.shape().str() + " and mask " +
                               shape.str() + " must both have shape (T, B)");
    Lengths lengths(shape[1]);
    std::size_t count = 0;
    for (std::size_t t = 0; t < shape[0]; ++t)
      for (std::size_t b = 0; b < shape[1]; ++b) {
        if (mask(t, b) == 0) continue;
        lengths[b] = t + 1;
        ++count;
      }
    const std::uint32_t index = tape.add_leaf(shape, Role::constant, false, "mask");
    std::copy_n(mask.data(), shape.size(), tape.entries[index].data);
    return reduced(element_losses, Variable<T>(tape, index), lengths, count, options.reduction);
  });
}

template <class T>
Variable<T> sequence_loss(const Variable<T>& element_losses, SequenceLossOptions options) {
  const Shape shape = element_losses.shape();
  const Lengths lengths = shape.rank() == 2 ? Lengths(shape[1], shape[0]) : Lengths{};
  return sequence_loss(element_losses, lengths, options);
}

template <class T>
Variable<T> sequence_cross_entropy(
    const Variable<T>& logits, const Indices& targets, const Lengths& lengths,
    const SequenceCrossEntropyOptions<std::type_identity_t<T>>& options) {
  const char* op = "sequence_cross_entropy";
  return detail::attempt(logits.state(op), [&] {
    const Shape shape(targets.shape());
    if (logits.shape().rank() != 3 || !(logits.shape().part(0, 2) == shape))
      throw ShapeError(op, "logits " + logits.shape().str() + " and targets " + shape.str() +
                               " must have shapes (T, B, V) and (T, B)");
    check_lengths(op, lengths, shape[0], shape[1]);
    const bool mean_of_steps = options.reduction == SequenceReduction::mean_of_steps;
    const auto losses =
        softmax_cross_entropy(logits, within(targets, lengths, options.ignore_index),
                              {.reduction = mean_of_steps ? Reduction::mean : Reduction::none,
                               .ignore_index = options.ignore_index,
                               .label_smoothing = options.label_smoothing,
                               .weight = options.weight});
    return mean_of_steps ? losses : reduced(losses, lengths, options.reduction);
  });
}

template <class T>
Variable<T> last_step(const Variable<T>& output, const Lengths& lengths) {
  return detail::attempt(output.state("last_step"), [&] {
    const Shape shape = output.shape();
    if (shape.rank() < 2)
      throw ShapeError("last_step", "output must have shape (T, B, ...), not " + shape.str());
    check_lengths("last_step", lengths, shape[0], shape[1], 1);
    Indices rows = Indices::from_shape({shape[1]});  // among those of all steps, one after another
    for (std::size_t b = 0; b < shape[1]; ++b)
      rows(b) = static_cast<std::int64_t>((lengths[b] - 1) * shape[1] + b);
    Shape flat = shape.part(1, shape.rank());
    flat[0] = shape[0] * shape[1];
    return take(reshape(output, flat), rows, 0);
  });
}

template <class T>
Variable<T> sequence_mask(Tape<T>& tape, const Lengths& lengths, std::size_t steps) {
  return detail::attempt(tape.state(), [&] {
    check_lengths("sequence_mask", lengths, steps, lengths.size());
    return layers::mask_of(tape.state(), lengths, steps);
  });
}

TAPESTRY_INSTANTIATE(masked_sequence_loss, sequence_cross_entropy, last_step, sequence_mask)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Lengths&, SequenceLossOptions)),
                        sequence_loss)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, SequenceLossOptions)), sequence_loss)

}  // namespace tapestry
