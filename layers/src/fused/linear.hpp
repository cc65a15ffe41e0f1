// SPDX-License-Identifier: MIT
#pragma once

#include "tapestry/autodiff/variable.hpp"

namespace tapestry::layers {

/// y = x W^T + b as one node, for x (..., I), W (O, I), b (O). Throws ShapeError, StaleVariable.
template <class T>
Variable<T> fused_linear(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias);

}  // namespace tapestry::layers
