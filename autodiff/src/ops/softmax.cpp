// SPDX-License-Identifier: MIT
// Softmax and its logarithm along an axis; dropout.
#include <algorithm>
#include <cmath>
#include <string>

#include "ops/library_op.hpp"
#include "tapestry/autodiff/random.hpp"

namespace tapestry {
namespace {

/// Calls `body(x, y, count, stride)` for each line of elements along `axis`.
template <class T, class Body>
void for_each_line(const Out<T>& y, const In<T>& x, std::size_t axis, const Body& body) {
  const std::size_t stride = detail::SplitAtAxis(x.shape(), axis).inner;
  const std::size_t count = x.shape()[axis];
  if (x.size() == 0) return;
  for (std::size_t first = 0; first < x.size(); first += count * stride)
    for (std::size_t i = 0; i < stride; ++i)
      body(x.data + first + i, y.data + first + i, count, stride);
}

template <class T>
T largest(const T* x, std::size_t count, std::size_t stride) {
  T m = x[0];
  for (std::size_t i = 1; i < count; ++i) m = std::max(m, x[i * stride]);
  return m;
}

struct Softmax {
  static constexpr auto name = "softmax";
  static constexpr auto formula = "y = exp(x) / sum of exp(x)";
  static constexpr auto shapes = "(...) -> (...)";
  static constexpr Saves saves = save_output;
  std::size_t axis;

  [[nodiscard]] Shape infer(const Shape& x) const { return x; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    for_each_line(y, x, axis, [](const T* from, T* to, std::size_t n, std::size_t stride) {
      const T m = largest(from, n, stride);
      double total = 0;  // a float stops growing at 2^24
      for (std::size_t i = 0; i < n * stride; i += stride)
        total += static_cast<double>(to[i] = std::exp(from[i] - m));
      for (std::size_t i = 0; i < n * stride; i += stride) to[i] /= static_cast<T>(total);
    });
  }
  auto backward(const auto& g, const auto& y) const {
    return y * (g - sum(g * y, static_cast<int>(axis), true));
  }
  [[nodiscard]] OpAttributes attributes() const { return {{"axis", axis}}; }
};

struct LogSoftmax {
  static constexpr auto name = "log_softmax";
  static constexpr auto formula = "y = x - log(sum of exp(x))";
  static constexpr auto shapes = "(...) -> (...)";
  static constexpr Saves saves = save_output;
  std::size_t axis;

  [[nodiscard]] Shape infer(const Shape& x) const { return x; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    for_each_line(y, x, axis, [](const T* from, T* to, std::size_t n, std::size_t stride) {
      const T m = largest(from, n, stride);
      double total = 0;
      for (std::size_t i = 0; i < n * stride; i += stride)
        total += static_cast<double>(std::exp(from[i] - m));
      const T lse = static_cast<T>(std::log(total));
      for (std::size_t i = 0; i < n * stride; i += stride) to[i] = from[i] - m - lse;
    });
  }
  auto backward(const auto& g, const auto& y) const {
    return g - exp(y) * sum(g, static_cast<int>(axis), true);
  }
  [[nodiscard]] OpAttributes attributes() const { return {{"axis", axis}}; }
};

}  // namespace

template <class T>
Variable<T> softmax(const Variable<T>& x, int axis) {
  return detail::attempt("softmax", x, [&] {
    return detail::apply_op(Softmax{normalize_axis("softmax", axis, x.shape().rank())}, x);
  });
}

template <class T>
Variable<T> log_softmax(const Variable<T>& x, int axis) {
  return detail::attempt("log_softmax", x, [&] {
    return detail::apply_op(LogSoftmax{normalize_axis("log_softmax", axis, x.shape().rank())}, x);
  });
}

template <class T>
Variable<T> dropout(const Variable<T>& x, double p, bool training) {
  return detail::attempt("dropout", x, [&] {
    if (!(p >= 0 && p <= 1))
      throw ArgumentError("dropout", "p must lie in [0, 1], not " + number_text(p));
    if (!training || p == 0) return x;
    detail::TapeState<T>& state = x.state("dropout");
    const Shape shape = x.shape();
    const Variable<T> mask(state, state.add_leaf(shape, Role::constant, false, "dropout mask"));
    const T scale = p == 1 ? T{0} : static_cast<T>(1 / (1 - p));
    Generator& generator = default_generator();
    T* data = state.entries[mask.index()].data;
    for (std::size_t i = 0; i < shape.size(); ++i) data[i] = generator.uniform() < p ? T{0} : scale;
    return x * mask;
  });
}

TAPESTRY_INSTANTIATE(softmax, log_softmax, dropout)

}  // namespace tapestry
