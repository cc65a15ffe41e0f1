// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>

namespace tapestry::detail {

/// C = op(A) op(B), or C += with `accumulate`; row-major, by BLAS. op(A) is (m, k), op(B) (k, n),
/// C (m, n); a transposed operand is stored as (k, m) or (n, k) and is not copied.
template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          const T* a, const T* b, T* c, bool accumulate);

/// A matrix whose rows start `stride` elements apart.
template <class T>
struct Rows {
  T* data;
  std::size_t stride;
};

/// The same for parts of larger matrices.
template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          Rows<const std::type_identity_t<T>> a, Rows<const std::type_identity_t<T>> b, Rows<T> c,
          bool accumulate);

}  // namespace tapestry::detail
