// SPDX-License-Identifier: MIT
// Reductions over all axes, or those given; `keepdims` leaves them with extent 1.
#pragma once

#include "tapestry/autodiff/shape.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// Sum.
template <class T>
Variable<T> sum(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
/// Arithmetic mean; NaN over no elements.
template <class T>
Variable<T> mean(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
/// Largest element; where several are equal they share the gradient. ShapeError over no elements.
template <class T>
Variable<T> max(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
/// log(sum(exp(x))), without overflow.
template <class T>
Variable<T> logsumexp(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);

}  // namespace tapestry
