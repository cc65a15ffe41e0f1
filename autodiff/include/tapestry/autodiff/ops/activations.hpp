// SPDX-License-Identifier: MIT
// Activation functions beyond tanh, sigmoid, relu and softplus, elementwise, as PyTorch defines
// them.
#pragma once

#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// Error function: 2 / √π times the integral of e^-t² from 0 to x.
template <class T>
Variable<T> erf(const Variable<T>& x);
/// x Φ(x), with the distribution function Φ of the normal distribution (Hendrycks and Gimpel
/// 2016); computed with erf, not with the approximation by tanh.
template <class T>
Variable<T> gelu(const Variable<T>& x);
/// x sigmoid(x), also called swish.
template <class T>
Variable<T> silu(const Variable<T>& x);
/// x where x > 0, else alpha (e^x - 1). ArgumentError when alpha is not finite. Its second
/// derivative at 0 is 0.
template <class T>
Variable<T> elu(const Variable<T>& x, double alpha = 1);
/// x where x > 0, else slope x. ArgumentError when the slope is not finite.
template <class T>
Variable<T> leaky_relu(const Variable<T>& x, double slope = 0.01);
/// x, but at least -1 and at most 1; its gradient at ±1 is 0.
template <class T>
Variable<T> hard_tanh(const Variable<T>& x);
/// x / 6 + 1/2, but at least 0 and at most 1; its gradient at ±3 is 0.
template <class T>
Variable<T> hard_sigmoid(const Variable<T>& x);
/// x hard_sigmoid(x) (Howard et al. 2019); its gradient is 0 from -3 downwards, 1 from 3 upwards.
template <class T>
Variable<T> hard_swish(const Variable<T>& x);

}  // namespace tapestry
