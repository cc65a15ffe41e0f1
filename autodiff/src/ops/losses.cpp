// SPDX-License-Identifier: MIT
// Loss functions, composed of other ops.
#include "tapestry/autodiff/ops/losses.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "ops/library_op.hpp"

namespace tapestry {
namespace {

using detail::constant_like;

template <class T>
Variable<T> constant(detail::TapeState<T>& state, const Shape& shape, const T* data,
                     const char* name) {
  const std::uint32_t index = state.add_leaf(shape, Role::constant, false, name);
  std::copy_n(data, shape.size(), state.entries[index].data);
  return {state, index};
}

template <class T>
void check_same(const char* op, const Variable<T>& x, const Variable<T>& target) {
  if (!(x.shape() == target.shape()))
    throw ShapeError(op, "the target " + target.shape().str() +
                             " must have the shape of the input " + x.shape().str());
}

template <class T>
Variable<T> reduced(const Variable<T>& losses, Reduction reduction) {
  if (reduction == Reduction::none) return losses;
  return reduction == Reduction::sum ? sum(losses) : mean(losses);
}

/// A weight as a constant, after checking that it broadcasts to the shape of `x`.
template <class T>
Variable<T> weight_for(const char* op, const char* what, const Variable<T>& x,
                       const Array<T>& weight) {
  const Shape shape(weight.shape());
  const Shape full = x.shape();
  bool fits = shape.rank() <= full.rank();
  for (std::size_t i = 0; fits && i < shape.rank(); ++i)
    fits = shape[i] == 1 || shape[i] == full[full.rank() - shape.rank() + i];
  if (!fits)
    throw ShapeError(
        op, std::string(what) + " " + shape.str() + " does not broadcast to logits " + full.str());
  return constant(x.state(op), shape, weight.data(), what);
}

}  // namespace

template <class T>
Variable<T> mse_loss(const Variable<T>& x, const Variable<T>& target, LossOptions options) {
  detail::check_one_tape("mse_loss", x, target);
  return detail::attempt("mse_loss", x, [&] {
    check_same("mse_loss", x, target);
    return reduced(square(x - target), options.reduction);
  });
}

template <class T>
Variable<T> l1_loss(const Variable<T>& x, const Variable<T>& target, LossOptions options) {
  detail::check_one_tape("l1_loss", x, target);
  return detail::attempt("l1_loss", x, [&] {
    check_same("l1_loss", x, target);
    return reduced(abs(x - target), options.reduction);
  });
}

template <class T>
Variable<T> huber_loss(const Variable<T>& x, const Variable<T>& target, HuberOptions options) {
  detail::check_one_tape("huber_loss", x, target);
  return detail::attempt("huber_loss", x, [&] {
    check_same("huber_loss", x, target);
    const T delta = static_cast<T>(options.delta);
    if (!(delta > 0))
      throw ArgumentError("huber_loss",
                          "delta must be positive, not " + number_text(options.delta));
    const Variable<T> d = x - target;
    if (std::isinf(delta)) return reduced(square(d) * T(0.5), options.reduction);
    const Variable<T> distance = abs(d);
    // Each part is computed where it counts only: beyond, d² may overflow.
    const Variable<T> inside = distance < constant_like(x, delta);
    const Variable<T> parabola = square(where(inside, d, T{0})) * T(0.5);
    const Variable<T> line = where(inside, T{0}, distance - delta / 2) * delta;
    return reduced(parabola + line, options.reduction);
  });
}

template <class T>
Variable<T> binary_cross_entropy_with_logits(
    const Variable<T>& logits, const Variable<T>& target,
    const BinaryCrossEntropyOptions<std::type_identity_t<T>>& options) {
  const char* op = "binary_cross_entropy_with_logits";
  detail::check_one_tape(op, logits, target);
  return detail::attempt(op, logits, [&] {
    check_same(op, logits, target);
    // -log(sigmoid(x)) = softplus(-x), and -log(1 - sigmoid(x)) = x + softplus(-x).
    Variable<T> positive = softplus(-logits);
    if (options.pos_weight)
      positive =
          positive *
          (target * (weight_for(op, "pos_weight", logits, *options.pos_weight) - T{1}) + T{1});
    Variable<T> losses = (T{1} - target) * logits + positive;
    if (options.weight) losses = losses * weight_for(op, "weight", logits, *options.weight);
    return reduced(losses, options.reduction);
  });
}

namespace {

/// What nll_loss knows of its targets: where each stands among all elements, and its weight.
template <class T>
struct Picks {
  Indices positions;
  std::vector<T> weights;
  double total_weight = 0;
};

template <class T>
Picks<T> picks_of(const Shape& x, const Indices& targets, const NllOptions<T>& options) {
  const Shape shape(targets.shape());
  if (x.rank() == 0 || !(x.part(0, x.rank() - 1) == shape))
    throw ShapeError(
        "nll_loss", "log-probabilities " + x.str() + " do not fit targets of shape " + shape.str());
  const auto classes = static_cast<std::int64_t>(x.back());
  if (options.weight && !(Shape(options.weight->shape()) == Shape{x.back()}))
    throw ShapeError("nll_loss", "class weights " + Shape(options.weight->shape()).str() +
                                     " do not fit log-probabilities " + x.str());
  Picks<T> picks{targets, std::vector<T>(targets.size()), 0};
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const std::int64_t target = targets.data()[i];
    std::int64_t& position = picks.positions.data()[i];
    position = static_cast<std::int64_t>(i) * classes;  // of no matter where the target is ignored
    if (target == options.ignore_index) continue;
    if (target < 0 || target >= classes)
      throw IndexError("nll_loss", "target " + std::to_string(target) + " at element " +
                                       std::to_string(i) + " is outside the " +
                                       std::to_string(classes) + " classes of log-probabilities " +
                                       x.str());
    position += target;
    picks.weights[i] = options.weight ? options.weight->data()[target] : T{1};
    picks.total_weight += static_cast<double>(picks.weights[i]);
  }
  return picks;
}

}  // namespace

