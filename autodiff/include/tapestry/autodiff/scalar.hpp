// SPDX-License-Identifier: MIT
// What an elementwise op computes with: one number, under the same names as whole variables, so
// that an op's text serves both. The library's own ops run on SIMD packs of the same interface.
#pragma once

#include <cmath>
#include <cstddef>

namespace tapestry {

template <class T>
struct Scalar {
  using value_type = T;
  static constexpr std::size_t width = 1;

  T v{};

  Scalar() = default;
  Scalar(double x) : v(static_cast<T>(x)) {}  // NOLINT: constants in formulas convert

  static Scalar load(const T* p) { return make(*p); }
  static Scalar fill(T x) { return make(x); }
  void store(T* p) const { *p = v; }
  [[nodiscard]] T sum() const { return v; }

  static Scalar make(T x) {
    Scalar s;
    s.v = x;
    return s;
  }

  friend Scalar operator-(Scalar a) { return make(-a.v); }
  friend Scalar operator+(Scalar a, Scalar b) { return make(a.v + b.v); }
  friend Scalar operator-(Scalar a, Scalar b) { return make(a.v - b.v); }
  friend Scalar operator*(Scalar a, Scalar b) { return make(a.v * b.v); }
  friend Scalar operator/(Scalar a, Scalar b) { return make(a.v / b.v); }

  // Comparisons give 1 or 0, as they do on variables.
  friend Scalar operator>(Scalar a, Scalar b) { return make(a.v > b.v ? T{1} : T{0}); }
  friend Scalar operator<(Scalar a, Scalar b) { return make(a.v < b.v ? T{1} : T{0}); }
  friend Scalar operator>=(Scalar a, Scalar b) { return make(a.v >= b.v ? T{1} : T{0}); }
  friend Scalar operator<=(Scalar a, Scalar b) { return make(a.v <= b.v ? T{1} : T{0}); }
  friend Scalar equal(Scalar a, Scalar b) { return make(a.v == b.v ? T{1} : T{0}); }
  friend Scalar where(Scalar condition, Scalar a, Scalar b) { return condition.v != 0 ? a : b; }

  friend Scalar exp(Scalar x) { return make(std::exp(x.v)); }
  friend Scalar log(Scalar x) { return make(std::log(x.v)); }
  friend Scalar log1p(Scalar x) { return make(std::log1p(x.v)); }
  friend Scalar expm1(Scalar x) { return make(std::expm1(x.v)); }
  friend Scalar sqrt(Scalar x) { return make(std::sqrt(x.v)); }
  friend Scalar sin(Scalar x) { return make(std::sin(x.v)); }
  friend Scalar cos(Scalar x) { return make(std::cos(x.v)); }
  friend Scalar erf(Scalar x) { return make(std::erf(x.v)); }
  friend Scalar abs(Scalar x) { return make(std::abs(x.v)); }
  friend Scalar tanh(Scalar x) { return make(std::tanh(x.v)); }
  friend Scalar pow(Scalar x, Scalar y) { return make(std::pow(x.v, y.v)); }
  friend Scalar square(Scalar x) { return x * x; }

  friend Scalar maximum(Scalar a, Scalar b) {  // NaN wins, as in NumPy
    return make(a.v >= b.v || a.v != a.v ? a.v : b.v);
  }

  friend Scalar minimum(Scalar a, Scalar b) { return -maximum(-a, -b); }
  friend Scalar sign(Scalar x) { return x.v != x.v ? x : (x > 0.0) - (x < 0.0); }

  friend Scalar sigmoid(Scalar x) {
    const T e = std::exp(-std::abs(x.v));  // never overflows
    return make((x.v >= 0 ? T{1} : e) / (1 + e));
  }
};

}  // namespace tapestry
