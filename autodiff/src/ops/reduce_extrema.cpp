// SPDX-License-Identifier: MIT
// The largest and the smallest element over axes, and where it stands.
#include <algorithm>
#include <limits>
#include <string>

#include "ops/reduction.hpp"

namespace tapestry {
namespace {

using detail::Reduce;

/// Throws when an axis of the set has no elements: there is no largest one then.
void check_not_empty(const char* op, const Shape& x, std::uint32_t axes) {
  for (std::size_t i = 0; i < x.rank(); ++i)
    if ((axes >> i & 1) != 0 && x[i] == 0)
      throw ShapeError(op, "no elements along axis " + std::to_string(i) + " of " + x.str());
}

/// The element that comes before all others in the order `Op::before`.
template <class Op>
struct Extremum : Reduce {
  [[nodiscard]] Shape infer(const Shape& x) const {
    check_not_empty(Op::name, x, axes);
    return Reduce::infer(x);
  }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    std::fill_n(y.data, y.size(), Op::before(T{1}, T{0}) ? -infinity : infinity);
    detail::for_each_pair(kept(x.shape()), x.shape(), [&](std::size_t to, std::size_t from) {
      const T value = x.data[from];
      if (Op::before(value, y.data[to]) || value != value) y.data[to] = value;  // NaN stays
    });
  }
  auto backward(const auto& g, const auto& y, const auto& x) const {
    const auto chosen = equal(x, expanded(y, x.shape()));
    return expanded(g, x.shape()) * (chosen / detail::sum_over(chosen, axes));
  }
};

struct Max : Extremum<Max> {
  static constexpr auto name = "max";
  static constexpr auto formula = "y = largest of x";
  static bool before(auto a, auto b) { return a > b; }
};

struct Min : Extremum<Min> {
  static constexpr auto name = "min";
  static constexpr auto formula = "y = smallest of x";
  static bool before(auto a, auto b) { return a < b; }
};

/// Position of the first of `count` elements that comes before the others; NaN before all.
template <class Op, class T>
std::int64_t first_of(const T* x, std::size_t count, std::size_t stride) {
  std::size_t best = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const T value = x[i * stride];
    if (value != value) return static_cast<std::int64_t>(i);
    if (Op::before(value, x[best * stride])) best = i;
  }
  return static_cast<std::int64_t>(best);
}

/// Positions along `axis`, or among all elements in row-major order.
template <class Op, class T>
Indices positions(const char* name, const Variable<T>& x, std::optional<int> axis, bool keepdims) {
  return detail::attempt(name, x, [&] {
    x.state(name).check_available(name, x.index());
    const Shape full = x.shape();
    const Shape shape = axis ? full : Shape{full.size()};
    const std::size_t along = axis ? normalize_axis(name, *axis, full.rank()) : 0;
    const std::uint32_t set = axis ? 1u << along : axis_set(name, {}, full.rank());
    check_not_empty(name, full, set);
    const Shape result = reduced_shape(full, set, keepdims);
    Indices indices(Indices::shape_type(result.begin(), result.end()));
    const std::size_t inner = shape.part(along + 1, shape.rank()).size();
    const T* data = x.value().data();
    for (std::size_t i = 0; i < indices.size(); ++i)
      indices.data()[i] =
          first_of<Op>(data + i / inner * inner * shape[along] + i % inner, shape[along], inner);
    return indices;
  });
}

}  // namespace

template <class T>
Variable<T> max(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return detail::apply_reduction<Max>(x, axes, keepdims);
}
template <class T>
Variable<T> min(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return detail::apply_reduction<Min>(x, axes, keepdims);
}
template <class T>
Indices argmax(const Variable<T>& x, std::optional<int> axis, bool keepdims) {
  return positions<Max>("argmax", x, axis, keepdims);
}
template <class T>
Indices argmin(const Variable<T>& x, std::optional<int> axis, bool keepdims) {
  return positions<Min>("argmin", x, axis, keepdims);
}

TAPESTRY_INSTANTIATE(max, min, argmax, argmin)

}  // namespace tapestry
