// SPDX-License-Identifier: MIT
#include "kernels/update_kernels_inline.hpp"

namespace tapestry::optim::detail {

#if defined(TAPESTRY_AVX2_KERNELS)
using tapestry::detail::Architecture;
template const UpdateKernels<float>& update_kernels_for<float, Architecture::avx2>();
template const UpdateKernels<double>& update_kernels_for<double, Architecture::avx2>();
#endif

}  // namespace tapestry::optim::detail
