// SPDX-License-Identifier: MIT
// Softmax and cross entropy as one op, with what PyTorch's cross_entropy offers.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "ops/library_op.hpp"
#include "tapestry/kernels/detail/softmax_kernels.hpp"
#include "tapestry/kernels/team.hpp"

namespace tapestry {
namespace {

/// Loss of row t with target k: sum over classes c of q(t, c) (lse(t) - logits(t, c)), where the
/// target distribution is q(t, c) = (1 - s) w(k) [c = k] + s / V w(c), with smoothing s and class
/// weights w; rows whose target is ignored have q = 0.
template <class T>
struct SoftmaxCrossEntropy {
  static constexpr auto name = "softmax_cross_entropy";
  static constexpr auto formula = "y = sum of w (logsumexp(x) - x[target]); smoothed, if asked for";
  static constexpr auto shapes = "(..., V), targets (...) -> () or (...)";
  IndexView targets;
  const T* weight;  // (V), or null
  Reduction reduction;
  std::int64_t ignore_index;
  T smoothing;

  // Outputs: the loss, and for each row its largest logit m and log(sum(exp(logits - m))), from
  // which backward rebuilds the softmax. They stay apart: their sum would lose digits.
  [[nodiscard]] std::size_t outputs() const { return 2; }
  [[nodiscard]] Shape infer(std::size_t output, const Shape& logits) const {
    if (logits.rank() == 0 || !(logits.part(0, logits.rank() - 1) == targets.shape))
      throw ShapeError(
          name, "logits " + logits.str() + " need targets of shape " +
                    (logits.rank() == 0 ? Shape{} : logits.part(0, logits.rank() - 1)).str() +
                    ", not " + targets.shape.str());
    for (std::size_t t = 0; t < targets.shape.size(); ++t)
      if (counts(t) && (targets.data[t] < 0 || targets.data[t] >= classes(logits)))
        throw IndexError(name, "target " + std::to_string(targets.data[t]) + " at element " +
                                   std::to_string(t) + " is outside the " +
                                   std::to_string(classes(logits)) + " classes of logits " +
                                   logits.str());
    if (output == 0) return reduction == Reduction::none ? targets.shape : Shape{};
    Shape rows = targets.shape;
    rows.push_back(2);
    return rows;
  }

  void forward(std::span<const Out<T>> y, const In<T>& logits) const {
    const auto v = static_cast<std::size_t>(classes(logits.shape()));
    for_rows(v, [&](std::size_t t) {
      const Normalizer norm = normalizer(logits.data + t * v, v);
      y[1].data[2 * t] = norm.largest;
      y[1].data[2 * t + 1] = norm.log_total;
    });
    double total = 0;
    for (std::size_t t = 0; t < rows(); ++t) {
      const Normalizer norm{y[1].data[2 * t], y[1].data[2 * t + 1]};
      const T loss = row_loss(logits.data + t * v, norm, t, v);
      if (reduction == Reduction::none) y[0].data[t] = loss;
      total += static_cast<double>(loss);
    }
    if (reduction != Reduction::none) *y[0].data = static_cast<T>(total / divisor());
  }

  void backward(KernelBackward<T>& call) const {
    if (!call.needs(0)) return;
    const Out<T> target = call.target(0);
    const In<T> x = call.input(0);
    const T* norm = call.output(1).data;
    const In<T> g = call.grad(0);
    const auto v = static_cast<std::size_t>(classes(x.shape()));
    const T scale = static_cast<T>(1 / divisor());
    for_rows(v, [&](std::size_t t) {
      T* to = target.data + t * v;
      if (!counts(t)) {
        if (!target.accumulate) std::fill_n(to, v, T{0});
        return;
      }
      const T upstream = reduction == Reduction::none ? g.data[t] : *g.data * scale;
      const Out<T> row{to, nullptr, target.accumulate};
      put_row_gradient(row, x.data + t * v, {norm[2 * t], norm[2 * t + 1]}, upstream, t, v);
    });
  }

  /// -sum(q log_softmax(logits)), the definition.
  Variable<T> expand(const Variable<T>& logits) const {
    detail::TapeState<T>& state = logits.state(name);
    const auto v = static_cast<std::size_t>(classes(logits.shape()));
    const Shape shape = logits.shape();
    const Variable<T> q(state, state.add_leaf(shape, Role::constant, false, "target distribution"));
    T* data = state.entries[q.index()].data;
    std::fill_n(data, shape.size(), T{0});
    for (std::size_t t = 0; t < rows(); ++t)
      for (std::size_t c = 0; c < v && counts(t); ++c) data[t * v + c] = share(t, c, v);
    // Where q is 0 the logarithm does not count, even if it is infinite.
    const Variable<T> losses = -sum(q * where(q, log_softmax(logits), 0), -1);
    if (reduction == Reduction::none) return losses;
    const Variable<T> total = sum(losses);
    return reduction == Reduction::sum ? total : total / static_cast<T>(divisor());
  }

