// SPDX-License-Identifier: MIT
// Small squares of numbers, transposed in registers where there is AVX. Included once for each
// architecture, which `Batch` tells apart.
#pragma once

#include <cstddef>

#include "tapestry/kernels/detail/xsimd.hpp"

namespace tapestry::detail {

/// Rows and columns of what `transpose_square` transposes.
template <class T>
inline constexpr std::size_t transposed_side = 32 / sizeof(T);

#if defined(__AVX__)

template <class Batch>
[[gnu::always_inline]] inline void transpose_square(const float* from, std::size_t from_stride,
                                                    float* to, std::size_t to_stride) {
  __m256 pairs[8], quads[8];
  for (std::size_t i = 0; i < 4; ++i) {
    const __m256 a = _mm256_loadu_ps(from + 2 * i * from_stride);
    const __m256 b = _mm256_loadu_ps(from + (2 * i + 1) * from_stride);
    pairs[2 * i] = _mm256_unpacklo_ps(a, b);
    pairs[2 * i + 1] = _mm256_unpackhi_ps(a, b);
  }
  for (std::size_t i = 0; i < 8; i += 4)
    for (std::size_t j = 0; j < 2; ++j) {
      quads[i + 2 * j] = _mm256_shuffle_ps(pairs[i + j], pairs[i + j + 2], 0x44);
      quads[i + 2 * j + 1] = _mm256_shuffle_ps(pairs[i + j], pairs[i + j + 2], 0xee);
    }
  for (std::size_t i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * to_stride, _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * to_stride,
                     _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31));
  }
}

template <class Batch>
[[gnu::always_inline]] inline void transpose_square(const double* from, std::size_t from_stride,
                                                    double* to, std::size_t to_stride) {
  __m256d pairs[4];
  for (std::size_t i = 0; i < 2; ++i) {
    const __m256d a = _mm256_loadu_pd(from + 2 * i * from_stride);
    const __m256d b = _mm256_loadu_pd(from + (2 * i + 1) * from_stride);
    pairs[2 * i] = _mm256_unpacklo_pd(a, b);
    pairs[2 * i + 1] = _mm256_unpackhi_pd(a, b);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    _mm256_storeu_pd(to + i * to_stride, _mm256_permute2f128_pd(pairs[i], pairs[i + 2], 0x20));
    _mm256_storeu_pd(to + (i + 2) * to_stride,
                     _mm256_permute2f128_pd(pairs[i], pairs[i + 2], 0x31));
  }
}

#else

template <class Batch, class T>
void transpose_square(const T* from, std::size_t from_stride, T* to, std::size_t to_stride) {
  for (std::size_t i = 0; i < transposed_side<T>; ++i)
    for (std::size_t j = 0; j < transposed_side<T>; ++j)
      to[j * to_stride + i] = from[i * from_stride + j];
}

#endif

}  // namespace tapestry::detail
