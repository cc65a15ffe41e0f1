// SPDX-License-Identifier: MIT
#include "gemm_kernels_inline.hpp"

namespace tapestry::detail {

#if defined(TAPESTRY_AVX2_KERNELS)
template const GemmKernels<float>& gemm_kernels_for<float, Architecture::avx2>();
template const GemmKernels<double>& gemm_kernels_for<double, Architecture::avx2>();
#endif

}  // namespace tapestry::detail
