// SPDX-License-Identifier: MIT
#include "gemm_kernels_inline.hpp"

namespace tapestry::detail {

#if defined(TAPESTRY_AVX2_KERNELS)
template const GemmKernels<double>& gemm_kernels_for<double, Architecture::avx512>();
#endif

}  // namespace tapestry::detail
