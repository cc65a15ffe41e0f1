// SPDX-License-Identifier: MIT
// Arithmetic, elementwise with NumPy's broadcasting, with numbers on either side.
#pragma once

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

}  // namespace tapestry
