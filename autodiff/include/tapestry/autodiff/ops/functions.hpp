// SPDX-License-Identifier: MIT
// Functions of one variable, elementwise.
#pragma once

#include "tapestry/autodiff/ops/number.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// e^x.
template <class T>
Variable<T> exp(const Variable<T>& x);
/// Natural logarithm.
template <class T>
Variable<T> log(const Variable<T>& x);
/// log(1 + x), exact for small x.
template <class T>
Variable<T> log1p(const Variable<T>& x);
/// e^x - 1, exact for small x.
template <class T>
Variable<T> expm1(const Variable<T>& x);
/// Square root.
template <class T>
Variable<T> sqrt(const Variable<T>& x);
/// x².
template <class T>
Variable<T> square(const Variable<T>& x);
/// x^exponent.
template <class T>
Variable<T> pow(const Variable<T>& x, Number<T> exponent);
/// x^y, for x > 0 where the gradient with respect to y is wanted.
template <class T>
Variable<T> pow(const Variable<T>& x, const Variable<T>& y);
/// base^exponent, for base > 0 where the gradient is wanted.
template <class T>
Variable<T> pow(Number<T> base, const Variable<T>& exponent);
/// Sine of x in radians.
template <class T>
Variable<T> sin(const Variable<T>& x);
/// Cosine of x in radians.
template <class T>
Variable<T> cos(const Variable<T>& x);
/// Hyperbolic tangent.
template <class T>
Variable<T> tanh(const Variable<T>& x);
/// 1 / (1 + e^-x), without overflow.
template <class T>
Variable<T> sigmoid(const Variable<T>& x);
/// max(x, 0); its gradient at 0 is 0, and passes where x is NaN, as PyTorch's does.
template <class T>
Variable<T> relu(const Variable<T>& x);
/// log(1 + e^x), without overflow.
template <class T>
Variable<T> softplus(const Variable<T>& x);

}  // namespace tapestry
