// SPDX-License-Identifier: MIT
#include "sweep.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace tapestry::detail {
namespace {

/// Gradients within these bounds are left as they are.
template <class T>
constexpr int safe_exponent = std::is_same_v<T, float> ? 48 : 400;

template <class T>
double largest(const Numbers<T>& numbers) {
  T most = 0;
  for (const T x : numbers) most = std::max(most, std::abs(x));
  return static_cast<double>(most);
}

}  // namespace

double times_power(double x, std::int64_t exponent) {
  constexpr std::int64_t beyond = 5'000;  // all numbers are 0 or infinite there
  return std::ldexp(x, static_cast<int>(std::clamp(exponent, -beyond, beyond)));
}

template <class T>
void ReverseSweep<T>::watch_scale(Numbers<T>& y) {
  const double most = largest(y);
  if (most == 0 || !std::isfinite(most)) return;
  const int exponent = std::ilogb(most);
  if (exponent > safe_exponent<T> || (exponent < -safe_exponent<T> && most < quiet_)) {
    quiet_ = most / 256;
    rescale(y);
  }
}

/// Brings the largest cotangent that is still on its way to about 1.
template <class T>
void ReverseSweep<T>::rescale(Numbers<T>& y) {
  double most = largest(y);
  for (const Numbers<T>& waiting : cotangents_) most = std::max(most, largest(waiting));
  if (!std::isfinite(most)) return;
  const int exponent = std::ilogb(most);
  if (std::abs(exponent) <= safe_exponent<T> / 2) return;
  for (T& x : y) x = std::ldexp(x, -exponent);
  for (Numbers<T>& waiting : cotangents_)
    for (T& x : waiting) x = std::ldexp(x, -exponent);
  exponent_ += exponent;
  quiet_ = std::numeric_limits<double>::infinity();
}

template <class T>
Numbers<T> gradient_of(const Record<T>& record, const std::vector<bool>& kept,
                       const Numbers<T>& seed) {
  Numbers<T> total;
  if (record.sink() == none) return total;
  ReverseSweep<T> sweep(record, kept);
  sweep.seed(record.sink(), seed);
  sweep.run([&](std::uint32_t node, const Numbers<T>& y) {
    if (record.is_source(node)) accumulate(total, y);
  });
  return total;
}

TAPESTRY_INSTANTIATE(gradient_of)
TAPESTRY_INSTANTIATE_TYPES(class ReverseSweep)

}  // namespace tapestry::detail
