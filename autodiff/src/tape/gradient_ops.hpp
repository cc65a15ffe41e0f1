// SPDX-License-Identifier: MIT
// The two ops that gradients need which are recorded. Ops are built upon the tape and defined with
// the others; the tape knows of them by these declarations alone.
#pragma once

#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

template <class T>
Variable<T> operator+(const Variable<T>& a, const Variable<T>& b);

namespace detail {

/// Sum over the axes along which `shape` broadcasts to the shape of `x`.
template <class T>
Variable<T> sum_to(const Variable<T>& x, const Shape& shape);

}  // namespace detail
}  // namespace tapestry
