// SPDX-License-Identifier: MIT
// Matrix products.
#pragma once

#include <type_traits>

#include "tapestry/autodiff/array_like.hpp"
#include "tapestry/autodiff/ops/beside.hpp"
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

/// The three with numbers on either side, in whatever a program has them (see ArrayLike): they are
/// constants.
template <class T>
Variable<T> matmul(const Variable<T>& a, const ArrayLike<std::type_identity_t<T>>& b,
                   MatmulOptions options = {}) {
  return detail::beside("matmul", a, b, [&](const auto& c) { return matmul(a, c, options); });
}
template <class T>
Variable<T> matmul(const ArrayLike<std::type_identity_t<T>>& a, const Variable<T>& b,
                   MatmulOptions options = {}) {
  return detail::beside("matmul", b, a, [&](const auto& c) { return matmul(c, b, options); });
}
template <class T>
Variable<T> dot(const Variable<T>& a, const ArrayLike<std::type_identity_t<T>>& b) {
  return detail::beside("dot", a, b, [&](const auto& c) { return dot(a, c); });
}
template <class T>
Variable<T> dot(const ArrayLike<std::type_identity_t<T>>& a, const Variable<T>& b) {
  return detail::beside("dot", b, a, [&](const auto& c) { return dot(c, b); });
}
template <class T>
Variable<T> outer(const Variable<T>& a, const ArrayLike<std::type_identity_t<T>>& b) {
  return detail::beside("outer", a, b, [&](const auto& c) { return outer(a, c); });
}
template <class T>
Variable<T> outer(const ArrayLike<std::type_identity_t<T>>& a, const Variable<T>& b) {
  return detail::beside("outer", b, a, [&](const auto& c) { return outer(c, b); });
}

}  // namespace tapestry
