// SPDX-License-Identifier: MIT
// Matrix products.
#pragma once

#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

struct MatmulOptions {
  bool transpose_a = false;  ///< use a with its last two axes exchanged, without a copy
  bool transpose_b = false;
};

/// Matrix product (..., M, K) x (..., K, N) -> (..., M, N). Leading axes are batches and
/// broadcast; an operand of rank 1 is a row on the left and a column on the right, as in NumPy.
/// ShapeError when the inner dimensions differ or an operand has rank 0.
template <class T>
Variable<T> matmul(const Variable<T>& a, const Variable<T>& b, MatmulOptions options = {});

}  // namespace tapestry
