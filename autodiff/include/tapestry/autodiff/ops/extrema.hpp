// SPDX-License-Identifier: MIT
// Absolute value, sign, and the larger or smaller of two values, elementwise.
#pragma once

#include "tapestry/autodiff/ops/beside.hpp"
#include "tapestry/autodiff/ops/number.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// |x|; its gradient at 0 is 0.
template <class T>
Variable<T> abs(const Variable<T>& x);
/// -1, 0 or 1, as x is below, at or above 0; NaN for NaN. No gradient.
template <class T>
Variable<T> sign(const Variable<T>& x);

/// The larger of a and b, broadcast; NaN where either is. Where they are equal, each gets half of
/// the gradient. ShapeError when the shapes do not broadcast.
template <class T>
Variable<T> maximum(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> maximum(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> maximum(Number<T> a, const Variable<T>& b);
/// The smaller of a and b, as above.
template <class T>
Variable<T> minimum(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> minimum(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> minimum(Number<T> a, const Variable<T>& b);

/// With an array, a view, a vector or a span on either side.
template <class X, class Y>
requires detail::VariableBeside<X, Y>
auto maximum(X&& x, Y&& y) {
  return detail::beside("maximum", x, y, [&](const auto& c) { return maximum(x, c); });
}
template <class X, class Y>
requires detail::VariableBeside<Y, X>
auto maximum(X&& x, Y&& y) {
  return detail::beside("maximum", y, x, [&](const auto& c) { return maximum(c, y); });
}
template <class X, class Y>
requires detail::VariableBeside<X, Y>
auto minimum(X&& x, Y&& y) {
  return detail::beside("minimum", x, y, [&](const auto& c) { return minimum(x, c); });
}
template <class X, class Y>
requires detail::VariableBeside<Y, X>
auto minimum(X&& x, Y&& y) {
  return detail::beside("minimum", y, x, [&](const auto& c) { return minimum(c, y); });
}

/// x, but at least `low` and at most `high`; at the bounds themselves the gradient passes. An
/// infinite bound is none. ArgumentError when low > high, or when one is NaN.
template <class T>
Variable<T> clip(const Variable<T>& x, Number<T> low, Number<T> high);

}  // namespace tapestry
