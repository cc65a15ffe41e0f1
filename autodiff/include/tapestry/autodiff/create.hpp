// SPDX-License-Identifier: MIT
// Arrays made of nothing, under the names of NumPy and PyTorch: `randn<double>({5, 2, 3})`. The
// scalar type is float if none is given. Tapes have members of the same names, which make
// constants. ShapeError when there are more elements than can be counted.
#pragma once

#include <cstddef>
#include <type_traits>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/array_like.hpp"
#include "tapestry/autodiff/random.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry {

/// An array in which each element is `value`.
template <class T = float>
[[nodiscard]] Array<T> full(const Shape& shape, std::type_identity_t<T> value);
template <class T = float>
[[nodiscard]] Array<T> zeros(const Shape& shape) {
  return full<T>(shape, T{0});
}
template <class T = float>
[[nodiscard]] Array<T> ones(const Shape& shape) {
  return full<T>(shape, T{1});
}

/// Numbers start, start + step, ... before `stop`, which is not among them. ArgumentError when the
/// step is 0, or one of the three is not finite. Also of std::int64_t, for positions.
template <class T = float>
[[nodiscard]] Array<T> arange(double start, double stop, double step = 1);
/// The same from 0.
template <class T = float>
[[nodiscard]] Array<T> arange(double stop) {
  return arange<T>(0, stop);
}

/// `count` numbers at equal distances, the first `start` and the last `stop`. ArgumentError when
/// one of them is not finite.
template <class T = float>
[[nodiscard]] Array<T> linspace(double start, double stop, std::size_t count);

/// Random numbers, uniform in [0, 1).
template <class T = float>
[[nodiscard]] Array<T> rand(const Shape& shape, Generator& generator = default_generator());

/// Random numbers, normal with mean 0 and variance 1.
template <class T = float>
[[nodiscard]] Array<T> randn(const Shape& shape, Generator& generator = default_generator());

/// The numbers of `data`, in row-major order, in another shape, in which one extent may be `rest`:
/// `from(prices, {10, rest})`. ShapeError when there are more or fewer of them.
template <class T = float>
[[nodiscard]] Array<T> from(const ArrayLike<std::type_identity_t<T>>& data, const Shape& shape);

/// An array shaped like x: an array, a view or an xtensor expression.
template <class E>
requires xt::is_xexpression<E>::value [[nodiscard]] auto full_like(
    const E& x, std::remove_cv_t<typename E::value_type> value) {
  return full<std::remove_cv_t<typename E::value_type>>(Shape(x.shape()), value);
}
template <class E>
requires xt::is_xexpression<E>::value [[nodiscard]] auto zeros_like(const E& x) {
  return full_like(x, 0);
}
template <class E>
requires xt::is_xexpression<E>::value [[nodiscard]] auto ones_like(const E& x) {
  return full_like(x, 1);
}

}  // namespace tapestry
