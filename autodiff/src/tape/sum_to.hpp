// SPDX-License-Identifier: MIT
// The one op that recorded gradients need besides addition; it is defined with the other ops.
#pragma once

#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

/// Sum over the axes along which `shape` broadcasts to the shape of `x`.
template <class T>
Variable<T> sum_to(const Variable<T>& x, const Shape& shape);

}  // namespace tapestry::detail
