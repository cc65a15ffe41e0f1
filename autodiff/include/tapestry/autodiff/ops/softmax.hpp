// SPDX-License-Identifier: MIT
// Along one axis; and dropout.
#pragma once

#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// exp(x) / sum(exp(x)), without overflow.
template <class T>
Variable<T> softmax(const Variable<T>& x, int axis = -1);
/// log(softmax(x)), computed as x - logsumexp(x).
template <class T>
Variable<T> log_softmax(const Variable<T>& x, int axis = -1);
/// Each element 0 with probability `p`, divided by 1 - p otherwise; x itself when not `training`.
/// Draws from `default_generator()`. ArgumentError when p is outside [0, 1].
template <class T>
Variable<T> dropout(const Variable<T>& x, double p, bool training = true);

}  // namespace tapestry
