// SPDX-License-Identifier: MIT
// Products and sums that are rounded once where the architecture can. xsimd 8 does not know that
// AVX-512 can.
#pragma once

#include <type_traits>
#include <xsimd/xsimd.hpp>

namespace tapestry::detail {

template <class A>
inline constexpr bool is_avx512 = std::is_base_of_v<xsimd::avx512f, A>;

/// x y + z.
template <class T, class A>
[[gnu::always_inline]] inline xsimd::batch<T, A> multiply_add(const xsimd::batch<T, A>& x,
                                                              const xsimd::batch<T, A>& y,
                                                              const xsimd::batch<T, A>& z) {
#if defined(__AVX512F__)
  if constexpr (is_avx512<A> && std::is_same_v<T, float>)
    return _mm512_fmadd_ps(x, y, z);
  else if constexpr (is_avx512<A>)
    return _mm512_fmadd_pd(x, y, z);
  else
#endif
    return xsimd::fma(x, y, z);
}

/// z - x y.
template <class T, class A>
[[gnu::always_inline]] inline xsimd::batch<T, A> negated_multiply_add(const xsimd::batch<T, A>& x,
                                                                      const xsimd::batch<T, A>& y,
                                                                      const xsimd::batch<T, A>& z) {
#if defined(__AVX512F__)
  if constexpr (is_avx512<A> && std::is_same_v<T, float>)
    return _mm512_fnmadd_ps(x, y, z);
  else if constexpr (is_avx512<A>)
    return _mm512_fnmadd_pd(x, y, z);
  else
#endif
    return xsimd::fnma(x, y, z);
}

}  // namespace tapestry::detail
