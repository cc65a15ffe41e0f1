// SPDX-License-Identifier: MIT
#include "gemm_kernels_inline.hpp"

namespace tapestry::detail {

extern template const GemmKernels<float>& gemm_kernels_for<float, Architecture::avx2>();
extern template const GemmKernels<double>& gemm_kernels_for<double, Architecture::avx2>();
extern template const GemmKernels<float>& gemm_kernels_for<float, Architecture::avx512>();
extern template const GemmKernels<double>& gemm_kernels_for<double, Architecture::avx512>();

template <class T>
const GemmKernels<T>& gemm_kernels(Architecture architecture) {
  return with_architecture(architecture, []<Architecture a>() -> const GemmKernels<T>& {
    return gemm_kernels_for<T, a>();
  });
}

template const GemmKernels<float>& gemm_kernels(Architecture);
template const GemmKernels<double>& gemm_kernels(Architecture);

}  // namespace tapestry::detail
