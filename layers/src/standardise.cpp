// SPDX-License-Identifier: MIT
#include "standardise.hpp"

#include <array>
#include <cmath>

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/op.hpp"
#include "tapestry/autodiff/ops.hpp"

namespace tapestry::layers {
namespace {

struct Standardise {
  static constexpr auto name = "standardise";
  static constexpr auto formula = "y = (x - mean(x)) / sqrt(variance(x) + epsilon), for each row";
  static constexpr auto shapes = "(..., n) -> (..., n)";
  static constexpr Saves saves = save_all;
  double epsilon;

  [[nodiscard]] Shape infer(const Shape& x) const {
    if (x.rank() == 0 || x.back() == 0)
      throw ShapeError(name, "x " + x.str() + " must end in an axis that is not empty");
    return x;
  }

  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    const std::size_t n = x.shape().back();
    for (std::size_t first = 0; first < x.size(); first += n) {
      const T* from = x.data + first;
      T* to = y.data + first;
      const T centre = mean_of(from, n);
      for (std::size_t i = 0; i < n; ++i) to[i] = from[i] - centre;
      const T scale = scale_of<T>(sum(n, [=](std::size_t i) { return to[i] * to[i]; }), n);
      for (std::size_t i = 0; i < n; ++i) to[i] *= scale;
    }
  }

  // With s = 1 / deviation: d_x = s (g - mean(g) - y mean(g y)).
  template <class T>
  void backward(KernelBackward<T>& call) const {
    if (!call.needs(0)) return;
    const In<T> x = call.input(0), y = call.output(0), g = call.grad(0);
    const Out<T> to = call.target(0);
    const std::size_t n = x.shape().back();
    for (std::size_t first = 0; first < x.size(); first += n) {
      const T* row = y.data + first;
      const T* gradient = g.data + first;
      const T mean = mean_of(gradient, n);
      const T along =
          sum(n, [=](std::size_t i) { return gradient[i] * row[i]; }) / static_cast<T>(n);
      const T* from = x.data + first;
      const T centre = mean_of(from, n);
      const T scale = scale_of<T>(
          sum(n, [=](std::size_t i) { return (from[i] - centre) * (from[i] - centre); }), n);
      for (std::size_t i = 0; i < n; ++i) {
        const T value = scale * (gradient[i] - mean - row[i] * along);
        to.data[first + i] = to.accumulate ? to.data[first + i] + value : value;
      }
    }
  }

  template <class T>
  Variable<T> expand(const Variable<T>& x) const {
    const Variable<T> spread = sqrt(var(x, -1, {.keepdims = true}) + static_cast<T>(epsilon));
    return (x - mean(x, -1, true)) / spread;
  }

  [[nodiscard]] std::string attributes() const { return "epsilon=" + number_text(epsilon); }

 private:
  /// The sum of f(0), ..., f(n - 1), in lanes that a compiler can compute side by side.
  static auto sum(std::size_t n, const auto& f) {
    using T = decltype(f(std::size_t{0}));
    std::array<T, 16> lanes{};
    std::size_t i = 0;
    for (; i + lanes.size() <= n; i += lanes.size())
      for (std::size_t k = 0; k < lanes.size(); ++k) lanes[k] += f(i + k);
    for (std::size_t k = 0; i < n; ++i, ++k) lanes[k] += f(i);
    T total = 0;
    for (const T lane : lanes) total += lane;
    return total;
  }
  template <class T>
  static T mean_of(const T* x, std::size_t n) {
    return sum(n, [=](std::size_t i) { return x[i]; }) / static_cast<T>(n);
  }
  template <class T>
  [[nodiscard]] T scale_of(T squares, std::size_t n) const {
    return 1 / std::sqrt(squares / static_cast<T>(n) + static_cast<T>(epsilon));
  }
};

}  // namespace

template <class T>
Variable<T> standardise(const Variable<T>& x, double epsilon) {
  return apply(Standardise{epsilon}, x);
}

TAPESTRY_INSTANTIATE(standardise)

}  // namespace tapestry::layers