template <class T>
Variable<T> nll_loss(const Variable<T>& log_probabilities, const Indices& targets,
                     const NllOptions<std::type_identity_t<T>>& options) {
  return detail::attempt("nll_loss", log_probabilities, [&] {
    detail::TapeState<T>& state = log_probabilities.state("nll_loss");
    const Shape shape = log_probabilities.shape();
    const Picks<T> picks = picks_of<T>(shape, targets, options);
    const Variable<T> weight =
        constant(state, Shape(targets.shape()), picks.weights.data(), "weight");
    // Without classes all targets are ignored, and there is nothing to pick.
    const Variable<T> picked =
        shape.back() == 0 ? sum(log_probabilities, -1)
                          : take(reshape(log_probabilities, {shape.size()}), picks.positions);
    // Where the weight is 0 a log-probability does not count, even if it is infinite.
    const Variable<T> losses = -(weight * where(weight, picked, T{0}));
    if (options.reduction == Reduction::none) return losses;
    const Variable<T> total = sum(losses);
    return options.reduction == Reduction::sum ? total : total / static_cast<T>(picks.total_weight);
  });
}

template <class T>
Variable<T> kl_div(const Variable<T>& x, const Variable<T>& target, KlOptions options) {
  detail::check_one_tape("kl_div", x, target);
  return detail::attempt("kl_div", x, [&] {
    check_same("kl_div", x, target);
    if (options.log_target) return reduced(exp(target) * (target - x), options.reduction);
    const Variable<T> none = equal(target, constant_like(target, T{0}));
    const Variable<T> ratio = log(where(none, T{1}, target)) - where(none, T{0}, x);
    return reduced(target * ratio, options.reduction);
  });
}

TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&, LossOptions)),
                        mse_loss, l1_loss)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&, HuberOptions)),
                        huber_loss)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&,
                                     const BinaryCrossEntropyOptions<T>&)),
                        binary_cross_entropy_with_logits)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&, KlOptions)), kl_div)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Indices&, const NllOptions<T>&)),
                        nll_loss)

}  // namespace tapestry
