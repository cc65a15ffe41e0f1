// SPDX-License-Identifier: MIT
#include "fused/step_kernels_inline.hpp"

namespace tapestry::layers {

#if defined(TAPESTRY_AVX2_KERNELS)
using detail::Architecture;
template const StepKernels<float>& step_kernels_for<float, Architecture::avx512>();
template const StepKernels<double>& step_kernels_for<double, Architecture::avx512>();
#endif

}  // namespace tapestry::layers
