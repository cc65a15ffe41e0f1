// SPDX-License-Identifier: MIT
#include "softmax_kernels_inline.hpp"

namespace tapestry::detail {

extern template const SoftmaxKernels<float>& softmax_kernels_for<float, Architecture::avx2>();
extern template const SoftmaxKernels<double>& softmax_kernels_for<double, Architecture::avx2>();
extern template const SoftmaxKernels<float>& softmax_kernels_for<float, Architecture::avx512>();
extern template const SoftmaxKernels<double>& softmax_kernels_for<double, Architecture::avx512>();

template <class T>
const SoftmaxKernels<T>& softmax_kernels(Architecture architecture) {
  return with_architecture(architecture, []<Architecture a>() -> const SoftmaxKernels<T>& {
    return softmax_kernels_for<T, a>();
  });
}

template const SoftmaxKernels<float>& softmax_kernels(Architecture);
template const SoftmaxKernels<double>& softmax_kernels(Architecture);

}  // namespace tapestry::detail
