// SPDX-License-Identifier: MIT
// exp, tanh and sigmoid of a batch of numbers: without branches, so that the result of a number
// does not depend on its neighbours; right for infinities, NaN and numbers below the smallest
// normal one. In float they are off by 2 units in the last place at most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "tapestry/kernels/detail/xsimd.hpp"

namespace tapestry::detail {

/// ln 2 = high + low, where n * high is exact for every exponent n.
template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  using Integer = std::int32_t;
  static constexpr int mantissa_bits = 23;
  static constexpr Integer bias = 127;
  static constexpr float round = 0x1.8p23F;  // adding and subtracting it rounds to an integer
  static constexpr float ln2_high = 0.693359375F;
  static constexpr float ln2_low = -2.12194440e-4F;
  static constexpr float lowest = -104;  // e^x is 0 from here on, and infinite above `highest`
  static constexpr float highest = 89;
};

template <>
struct ExpConstants<double> {
  using Integer = std::int64_t;
  static constexpr int mantissa_bits = 52;
  static constexpr Integer bias = 1023;
  static constexpr double round = 0x1.8p52;
  static constexpr double ln2_high = 6.93145751953125e-1;
  static constexpr double ln2_low = 1.42860682030941723212e-6;
  static constexpr double lowest = -746;
  static constexpr double highest = 710;
};

/// The polynomial with the given coefficients, the highest first, by Horner's rule.
template <class Batch, class... Rest>
Batch polynomial(const Batch& x, typename Batch::value_type first, Rest... rest) {
  Batch sum(first);
  ((sum = multiply_add(sum, x, Batch(static_cast<typename Batch::value_type>(rest)))), ...);
  return sum;
}

/// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2: in float by Cephes (expf), in double Taylor's series.
template <class A>
xsimd::batch<float, A> exp_remainder(const xsimd::batch<float, A>& r) {
  return polynomial(r, 1.9875691500e-4F, 1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F,
                    1.6666665459e-1F, 5.0000001201e-1F);
}
template <class A>
xsimd::batch<double, A> exp_remainder(const xsimd::batch<double, A>& r) {
  return polynomial(r, 1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                    1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6,
                    1.0 / 2);
}

/// e^x = 2^n (1 + s) for `lowest` <= x <= `highest`, with an integer n and |s| < 0.42.
template <class Batch>
struct ExpParts {
  Batch n;
  Batch s;
};

template <class T, class A>
ExpParts<xsimd::batch<T, A>> exp_parts(const xsimd::batch<T, A>& x) {
  using Batch = xsimd::batch<T, A>;
  using Constants = ExpConstants<T>;
  const Batch round(Constants::round);
  const Batch n = multiply_add(x, Batch(T(1.44269504088896340736)), round) - round;
  const Batch high = negated_multiply_add(n, Batch(Constants::ln2_high), x);
  const Batch r = negated_multiply_add(n, Batch(Constants::ln2_low), high);
  return {n, multiply_add(exp_remainder(r), r * r, r)};
}

/// 2^n as a product of two, since 2^n alone may be infinite or 0 where what it scales is neither.
template <class Batch>
struct PowerOfTwo {
  Batch half;
  Batch other;
  [[nodiscard]] Batch times(const Batch& x) const { return x * half * other; }
};

template <class T, class A>
PowerOfTwo<xsimd::batch<T, A>> power_of_two(const xsimd::batch<T, A>& n) {
  using Batch = xsimd::batch<T, A>;
  using Constants = ExpConstants<T>;
  using Integer = typename Constants::Integer;
  const Batch round(Constants::round);
  const auto from_rounded = [](const Batch& rounded) {  // its last bits are the exponent
    const auto bits = same_bits<Integer>(rounded) + xsimd::batch<Integer, A>(Constants::bias);
    return same_bits<T>(bits << Constants::mantissa_bits);
  };
  const Batch half = multiply_add(n, Batch(T(0.5)), round);
  return {from_rounded(half), from_rounded((n - (half - round)) + round)};
}

template <class T, class A>
[[gnu::always_inline]] inline xsimd::batch<T, A> batch_exp(const xsimd::batch<T, A>& x) {
  using Batch = xsimd::batch<T, A>;
  using Constants = ExpConstants<T>;
  const auto [n, s] =
      exp_parts(xsimd::min(xsimd::max(x, Batch(Constants::lowest)), Batch(Constants::highest)));
  return xsimd::select(x == x, power_of_two(n).times(Batch(T(1)) + s), x);
}

/// 1 / (1 + e^a) = 2^-n / (1 + 2^-n + s) for a = |x|, or 1 less that. To stay within two units, the
/// sum is rounded once only: e^a is not made a number first, and what 1 + 2^-n loses is added.
template <class T, class A>
[[gnu::always_inline]] inline xsimd::batch<T, A> batch_sigmoid(const xsimd::batch<T, A>& x) {
  using Batch = xsimd::batch<T, A>;
  const Batch one(T(1));
  const auto [n, s] = exp_parts(xsimd::min(xsimd::abs(x), Batch(-ExpConstants<T>::lowest)));
  const auto power = power_of_two(-n);
  const Batch down = power.times(one);
  const Batch sum = one + down;
  const Batch lost = (one - sum) + down;
  const Batch lower = power.times(quotient(one, sum + (s + lost)));
  const Batch result = xsimd::select(x > Batch(T(0)), one - lower, lower);
  return xsimd::select(x == x, result, x);
}

/// tanh = base + numerator / denominator: 1 - 2 / (e^2a + 1) for large a, and for a below 0.625
/// a + a^3 p(a^2), where p is Cephes's (tanhf), or a ratio of polynomials in double (tanh).
template <class T, class A>
struct TanhNearZero {
  xsimd::batch<T, A> numerator;
  xsimd::batch<T, A> denominator;
};

template <class A>
TanhNearZero<float, A> tanh_near_zero(const xsimd::batch<float, A>& square) {
  return {polynomial(square, -5.70498872745e-3F, 2.06390887954e-2F, -5.37397155531e-2F,
                     1.33314422036e-1F, -3.33332819422e-1F),
          xsimd::batch<float, A>(1.0F)};
}
template <class A>
TanhNearZero<double, A> tanh_near_zero(const xsimd::batch<double, A>& square) {
  return {polynomial(square, -9.64399179425052238628e-1, -9.92877231001918586564e1,
                     -1.61468768441708447952e3),
          polynomial(square, 1.0, 1.12811678491632931402e2, 2.23548839060100448583e3,
                     4.84406305325125486048e3)};
}

template <class T, class A>
[[gnu::always_inline]] inline xsimd::batch<T, A> batch_tanh(const xsimd::batch<T, A>& x) {
  using Batch = xsimd::batch<T, A>;
  const Batch one(T(1));
  const Batch a = xsimd::abs(x);
  const Batch square = a * a;
  const TanhNearZero<T, A> near = tanh_near_zero(square);
  const auto is_near = a < Batch(T(0.625));
  const Batch numerator = xsimd::select(is_near, a * square * near.numerator, Batch(T(-2)));
  const Batch denominator = xsimd::select(is_near, near.denominator, batch_exp(a + a) + one);
  const Batch result = xsimd::select(is_near, a, one) + quotient(numerator, denominator);
  return result | (x & Batch(T(-0.0)));  // with the sign of x
}

}  // namespace tapestry::detail
