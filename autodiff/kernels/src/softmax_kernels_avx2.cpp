// SPDX-License-Identifier: MIT
#include "softmax_kernels_inline.hpp"

namespace tapestry::detail {

#if defined(TAPESTRY_AVX2_KERNELS)
template const SoftmaxKernels<float>& softmax_kernels_for<float, Architecture::avx2>();
template const SoftmaxKernels<double>& softmax_kernels_for<double, Architecture::avx2>();
#endif

}  // namespace tapestry::detail
