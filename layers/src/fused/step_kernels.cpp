// SPDX-License-Identifier: MIT
#include "fused/step_kernels_inline.hpp"
#include "tapestry/kernels/team.hpp"

namespace tapestry::layers {

using detail::Architecture;

extern template const StepKernels<float>& step_kernels_for<float, Architecture::avx2>();
extern template const StepKernels<double>& step_kernels_for<double, Architecture::avx2>();
extern template const StepKernels<float>& step_kernels_for<float, Architecture::avx512>();
extern template const StepKernels<double>& step_kernels_for<double, Architecture::avx512>();

template <class T>
const StepKernels<T>& step_kernels(Architecture architecture) {
  return detail::with_architecture(architecture, []<Architecture a>() -> const StepKernels<T>& {
    return step_kernels_for<T, a>();
  });
}

template <class T>
void sum_columns(const ColumnSums<T>& s) {
  constexpr std::size_t line = 16;      // columns of a cache line
  constexpr std::size_t work_each = 4;  // in multiplications
  const std::size_t parts = detail::parts_for(s.rows * s.columns * work_each, s.columns / line + 1);
  detail::parallel(parts, [&](std::size_t part) {
    const detail::Range range = detail::part_of(s.columns, parts, part, line);
    step_kernels<T>().column_sums({s.rows, range.size(), s.matrix + range.first, s.stride,
                                   s.sums + range.first, s.accumulate});
  });
}

template void sum_columns(const ColumnSums<float>&);
template void sum_columns(const ColumnSums<double>&);
template const StepKernels<float>& step_kernels(Architecture);
template const StepKernels<double>& step_kernels(Architecture);

}  // namespace tapestry::layers
