// SPDX-License-Identifier: MIT
// Arithmetic, elementwise with NumPy's broadcasting, with numbers on either side.
#pragma once

#include <type_traits>

#include "tapestry/autodiff/ops/beside.hpp"
#include "tapestry/autodiff/ops/number.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// a + b. ShapeError when the shapes do not broadcast.
template <class T>
Variable<T> operator+(const Variable<T>& a, const Variable<T>& b);
/// a - b, as above.
template <class T>
Variable<T> operator-(const Variable<T>& a, const Variable<T>& b);
/// a b, elementwise, as above.
template <class T>
Variable<T> operator*(const Variable<T>& a, const Variable<T>& b);
/// a / b, as above.
template <class T>
Variable<T> operator/(const Variable<T>& a, const Variable<T>& b);
/// -x.
template <class T>
Variable<T> operator-(const Variable<T>& x);

/// With a number on either side.
template <class T>
Variable<T> operator+(const Variable<T>& x, Number<T> c);
template <class T>
Variable<T> operator+(Number<T> c, const Variable<T>& x);
template <class T>
Variable<T> operator-(const Variable<T>& x, Number<T> c);
template <class T>
Variable<T> operator-(Number<T> c, const Variable<T>& x);
template <class T>
Variable<T> operator*(const Variable<T>& x, Number<T> c);
template <class T>
Variable<T> operator*(Number<T> c, const Variable<T>& x);
template <class T>
Variable<T> operator/(const Variable<T>& x, Number<T> c);
template <class T>
Variable<T> operator/(Number<T> c, const Variable<T>& x);

/// With numbers on either side: an array, a view, a vector, a span (see ArrayLike). They become a
/// constant.
template <class X, class Y>
requires detail::VariableBeside<X, Y>
auto operator+(X&& x, Y&& y) {
  return detail::beside("add", x, y, [&](const auto& c) { return x + c; });
}
template <class X, class Y>
requires detail::VariableBeside<Y, X>
auto operator+(X&& x, Y&& y) {
  return detail::beside("add", y, x, [&](const auto& c) { return c + y; });
}
template <class X, class Y>
requires detail::VariableBeside<X, Y>
auto operator-(X&& x, Y&& y) {
  return detail::beside("subtract", x, y, [&](const auto& c) { return x - c; });
}
template <class X, class Y>
requires detail::VariableBeside<Y, X>
auto operator-(X&& x, Y&& y) {
  return detail::beside("subtract", y, x, [&](const auto& c) { return c - y; });
}
template <class X, class Y>
requires detail::VariableBeside<X, Y>
auto operator*(X&& x, Y&& y) {
  return detail::beside("multiply", x, y, [&](const auto& c) { return x * c; });
}
template <class X, class Y>
requires detail::VariableBeside<Y, X>
auto operator*(X&& x, Y&& y) {
  return detail::beside("multiply", y, x, [&](const auto& c) { return c * y; });
}
template <class X, class Y>
requires detail::VariableBeside<X, Y>
auto operator/(X&& x, Y&& y) {
  return detail::beside("divide", x, y, [&](const auto& c) { return x / c; });
}
template <class X, class Y>
requires detail::VariableBeside<Y, X>
auto operator/(X&& x, Y&& y) {
  return detail::beside("divide", y, x, [&](const auto& c) { return c / y; });
}

/// x = x + y for whatever can be added. The handle then refers to the new value; other handles, and
/// what was computed from the old one, stay as they are.
template <class T, class Y>
requires(!std::is_arithmetic_v<Y>) Variable<T>
&operator+=(Variable<T>& x, const Y& y) { return x = x + y; }
template <class T>
Variable<T>& operator+=(Variable<T>& x, Number<T> y) {
  return x = x + y;
}
template <class T, class Y>
requires(!std::is_arithmetic_v<Y>) Variable<T>
&operator-=(Variable<T>& x, const Y& y) { return x = x - y; }
template <class T>
Variable<T>& operator-=(Variable<T>& x, Number<T> y) {
  return x = x - y;
}
template <class T, class Y>
requires(!std::is_arithmetic_v<Y>) Variable<T>
&operator*=(Variable<T>& x, const Y& y) { return x = x * y; }
template <class T>
Variable<T>& operator*=(Variable<T>& x, Number<T> y) {
  return x = x * y;
}
template <class T, class Y>
requires(!std::is_arithmetic_v<Y>) Variable<T>
&operator/=(Variable<T>& x, const Y& y) { return x = x / y; }
template <class T>
Variable<T>& operator/=(Variable<T>& x, Number<T> y) {
  return x = x / y;
}

}  // namespace tapestry
