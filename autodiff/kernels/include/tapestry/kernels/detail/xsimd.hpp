// SPDX-License-Identifier: MIT
// The only header that includes xsimd, 8 to 14. What differs among its versions stands here.
#pragma once

#include <type_traits>
#include <xsimd/xsimd.hpp>

namespace tapestry::detail {

template <class A>
inline constexpr bool is_avx512 = std::is_base_of_v<xsimd::avx512f, A>;

/// The bits of `x` as numbers of type To, which is as large. The template argument of xsimd's
/// function is a batch in xsimd 8 and a number from 9 on.
template <class To, class T, class A>
[[gnu::always_inline]] inline xsimd::batch<To, A> same_bits(const xsimd::batch<T, A>& x) {
#if XSIMD_VERSION_MAJOR < 9
  return xsimd::bitwise_cast<xsimd::batch<To, A>>(x);
#else
  return xsimd::bitwise_cast<To>(x);
#endif
}

/// x y + z, rounded once where the architecture can. xsimd 8 does not know that AVX-512 can.
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

/// z - x y, likewise.
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

/// x / y, rounded right. On arm64 xsimd refines an estimate of 1 / y, which is off by two units,
/// and infinite for numbers below the smallest normal one; the processor has a division.
template <class T, class A>
[[gnu::always_inline]] inline xsimd::batch<T, A> quotient(const xsimd::batch<T, A>& x,
                                                          const xsimd::batch<T, A>& y) {
#if defined(__aarch64__)
  if constexpr (std::is_same_v<T, float>) return vdivq_f32(x, y);
#endif
  return x / y;
}

/// The square root, rounded right; on arm64 for the same reason.
template <class T, class A>
[[gnu::always_inline]] inline xsimd::batch<T, A> square_root(const xsimd::batch<T, A>& x) {
#if defined(__aarch64__)
  if constexpr (std::is_same_v<T, float>) return vsqrtq_f32(x);
#endif
  return xsimd::sqrt(x);
}

}  // namespace tapestry::detail
