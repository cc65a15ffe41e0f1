// SPDX-License-Identifier: MIT
#include "gemm_kernels_inline.hpp"

namespace tapestry::detail {

#if defined(TAPESTRY_AVX2_KERNELS)
template const GemmKernels<float>& gemm_kernels_for<float, Architecture::avx512>();
#endif

}  // namespace tapestry::detail
