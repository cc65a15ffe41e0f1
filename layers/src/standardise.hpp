// SPDX-License-Identifier: MIT
#pragma once

#include "tapestry/autodiff/variable.hpp"

namespace tapestry::layers {

/// Each row of x (..., n) with mean 0 and variance 1: (x - mean(x)) / √(variance(x) + ε). Throws
/// ShapeError when x has no axis.
template <class T>
Variable<T> standardise(const Variable<T>& x, double epsilon = 1e-5);

}  // namespace tapestry::layers
