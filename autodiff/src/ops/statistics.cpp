// SPDX-License-Identifier: MIT
// Products, spreads and lengths over axes.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "ops/reduction.hpp"
#include "ops/thread_list.hpp"

namespace tapestry {
namespace {

using detail::apply_reduction;
using detail::for_each_pair;
using detail::Reduce;

struct Prod : Reduce {
  static constexpr auto name = "prod";
  static constexpr auto formula = "y = product of x";
  static constexpr Saves saves = save_inputs;

  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    std::fill_n(y.data, y.size(), T{1});
    for_each_pair(kept(x.shape()), x.shape(),
                  [&](std::size_t to, std::size_t from) { y.data[to] *= x.data[from]; });
  }
  // A tree of products of two, and its gradient downwards: y / x would fail where x is 0.
  auto backward(const auto& g, const auto& x) const {
    const Shape full = x.shape();
    if (count(full) == 0) return expanded(g, full);
    Shape order;  // the reduced axes first
    for (const bool reduced : {true, false})
      for (std::size_t i = 0; i < full.rank(); ++i)
        if (((axes >> i & 1) != 0) == reduced) order.push_back(i);
    Shape moved;
    for (const std::size_t axis : order) moved.push_back(full[axis]);
    const auto n = static_cast<std::size_t>(count(full));
    const auto lines = reshape(detail::permute(x, order), {n, g.shape().size()});
    const auto gradient = below(reshape(g, {1, g.shape().size()}), lines);
    return detail::permute(reshape(gradient, moved), detail::inverse_of(order));
  }

 private:
  /// Gradient by the rows of `x` where `g` is that by their product, (1, m).
  template <class T>
  static Variable<T> below(const Variable<T>& g, const Variable<T>& x) {
    const auto n = static_cast<std::int64_t>(x.shape()[0]);
    if (n == 1) return g;
    const std::int64_t half = n / 2;
    const Variable<T> a = slice(x, 0, 0, half);
    const Variable<T> b = slice(x, 0, half, 2 * half);
    const Variable<T> odd = slice(x, 0, 2 * half, n);  // the last row, or none
    const Variable<T> up = below(g, concatenate(std::vector{a * b, odd}));
    const Variable<T> by_product = slice(up, 0, 0, half);
    return concatenate(
        std::vector{by_product * b, by_product * a, slice(up, 0, half, half + n % 2)});
  }
};

/// y = finish(sum of (x - mean of x)²), computed in double in two passes.
template <class T, class Finish>
void squared_deviations(const Out<T>& y, const In<T>& x, const Shape& kept, double count,
                        const Finish& finish) {
  std::vector<double>& mean = detail::thread_list<struct Means, double>();
  std::vector<double>& total = detail::thread_list<struct Deviations, double>();
  mean.assign(y.size(), 0);
  total.assign(y.size(), 0);
  for_each_pair(kept, x.shape(), [&](std::size_t to, std::size_t from) {
    mean[to] += static_cast<double>(x.data[from]);
  });
  for (double& m : mean) m /= count;
  for_each_pair(kept, x.shape(), [&](std::size_t to, std::size_t from) {
    const double d = static_cast<double>(x.data[from]) - mean[to];
    total[to] += d * d;
  });
  std::transform(total.begin(), total.end(), y.data,
                 [&](double t) { return static_cast<T>(finish(t)); });
}

/// What variance and standard deviation have in common.
struct Spread : Reduce {
  int ddof;

  [[nodiscard]] double divisor(const Shape& x) const { return std::max(count(x) - ddof, 0.0); }
  auto deviations(const auto& x) const { return x - detail::mean_over(x, axes); }
  [[nodiscard]] OpAttributes attributes() const {
    OpAttributes attributes = Reduce::attributes();
    if (ddof != 0) attributes.emplace_back("ddof", ddof);
    return attributes;
  }
};

struct Var : Spread {
  static constexpr auto name = "var";
  static constexpr auto formula = "y = sum of (x - mean of x)² / (n - ddof)";
  static constexpr Saves saves = save_inputs;

  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    squared_deviations(y, x, kept(x.shape()), count(x.shape()),
                       [n = divisor(x.shape())](double total) { return total / n; });
  }
  auto backward(const auto& g, const auto& x) const {
    return expanded(g * (2.0 / divisor(x.shape())), x.shape()) * deviations(x);
  }
};

struct Stddev : Spread {
  static constexpr auto name = "stddev";
  static constexpr auto formula = "y = sqrt(var(x)); its gradient is 0 where y is";

  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    squared_deviations(y, x, kept(x.shape()), count(x.shape()),
                       [n = divisor(x.shape())](double total) { return std::sqrt(total / n); });
  }
  auto backward(const auto& g, const auto& y, const auto& x) const {
    // Lengths are divided by lengths: g / y may overflow where the product does not. The divisor
    // is kept from 0 for the sake of the second derivative.
    const auto share = expanded(where(y, g, 0.0) / divisor(x.shape()), x.shape());
    return share * (deviations(x) / expanded(where(y, y, 1.0), x.shape()));
  }
};

struct Norm : Reduce {
  static constexpr auto name = "norm";
  static constexpr auto formula = "y = sqrt(sum of x²); its gradient is 0 where y is";

  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    const Shape shape = kept(x.shape());
    // Squares of x / largest do not overflow.
    std::vector<T>& largest = detail::thread_list<struct Largest, T>();
    std::vector<double>& total = detail::thread_list<struct Squares, double>();
    largest.assign(y.size(), T{0});
    for_each_pair(shape, x.shape(), [&](std::size_t to, std::size_t from) {
      largest[to] = std::max(largest[to], std::abs(x.data[from]));
    });
    for (T& m : largest)
      if (m == 0 || !std::isfinite(m)) m = T{1};
    total.assign(y.size(), 0);
    for_each_pair(shape, x.shape(), [&](std::size_t to, std::size_t from) {
      const double share = static_cast<double>(x.data[from] / largest[to]);
      total[to] += share * share;
    });
    for (std::size_t i = 0; i < y.size(); ++i)
      y.data[i] = largest[i] * static_cast<T>(std::sqrt(total[i]));
  }
  auto backward(const auto& g, const auto& y, const auto& x) const {
    // As in Stddev.
    return expanded(where(y, g, 0.0), x.shape()) * (x / expanded(where(y, y, 1.0), x.shape()));
  }
};

}  // namespace

template <class T>
Variable<T> prod(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return apply_reduction<Prod>(x, axes, keepdims);
}
template <class T>
Variable<T> var(const Variable<T>& x, const Axes& axes, SpreadOptions options) {
  return detail::attempt("var", x, [&] {
    const std::uint32_t set = axis_set("var", axes, x.shape().rank());
    return detail::apply_op(Var{{{set, options.keepdims}, options.ddof}}, x);
  });
}
template <class T>
Variable<T> stddev(const Variable<T>& x, const Axes& axes, SpreadOptions options) {
  return detail::attempt("stddev", x, [&] {
    const std::uint32_t set = axis_set("stddev", axes, x.shape().rank());
    return detail::apply_op(Stddev{{{set, options.keepdims}, options.ddof}}, x);
  });
}
template <class T>
Variable<T> norm(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return apply_reduction<Norm>(x, axes, keepdims);
}

TAPESTRY_INSTANTIATE(prod, var, stddev, norm)

}  // namespace tapestry
