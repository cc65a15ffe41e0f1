// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>

namespace tapestry::detail {

/// C = op(A) op(B), or C += with `accumulate`; row-major. op(A) is (m, k), op(B) (k, n), C (m, n);
/// a transposed operand is stored as (k, m) or (n, k). Large products are shared among the threads.
/// An element of C does not depend on what else is computed with it.
template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          const T* a, const T* b, T* c, bool accumulate);

/// A matrix whose rows start `stride` elements apart.
template <class T>
struct Rows {
  T* data;
  std::size_t stride;

  [[nodiscard]] Rows from(std::size_t row) const { return {data + row * stride, stride}; }
};

/// The same for parts of larger matrices. Without `accumulate`, `row` (n) is added to each row of C
/// unless it is null.
template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          Rows<const std::type_identity_t<T>> a, Rows<const std::type_identity_t<T>> b, Rows<T> c,
          bool accumulate, const std::type_identity_t<T>* row = nullptr);

/// Copies the transpose of a matrix (rows, columns).
template <class T>
void transpose(std::size_t rows, std::size_t columns, Rows<const std::type_identity_t<T>> from,
               Rows<T> to);

/// op(B) of several products, arranged once for all of them.
template <class T>
class PackedMatrix {
 public:
  /// Numbers that a packed matrix (k, n) needs.
  [[nodiscard]] static std::size_t size(std::size_t k, std::size_t n);

  /// Packs op(B) (k, n) into `storage`, which must stay.
  PackedMatrix(bool transpose, std::size_t k, std::size_t n, Rows<const T> b, T* storage);

  /// C = A op(B), or C += with `accumulate`, with `m` rows, on this thread; the same numbers as
  /// `gemm` gives.
  void multiply(std::size_t m, Rows<const T> a, Rows<T> c, bool accumulate) const;

 private:
  std::size_t k_;
  std::size_t n_;
  const T* packed_;
};

extern template class PackedMatrix<float>;
extern template class PackedMatrix<double>;

}  // namespace tapestry::detail
