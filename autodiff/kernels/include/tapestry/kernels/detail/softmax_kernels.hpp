// SPDX-License-Identifier: MIT
// What softmax and its logarithm need of a row of numbers.
#pragma once

#include <cstddef>

#include "tapestry/kernels/detail/architecture.hpp"

namespace tapestry::detail {

/// y[i] = factor exp(x[i] - shift) for i < n, or y[i] += with `accumulate`.
template <class T>
struct ScaledExpTask {
  std::size_t n;
  const T* x;
  T shift;
  T factor;
  T* y;
  bool accumulate;
};

template <class T>
struct SoftmaxKernels {
  /// The largest of n numbers; NaN does not count, and of none it is -infinity.
  T (*largest)(const T* x, std::size_t n);

  /// The sum of exp(x[i] - shift). Short sums in T, the long one in double.
  double (*sum_exp)(const T* x, std::size_t n, T shift);

  void (*scaled_exp)(const ScaledExpTask<T>&);
};

/// Those compiled for an architecture, which must run on this machine.
template <class T>
const SoftmaxKernels<T>& softmax_kernels(Architecture architecture = best_architecture());

/// The same, for the files that are compiled for it.
template <class T, Architecture architecture>
const SoftmaxKernels<T>& softmax_kernels_for();

}  // namespace tapestry::detail
