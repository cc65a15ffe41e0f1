// SPDX-License-Identifier: MIT
#include "long_product.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "tapestry/kernels/gemm.hpp"

namespace tapestry::detail {
namespace {

constexpr double nothing = -std::numeric_limits<double>::infinity();
constexpr double epsilon = std::numeric_limits<double>::epsilon();

double dot(std::size_t n, const double* x, const double* y) {
  return std::transform_reduce(x, x + n, y, 0.0);
}

double norm(std::size_t n, const double* x) { return std::sqrt(dot(n, x, x)); }

/// y += a x.
void add(std::size_t n, double a, const double* x, double* y) {
  for (std::size_t k = 0; k < n; ++k) y[k] += a * x[k];
}

/// Rotates x and w y, with 0 <= w <= 1, until they are orthogonal; false if they are. Nothing is
/// lost where w underflows: y then loses its part along x.
bool rotate(std::size_t n, double w, double* x, double* y) {
  const double a = dot(n, x, x), b = dot(n, y, y), h = dot(n, x, y);
  if (std::abs(h) <= static_cast<double>(n) * epsilon * std::sqrt(a * b)) return false;
  const double e = w * w * b - a;
  const double tau = 2 * h / (e + std::copysign(std::hypot(e, 2 * w * h), e));
  const double tangent = w * tau;
  const double cosine = 1 / std::sqrt(1 + tangent * tangent);
  for (std::size_t k = 0; k < n; ++k) {
    const double before = x[k];
    x[k] = cosine * (before - tangent * w * y[k]);
    y[k] = cosine * (tau * before + y[k]);
  }
  return true;
}

}  // namespace

LongProduct::LongProduct(std::size_t n)
    : n_(n), q_(Array<double>::from_shape({n, n})), d_(n), v_(Array<double>::from_shape({n, n})) {
  q_.fill(0);
  for (std::size_t i = 0; i < n; ++i) q_(i, i) = 1;
  v_ = q_;
}

void LongProduct::multiply(const Array<double>& j) {
  double largest = 0;
  for (const double x : j) largest = std::max(largest, std::abs(x));
  Array<double> scaled = j;  // its squares neither overflow nor vanish
  for (double& x : scaled) x /= largest == 0 ? 1 : largest;
  Array<double> next = Array<double>::from_shape({n_, n_});
  gemm(false, true, n_, n_, n_, q_.data(), scaled.data(), next.data(), false);
  q_ = next;
  const double negligible = static_cast<double>(n_) * epsilon * norm(n_ * n_, scaled.data());
  for (std::size_t i = 0; i < n_; ++i) {
    bring_longest(i);
    const double length = norm(n_, q(i));
    if (length <= negligible) d_[i] = nothing;
    for (std::size_t k = 0; k < n_; ++k) q(i)[k] = d_[i] == nothing ? 0 : q(i)[k] / length;
    d_[i] += std::log(length);
    for (std::size_t k = i + 1; k < n_; ++k) take_out(i, k);
  }
  for (double& d : d_) d += std::log(largest);
}

/// Puts the longest of the terms from `i` on at place i.
void LongProduct::bring_longest(std::size_t i) {
  std::size_t longest = i;
  double most = nothing;
  for (std::size_t k = i; k < n_; ++k)
    if (const double log = d_[k] + std::log(norm(n_, q(k))); log > most) {
      longest = k;
      most = log;
    }
  if (longest == i) return;
  std::swap(d_[i], d_[longest]);
  std::swap_ranges(q(i), q(i) + n_, q(longest));
  std::swap_ranges(v(i), v(i) + n_, v(longest));
}

/// Moves the part of term `k` along q_i to term `i`, which is not shorter. The sum stays the same,
/// so that rounding errors of q_i do not add up over the steps.
void LongProduct::take_out(std::size_t i, std::size_t k) {
  if (d_[i] == nothing || d_[k] == nothing) return;
  const double part = dot(n_, q(i), q(k));
  add(n_, -part, q(i), q(k));
  add(n_, part * std::exp(d_[k] - d_[i]), v(k), v(i));
}

std::vector<double> LongProduct::log_singular_values() const {
  Array<double> rows = v_;
  const auto row = [&](std::size_t i) { return rows.data() + i * n_; };
  constexpr int most_sweeps = 60;  // some ten are usual
  bool rotated = true;
  for (int sweep = 0; rotated && sweep < most_sweeps; ++sweep) {
    rotated = false;
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t k = i + 1; k < n_; ++k)
        if (d_[i] != nothing && d_[k] != nothing)
          rotated |= rotate(n_, std::exp(d_[k] - d_[i]), row(i), row(k));
  }
  std::vector<double> logs = d_;
  for (std::size_t i = 0; i < n_; ++i) logs[i] += std::log(norm(n_, row(i)));
  std::ranges::sort(logs, std::greater<>());
  return logs;
}

}  // namespace tapestry::detail
