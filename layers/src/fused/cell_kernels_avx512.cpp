// SPDX-License-Identifier: MIT
#include "fused/cell_kernels_inline.hpp"

namespace tapestry::layers {

#if defined(TAPESTRY_AVX2_KERNELS)
using detail::Architecture;
template const CellKernels<float>& cell_kernels_for<float, Architecture::avx512>();
template const CellKernels<double>& cell_kernels_for<double, Architecture::avx512>();
#endif

}  // namespace tapestry::layers
