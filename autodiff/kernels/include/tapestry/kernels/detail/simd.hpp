// SPDX-License-Identifier: MIT
// Several numbers at once, with the interface of Scalar: what the library's elementwise ops
// compute with.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "tapestry/kernels/detail/batch_math.hpp"

namespace tapestry::detail {

template <class T, class A = xsimd::default_arch>
struct Pack {
  using value_type = T;
  using Batch = xsimd::batch<T, A>;
  static constexpr std::size_t width = Batch::size;

  Batch v;

  Pack() : v(T{0}) {}
  Pack(double x) : v(static_cast<T>(x)) {}  // NOLINT: constants in formulas convert
  explicit Pack(const Batch& batch) : v(batch) {}

  static Pack load(const T* p) { return Pack(Batch::load_unaligned(p)); }
  static Pack fill(T x) { return Pack(Batch(x)); }
  void store(T* p) const { v.store_unaligned(p); }
  [[nodiscard]] T sum() const {  // by hand: the name of this function differs among versions
    std::array<T, width> lanes;
    store(lanes.data());
    T total{0};
    for (const T lane : lanes) total += lane;
    return total;
  }

  friend Pack operator-(const Pack& a) { return Pack(-a.v); }
  friend Pack operator+(const Pack& a, const Pack& b) { return Pack(a.v + b.v); }
  friend Pack operator-(const Pack& a, const Pack& b) { return Pack(a.v - b.v); }
  friend Pack operator*(const Pack& a, const Pack& b) { return Pack(a.v * b.v); }
  friend Pack operator/(const Pack& a, const Pack& b) { return Pack(quotient(a.v, b.v)); }

  friend Pack operator>(const Pack& a, const Pack& b) { return flag(a.v > b.v); }
  friend Pack operator<(const Pack& a, const Pack& b) { return flag(a.v < b.v); }
  friend Pack operator>=(const Pack& a, const Pack& b) { return flag(a.v >= b.v); }
  friend Pack operator<=(const Pack& a, const Pack& b) { return flag(a.v <= b.v); }
  friend Pack equal(const Pack& a, const Pack& b) { return flag(a.v == b.v); }
  friend Pack where(const Pack& condition, const Pack& a, const Pack& b) {
    return Pack(xsimd::select(condition.v != Batch(T{0}), a.v, b.v));
  }

  friend Pack exp(const Pack& x) { return Pack(batch_exp(x.v)); }
  // xsimd 8 knows no logarithm of numbers below the smallest normal one.
  friend Pack log(const Pack& x) {
    if (xsimd::any(x.v < Batch(std::numeric_limits<T>::min())))
      return each(x, x, [](T a, T) { return std::log(a); });
    return Pack(xsimd::log(x.v));
  }
  friend Pack log1p(const Pack& x) { return Pack(xsimd::log1p(x.v)); }
  friend Pack expm1(const Pack& x) { return Pack(xsimd::expm1(x.v)); }
  friend Pack sqrt(const Pack& x) { return Pack(square_root(x.v)); }
  friend Pack sin(const Pack& x) { return Pack(xsimd::sin(x.v)); }
  friend Pack cos(const Pack& x) { return Pack(xsimd::cos(x.v)); }
  friend Pack abs(const Pack& x) { return Pack(xsimd::abs(x.v)); }
  friend Pack tanh(const Pack& x) { return Pack(batch_tanh(x.v)); }

  // One by one: xsimd 8 gets 0^0 wrong, and loses digits in both.
  friend Pack pow(const Pack& x, const Pack& y) {
    return each(x, y, [](T a, T b) { return std::pow(a, b); });
  }
  friend Pack erf(const Pack& x) {
    return each(x, x, [](T a, T) { return std::erf(a); });
  }

  friend Pack square(const Pack& x) { return x * x; }

  friend Pack maximum(const Pack& a, const Pack& b) {  // NaN wins, as in NumPy
    return Pack(xsimd::select((a.v >= b.v) || (a.v != a.v), a.v, b.v));
  }

  friend Pack minimum(const Pack& a, const Pack& b) { return -maximum(-a, -b); }
  friend Pack sign(const Pack& x) {
    return Pack(xsimd::select(x.v != x.v, x.v, ((x > 0.0) - (x < 0.0)).v));
  }

  friend Pack sigmoid(const Pack& x) { return Pack(batch_sigmoid(x.v)); }

 private:
  template <class Function>
  static Pack each(const Pack& x, const Pack& y, const Function& function) {
    std::array<T, width> a;
    std::array<T, width> b;
    x.store(a.data());
    y.store(b.data());
    for (std::size_t i = 0; i < width; ++i) a[i] = function(a[i], b[i]);
    return load(a.data());
  }
  static Pack flag(const typename Batch::batch_bool_type& condition) {
    return Pack(xsimd::select(condition, Batch(T{1}), Batch(T{0})));
  }
};

}  // namespace tapestry::detail
