// SPDX-License-Identifier: MIT
#include "fused/cell_kernels_inline.hpp"

namespace tapestry::layers {

using detail::Architecture;

extern template const CellKernels<float>& cell_kernels_for<float, Architecture::avx2>();
extern template const CellKernels<double>& cell_kernels_for<double, Architecture::avx2>();

template <class T>
const CellKernels<T>& cell_kernels(Architecture architecture) {
  return detail::with_architecture(architecture, []<Architecture a>() -> const CellKernels<T>& {
    return cell_kernels_for<T, a>();
  });
}

template const CellKernels<float>& cell_kernels(Architecture);
template const CellKernels<double>& cell_kernels(Architecture);

}  // namespace tapestry::layers
