// SPDX-License-Identifier: MIT
#include "kernels/update_kernels_inline.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"

namespace tapestry::optim::detail {

using tapestry::detail::Architecture;

extern template const UpdateKernels<float>& update_kernels_for<float, Architecture::avx2>();
extern template const UpdateKernels<double>& update_kernels_for<double, Architecture::avx2>();
extern template const UpdateKernels<float>& update_kernels_for<float, Architecture::avx512>();
extern template const UpdateKernels<double>& update_kernels_for<double, Architecture::avx512>();

template <class T>
const UpdateKernels<T>& update_kernels(Architecture architecture) {
  return tapestry::detail::with_architecture(
      architecture,
      []<Architecture a>() -> const UpdateKernels<T>& { return update_kernels_for<T, a>(); });
}

TAPESTRY_INSTANTIATE(update_kernels)

}  // namespace tapestry::optim::detail
