// SPDX-License-Identifier: MIT
#include "gemm.hpp"

#include <cblas.h>

#include <algorithm>
#include <type_traits>

namespace tapestry::detail {

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          const T* a, const T* b, T* c, bool accumulate) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (!accumulate) std::fill_n(c, m * n, T{0});
    return;
  }
  const auto rows = static_cast<int>(m);
  const auto columns = static_cast<int>(n);
  const auto inner = static_cast<int>(k);
  const int lda = transpose_a ? rows : inner;
  const int ldb = transpose_b ? inner : columns;
  const auto ta = transpose_a ? CblasTrans : CblasNoTrans;
  const auto tb = transpose_b ? CblasTrans : CblasNoTrans;
  const T beta = accumulate ? T{1} : T{0};
  if constexpr (std::is_same_v<T, float>)
    cblas_sgemm(CblasRowMajor, ta, tb, rows, columns, inner, 1, a, lda, b, ldb, beta, c, columns);
  else
    cblas_dgemm(CblasRowMajor, ta, tb, rows, columns, inner, 1, a, lda, b, ldb, beta, c, columns);
}

template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, const float*, const float*,
                   float*, bool);
template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, const double*, const double*,
                   double*, bool);

}  // namespace tapestry::detail