  [[nodiscard]] OpAttributes attributes() const {
    return {{reduction == Reduction::mean ? "mean" : reduction == Reduction::sum ? "sum" : "none"}};
  }

 private:
  [[nodiscard]] static std::int64_t classes(const Shape& logits) {
    return static_cast<std::int64_t>(logits.back());
  }
  [[nodiscard]] std::size_t rows() const { return targets.shape.size(); }
  [[nodiscard]] bool counts(std::size_t t) const { return targets.data[t] != ignore_index; }
  [[nodiscard]] T weight_of(std::size_t c) const { return weight ? weight[c] : T{1}; }

  /// q(t, c) of a row that counts.
  [[nodiscard]] T share(std::size_t t, std::size_t c, std::size_t v) const {
    const T even = smoothing / static_cast<T>(v) * weight_of(c);
    return static_cast<std::int64_t>(c) == targets.data[t] ? even + (1 - smoothing) * weight_of(c)
                                                           : even;
  }

  [[nodiscard]] double divisor() const {
    if (reduction != Reduction::mean) return 1;
    double total = 0;
    for (std::size_t t = 0; t < rows(); ++t)
      if (counts(t))
        total += static_cast<double>(weight_of(static_cast<std::size_t>(targets.data[t])));
    return total;
  }

  /// What turns logits into logarithms of probabilities.
  struct Normalizer {
    T largest;
    T log_total;
    [[nodiscard]] T log_probability(T logit) const { return logit - largest - log_total; }
  };

  static Normalizer normalizer(const T* x, std::size_t v) {
    const auto& kernels = detail::softmax_kernels<T>();
    const T largest = kernels.largest(x, v);
    return {largest, static_cast<T>(std::log(kernels.sum_exp(x, v, largest)))};
  }

  /// Calls `body(t)` for all rows, of v classes.
  template <class Body>
  void for_rows(std::size_t v, const Body& body) const {
    constexpr std::size_t work_of_exp = 16;  // in multiplications
    const std::size_t parts = detail::parts_for(rows() * v * work_of_exp, rows());
    detail::parallel(parts, [&](std::size_t part) {
      const detail::Range range = detail::part_of(rows(), parts, part);
      for (std::size_t t = range.first; t < range.last; ++t) body(t);
    });
  }

  [[nodiscard]] T row_loss(const T* x, const Normalizer& norm, std::size_t t, std::size_t v) const {
    if (!counts(t)) return T{0};
    const auto k = static_cast<std::size_t>(targets.data[t]);
    if (smoothing == 0) return -weight_of(k) * norm.log_probability(x[k]);
    T loss{0};
    for (std::size_t c = 0; c < v; ++c) loss -= share(t, c, v) * norm.log_probability(x[c]);
    return loss;
  }

  /// Of one row; to be added to what is there if it accumulates.
  void put_row_gradient(const Out<T>& to, const T* x, const Normalizer& norm, T upstream,
                        std::size_t t, std::size_t v) const {
    const auto k = static_cast<std::size_t>(targets.data[t]);
    T mass = weight_of(k);  // sum of q over the classes
    if (smoothing != 0) {
      mass = T{0};
      for (std::size_t c = 0; c < v; ++c) mass += share(t, c, v);
    }
    const T factor = upstream * mass / std::exp(norm.log_total);
    detail::softmax_kernels<T>().scaled_exp({v, x, norm.largest, factor, to.data, to.accumulate});
    if (smoothing == 0) {
      to.data[k] -= upstream * mass;
    } else {
      for (std::size_t c = 0; c < v; ++c) to.data[c] -= upstream * share(t, c, v);
    }
  }
};

}  // namespace

template <class T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits, const Indices& targets,
                                  const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  const char* op = SoftmaxCrossEntropy<T>::name;
  detail::TapeState<T>& state = logits.state(op);
  return detail::attempt(state, [&] {
    if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
      throw ArgumentError(
          op, "label smoothing must lie in [0, 1], not " + number_text(options.label_smoothing));
    const T* weight = nullptr;
    if (options.weight) {
      const Shape shape(options.weight->shape());
      if (logits.shape().rank() == 0 || !(shape == Shape{logits.shape().back()}))
        throw ShapeError(
            op, "class weights " + shape.str() + " do not fit logits " + logits.shape().str());
      weight =
          static_cast<const T*>(state.attach(options.weight->data(), shape.size() * sizeof(T)));
    }
    return detail::apply_op(
        SoftmaxCrossEntropy<T>{detail::keep_indices(state, targets), weight, options.reduction,
                               options.ignore_index, static_cast<T>(options.label_smoothing)},
        logits);
  });
}

TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Indices&,
                                     const CrossEntropyOptions<T>&)),
                        softmax_cross_entropy)

}  // namespace tapestry
