// SPDX-License-Identifier: MIT
// A loss as the sum of what each time step adds to it, for the studies that look along time.
//
// Letters: T steps, B sequences, V classes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/ops/cross_entropy.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// One term of an objective J = sum_t w_t L_t, where L_t = sum(seed * loss).
template <class T>
struct LossTerm {
  Variable<T> loss;
  std::int64_t time = 0;  ///< t, the step that it belongs to
  double weight = 1;      ///< w_t
  std::vector<T> seed{};  ///< as many numbers as `loss` has; empty: 1, and `loss` is a scalar
};

template <class T>
using LossTerms = std::vector<LossTerm<T>>;

/// Scalar losses of steps 0, 1, ..., in a vector, with their weights; without weights all are 1.
/// ShapeError when a loss is no scalar, ArgumentError when there are not as many weights.
template <class T>
LossTerms<T> loss_terms(const std::vector<Variable<T>>& losses,
                        const std::vector<double>& weights = {});

/// The loss of each element (T, B), as loss functions without reduction give it. L_t is the sum
/// over the sequences that have not ended before t, and w_t = 1 / B, so that J is the mean over
/// sequences of the sum over their steps. Without lengths all have T steps. ShapeError when
/// `element_losses` is not of rank 2 or the lengths are not B, ArgumentError when one is above T.
template <class T>
LossTerms<T> loss_terms(const Variable<T>& element_losses,
                        const std::vector<std::size_t>& lengths = {});

/// The same for logits (T, B, V) and targets (T, B): records their softmax_cross_entropy, so take a
/// mark of the tape before if that shall go away. Throws what that throws.
template <class T>
LossTerms<T> loss_terms(const Variable<T>& logits, const Indices& targets,
                        const std::vector<std::size_t>& lengths = {});

/// One loss for each sequence (B), at its last step: sequence b stands at time lengths[b] - 1, so
/// that lags count from its own end; w_t = 1 / B. ShapeError when the lengths are not B,
/// ArgumentError when one is 0.
template <class T>
LossTerms<T> last_step_terms(const Variable<T>& sequence_losses,
                             const std::vector<std::size_t>& lengths);

}  // namespace tapestry
