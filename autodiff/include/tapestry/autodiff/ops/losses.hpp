// SPDX-License-Identifier: MIT
// Loss functions, with the meaning they have in torch.nn.functional, except that two operands must
// have one shape where PyTorch would broadcast them with a warning. `Reduction::mean` is over all
// elements (NaN over none) if nothing else is said. They are made of other ops, so all of their
// operands have gradients, of any order.
#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/array_like.hpp"
#include "tapestry/autodiff/ops/beside.hpp"
#include "tapestry/autodiff/ops/cross_entropy.hpp"
#include "tapestry/autodiff/ops/number.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

struct LossOptions {
  Reduction reduction = Reduction::mean;
};

/// Squared error (x - target)². ShapeError when the shapes differ.
template <class T>
Variable<T> mse_loss(const Variable<T>& x, const Variable<T>& target, LossOptions options = {});

/// Absolute error |x - target|; its gradient at 0 is 0. ShapeError when the shapes differ.
template <class T>
Variable<T> l1_loss(const Variable<T>& x, const Variable<T>& target, LossOptions options = {});

struct HuberOptions {
  Reduction reduction = Reduction::mean;
  /// Where the parabola ends and the straight line begins.
  double delta = 1;
};

/// Huber's loss: d²/2 where d = |x - target| < delta, delta (d - delta / 2) beyond; d²/2 everywhere
/// when delta is infinite.
/// ShapeError when the shapes differ, ArgumentError unless delta is positive.
template <class T>
Variable<T> huber_loss(const Variable<T>& x, const Variable<T>& target, HuberOptions options = {});

template <class T>
struct BinaryCrossEntropyOptions {
  Reduction reduction = Reduction::mean;
  /// Factor of each element; broadcasts to the shape of the logits. None means 1.
  std::optional<Array<T>> weight = std::nullopt;
  /// Factor of the positive part, usually one for each class; broadcasts likewise.
  std::optional<Array<T>> pos_weight = std::nullopt;
};

/// Cross entropy of sigmoid(logits) against probabilities, without overflow:
/// -w (p t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x))). The mean is over elements, whatever
/// their weight. ShapeError when the shapes differ or a weight does not broadcast to them.
template <class T>
Variable<T> binary_cross_entropy_with_logits(
    const Variable<T>& logits, const Variable<T>& target,
    const BinaryCrossEntropyOptions<std::type_identity_t<T>>& options = {});

template <class T>
struct NllOptions {
  /// `mean` divides by the weight of the targets that are not ignored.
  Reduction reduction = Reduction::mean;
  /// Targets with this value do not count.
  std::int64_t ignore_index = -100;
  /// Weight of each class, (V); none means 1.
  std::optional<Array<T>> weight = std::nullopt;
};

/// Negative log likelihood: -weight[t] x[..., t] for log-probabilities x (..., V), as log_softmax
/// gives them, and class numbers t (...) in [0, V). ShapeError, IndexError (naming the first bad
/// target). `softmax_cross_entropy` does both steps in one.
template <class T>
Variable<T> nll_loss(const Variable<T>& log_probabilities, const Indices& targets,
                     const NllOptions<std::type_identity_t<T>>& options = {});
/// The same with class numbers in a vector, a span or another range of integers.
template <class T>
Variable<T> nll_loss(const Variable<T>& log_probabilities, const detail::IntegerRange auto& targets,
                     const NllOptions<std::type_identity_t<T>>& options = {}) {
  return nll_loss(log_probabilities, detail::indices_of("nll_loss", targets), options);
}

struct KlOptions {
  /// For the divergence of distributions, averaged over a batch (PyTorch's "batchmean"), take the
  /// sum and divide by the batch size: `mean` divides by the number of elements.
  Reduction reduction = Reduction::mean;
  /// The target holds log-probabilities, too.
  bool log_target = false;
};

/// Kullback-Leibler divergence of `target` from exp(x), for log-probabilities x: target
/// (log(target) - x). Elements with target 0 count 0, even where x is -infinity, and have gradient
/// 0 with respect to the target. With `log_target` that is e^target (target - x), which is NaN
/// where a target is -infinity, as in PyTorch. ShapeError when the shapes differ.
template <class T>
Variable<T> kl_div(const Variable<T>& x, const Variable<T>& target, KlOptions options = {});

namespace detail {

/// `f(t)` for the target as a constant t; a single number is that of all elements.
template <class T, class F>
Variable<T> with_target(const char* op, const Variable<T>& x, const ArrayLike<T>& target,
                        const F& f) {
  return attempt(x.state(op), [&] { return f(constant_beside(op, x, target, true)); });
}

}  // namespace detail

/// The same with a target that is on no tape, in whatever a program has it (see ArrayLike); a
/// single number is the target of all elements.
template <class T>
Variable<T> mse_loss(const Variable<T>& x, const ArrayLike<std::type_identity_t<T>>& target,
                     LossOptions options = {}) {
  return detail::with_target("mse_loss", x, target,
                             [&](const auto& t) { return mse_loss(x, t, options); });
}
template <class T>
Variable<T> l1_loss(const Variable<T>& x, const ArrayLike<std::type_identity_t<T>>& target,
                    LossOptions options = {}) {
  return detail::with_target("l1_loss", x, target,
                             [&](const auto& t) { return l1_loss(x, t, options); });
}
template <class T>
Variable<T> huber_loss(const Variable<T>& x, const ArrayLike<std::type_identity_t<T>>& target,
                       HuberOptions options = {}) {
  return detail::with_target("huber_loss", x, target,
                             [&](const auto& t) { return huber_loss(x, t, options); });
}
template <class T>
Variable<T> binary_cross_entropy_with_logits(
    const Variable<T>& x, const ArrayLike<std::type_identity_t<T>>& target,
    const BinaryCrossEntropyOptions<std::type_identity_t<T>>& options = {}) {
  return detail::with_target("binary_cross_entropy_with_logits", x, target, [&](const auto& t) {
    return binary_cross_entropy_with_logits(x, t, options);
  });
}
template <class T>
Variable<T> kl_div(const Variable<T>& x, const ArrayLike<std::type_identity_t<T>>& target,
                   KlOptions options = {}) {
  return detail::with_target("kl_div", x, target,
                             [&](const auto& t) { return kl_div(x, t, options); });
}

}  // namespace tapestry
