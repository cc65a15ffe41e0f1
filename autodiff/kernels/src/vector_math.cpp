// SPDX-License-Identifier: MIT
#include "vector_math_kernels.hpp"

namespace tapestry::detail {

extern template const VectorMath<float>& vector_math_for<float, Architecture::avx2>();
extern template const VectorMath<double>& vector_math_for<double, Architecture::avx2>();
extern template const VectorMath<float>& vector_math_for<float, Architecture::avx512>();
extern template const VectorMath<double>& vector_math_for<double, Architecture::avx512>();

template <class T>
const VectorMath<T>& vector_math(Architecture architecture) {
  return with_architecture(architecture, []<Architecture a>() -> const VectorMath<T>& {
    return vector_math_for<T, a>();
  });
}

template const VectorMath<float>& vector_math(Architecture);
template const VectorMath<double>& vector_math(Architecture);

}  // namespace tapestry::detail
