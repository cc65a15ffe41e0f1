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

/// NumPy's dot: the sum of products over the last axis of `a` and the last but one of `b` (its only
/// one at rank 1), (..., K) x (*, K, N) -> (..., *, N); with an operand of rank 0, the product.
/// Unlike `matmul`, every row of `a` meets every column of `b`. ShapeError when the extents differ.
template <class T>
Variable<T> dot(const Variable<T>& a, const Variable<T>& b);

/// Products of every element of `a` with every one of `b`, each in row-major order: (M, N).
template <class T>
Variable<T> outer(const Variable<T>& a, const Variable<T>& b);

}  // namespace tapestry
