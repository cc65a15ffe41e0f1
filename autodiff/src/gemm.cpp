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
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (!accumulate) std::fill_n(c, m * n, T{0});
    return;
  }
  tell_blas(static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k));
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

}  // namespace detail
}  // namespace tapestry
