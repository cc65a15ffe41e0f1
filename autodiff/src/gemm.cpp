// SPDX-License-Identifier: MIT
#include "gemm.hpp"

#include <cblas.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <type_traits>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/threads.hpp"

namespace tapestry {
namespace {

// Below this many multiplications, waking threads costs more than they save.
constexpr double parallel_from = 3.2e7;

std::atomic<int> threads_wanted{1};
std::atomic<int> threads_in_blas{0};  // 0: whatever it started with

void tell_blas([[maybe_unused]] double multiplications) {
  const int count = multiplications < parallel_from ? 1 : threads_wanted.load();
  if (threads_in_blas.exchange(count) == count) return;
#if defined(OPENBLAS_VERSION)
  openblas_set_num_threads(count);
#endif
}

template <class T>
struct Vector {
  T* data;
  std::size_t stride;
};

/// y += op(M) x for M (rows, columns). BLAS is many times slower with a matrix of one row.
template <class T>
void add_product(bool transpose, std::size_t rows, std::size_t columns, detail::Rows<const T> m,
                 Vector<const T> x, Vector<T> y) {
  const auto operation = transpose ? CblasTrans : CblasNoTrans;
  const auto height = static_cast<int>(rows);
  const auto width = static_cast<int>(columns);
  const auto stride = static_cast<int>(m.stride);
  const auto step_x = static_cast<int>(x.stride);
  const auto step_y = static_cast<int>(y.stride);
  if constexpr (std::is_same_v<T, float>)
    cblas_sgemv(CblasRowMajor, operation, height, width, 1, m.data, stride, x.data, step_x, 1,
                y.data, step_y);
  else
    cblas_dgemv(CblasRowMajor, operation, height, width, 1, m.data, stride, x.data, step_x, 1,
                y.data, step_y);
}

}  // namespace

void set_num_threads(int count) {
  if (count < 1)
    throw ArgumentError("set_num_threads",
                        "the number of threads must be positive, not " + std::to_string(count));
  threads_wanted = count;
}

int num_threads() { return threads_wanted; }

namespace detail {

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          const T* a, const T* b, T* c, bool accumulate) {
  gemm(transpose_a, transpose_b, m, n, k, Rows<const T>{a, transpose_a ? m : k},
       Rows<const T>{b, transpose_b ? k : n}, Rows<T>{c, n}, accumulate);
}

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          Rows<const std::type_identity_t<T>> a, Rows<const std::type_identity_t<T>> b, Rows<T> c,
          bool accumulate) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (std::size_t i = 0; i < m && !accumulate; ++i) std::fill_n(c.data + i * c.stride, n, T{0});
    return;
  }
  tell_blas(static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k));
  if (m == 1) {  // y = op(B)' a
    if (!accumulate) std::fill_n(c.data, n, T{0});
    const Vector<const T> x{a.data, transpose_a ? a.stride : 1};
    return transpose_b ? add_product<T>(false, n, k, b, x, {c.data, 1})
                       : add_product<T>(true, k, n, b, x, {c.data, 1});
  }
  const auto rows = static_cast<int>(m);
  const auto columns = static_cast<int>(n);
  const auto inner = static_cast<int>(k);
  const auto lda = static_cast<int>(a.stride);
  const auto ldb = static_cast<int>(b.stride);
  const auto ldc = static_cast<int>(c.stride);
  const auto ta = transpose_a ? CblasTrans : CblasNoTrans;
  const auto tb = transpose_b ? CblasTrans : CblasNoTrans;
  const T beta = accumulate ? T{1} : T{0};
  if constexpr (std::is_same_v<T, float>)
    cblas_sgemm(CblasRowMajor, ta, tb, rows, columns, inner, 1, a.data, lda, b.data, ldb, beta,
                c.data, ldc);
  else
    cblas_dgemm(CblasRowMajor, ta, tb, rows, columns, inner, 1, a.data, lda, b.data, ldb, beta,
                c.data, ldc);
}

template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, const float*, const float*,
                   float*, bool);
template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, const double*, const double*,
                   double*, bool);
template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, Rows<const float>,
                   Rows<const float>, Rows<float>, bool);
template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, Rows<const double>,
                   Rows<const double>, Rows<double>, bool);

}  // namespace detail
}  // namespace tapestry
