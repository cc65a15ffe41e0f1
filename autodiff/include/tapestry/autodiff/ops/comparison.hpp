// SPDX-License-Identifier: MIT
// Comparisons: 1 where true, 0 where false, and no gradient; and the choice by their result.
#pragma once

#include "tapestry/autodiff/ops/beside.hpp"
#include "tapestry/autodiff/ops/number.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

template <class T>
Variable<T> operator>(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> operator<(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> operator>=(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> operator<=(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> operator>(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> operator<(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> operator>=(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> operator<=(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> operator>(Number<T> a, const Variable<T>& b);
template <class T>
Variable<T> operator<(Number<T> a, const Variable<T>& b);
template <class T>
Variable<T> operator>=(Number<T> a, const Variable<T>& b);
template <class T>
Variable<T> operator<=(Number<T> a, const Variable<T>& b);
/// 1 where a = b.
template <class T>
Variable<T> equal(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> equal(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> equal(Number<T> a, const Variable<T>& b);
/// 0 where a = b, 1 elsewhere; NaN is equal to nothing.
template <class T>
Variable<T> not_equal(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> not_equal(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> not_equal(Number<T> a, const Variable<T>& b);

/// With an array, a view, a vector or a span on either side.
template <class X, class Y>
requires detail::VariableBeside<X, Y>
auto operator>(X&& x, Y&& y) {
  return detail::beside("greater", x, y, [&](const auto& c) { return x > c; });
}
template <class X, class Y>
requires detail::VariableBeside<Y, X>
auto operator>(X&& x, Y&& y) {
  return detail::beside("greater", y, x, [&](const auto& c) { return c > y; });
}
template <class X, class Y>
requires detail::VariableBeside<X, Y>
auto operator<(X&& x, Y&& y) {
  return detail::beside("less", x, y, [&](const auto& c) { return x < c; });
}
template <class X, class Y>
requires detail::VariableBeside<Y, X>
auto operator<(X&& x, Y&& y) {
  return detail::beside("less", y, x, [&](const auto& c) { return c < y; });
}
template <class X, class Y>
requires detail::VariableBeside<X, Y>
auto operator>=(X&& x, Y&& y) {
  return detail::beside("greater_equal", x, y, [&](const auto& c) { return x >= c; });
}
template <class X, class Y>
requires detail::VariableBeside<Y, X>
auto operator>=(X&& x, Y&& y) {
  return detail::beside("greater_equal", y, x, [&](const auto& c) { return c >= y; });
}
template <class X, class Y>
requires detail::VariableBeside<X, Y>
auto operator<=(X&& x, Y&& y) {
  return detail::beside("less_equal", x, y, [&](const auto& c) { return x <= c; });
}
template <class X, class Y>
requires detail::VariableBeside<Y, X>
auto operator<=(X&& x, Y&& y) {
  return detail::beside("less_equal", y, x, [&](const auto& c) { return c <= y; });
}
template <class X, class Y>
requires detail::VariableBeside<X, Y>
auto equal(X&& x, Y&& y) {
  return detail::beside("equal", x, y, [&](const auto& c) { return equal(x, c); });
}
template <class X, class Y>
requires detail::VariableBeside<Y, X>
auto equal(X&& x, Y&& y) {
  return detail::beside("equal", y, x, [&](const auto& c) { return equal(c, y); });
}
template <class X, class Y>
requires detail::VariableBeside<X, Y>
auto not_equal(X&& x, Y&& y) {
  return detail::beside("not_equal", x, y, [&](const auto& c) { return not_equal(x, c); });
}
template <class X, class Y>
requires detail::VariableBeside<Y, X>
auto not_equal(X&& x, Y&& y) {
  return detail::beside("not_equal", y, x, [&](const auto& c) { return not_equal(c, y); });
}

/// a where the condition is not 0, b elsewhere. The condition has no gradient.
template <class T>
Variable<T> where(const Variable<T>& condition, const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> where(const Variable<T>& condition, const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> where(const Variable<T>& condition, Number<T> a, const Variable<T>& b);
template <class T>
Variable<T> where(const Variable<T>& condition, Number<T> a, Number<T> b);
/// `value` where the mask is not 0, x elsewhere. The mask broadcasts and has no gradient.
template <class T>
Variable<T> masked_fill(const Variable<T>& x, const Variable<T>& mask, Number<T> value);

}  // namespace tapestry
