// SPDX-License-Identifier: MIT
// The loss of classifiers.
#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/array_like.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

enum class Reduction : std::uint8_t { mean, sum, none };

template <class T>
struct CrossEntropyOptions {
  /// `mean` divides by the weight of the targets that are not ignored.
  Reduction reduction = Reduction::mean;
  /// Targets with this value do not count.
  std::int64_t ignore_index = -100;
  /// Share of the target distribution spread evenly over all classes, in [0, 1].
  double label_smoothing = 0;
  /// Weight of each class, (V); none means 1.
  std::optional<Array<T>> weight = std::nullopt;
};

/// Cross entropy of softmax(logits) against class numbers, as torch.nn.functional.cross_entropy:
/// logits (..., V), targets (...) in [0, V); a scalar, or (...) without reduction. A fused op: the
/// softmax is never stored. ShapeError, IndexError (naming the first bad target), ArgumentError.
template <class T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits, const Indices& targets,
                                  const CrossEntropyOptions<std::type_identity_t<T>>& options = {});

/// The same with class numbers in a vector, a span or another range of integers.
template <class T>
Variable<T> softmax_cross_entropy(
    const Variable<T>& logits, const detail::IntegerRange auto& targets,
    const CrossEntropyOptions<std::type_identity_t<T>>& options = {}) {
  return softmax_cross_entropy(logits, detail::indices_of("softmax_cross_entropy", targets),
                               options);
}

}  // namespace tapestry
