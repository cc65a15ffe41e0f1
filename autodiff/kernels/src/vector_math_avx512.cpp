// SPDX-License-Identifier: MIT
#include "vector_math_kernels.hpp"

namespace tapestry::detail {

#if defined(TAPESTRY_AVX2_KERNELS)
template const VectorMath<float>& vector_math_for<float, Architecture::avx512>();
template const VectorMath<double>& vector_math_for<double, Architecture::avx512>();
#endif

}  // namespace tapestry::detail
