// SPDX-License-Identifier: MIT
// Cases for absolute values, the larger of two, and activation functions.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "op_table/points.hpp"

namespace tapestry::test {

/// Points of either sign that keep `gap` away from each of `kinks`.
inline std::vector<Point> points_beside(const std::vector<double>& kinks, double low, double high,
                                        double gap = 0.05) {
  return unary_points([=](const Extents& shape) {
    return mapped(sample(shape, low, high, 41), [=](double x) {
      for (const double kink : kinks)
        if (std::abs(x - kink) < gap) return kink + 2 * gap;
      return x;
    });
  });
}

inline void add_extrema(Cases& cases) {
  const auto even = [](const Extents& shape) { return distinct_sample(shape, 0.5, 6); };
  const auto odd = [](const Extents& shape) {
    return mapped(distinct_sample(shape, 0.5, 7), [](double x) { return x + 0.25; });
  };
  cases.push_back(binary_case(
      "maximum", [](const auto& x) { return maximum(x[0], x[1]); }, binary_points(even, odd),
      [](double a, double b) { return a > b ? a : b; }));
  cases.push_back(binary_case(
      "minimum", [](const auto& x) { return minimum(x[0], x[1]); }, binary_points(even, odd),
      [](double a, double b) { return a < b ? a : b; }));
  const std::vector<Point> beside = points_beside({-0.5, 0, 0.75, 1}, -2, 2);
  cases.push_back(unary_case(
      "maximum", [](const auto& x) { return maximum(x[0], 0.75) * maximum(-0.5, x[0]); }, beside,
      [](double x) { return (x > 0.75 ? x : 0.75) * (x > -0.5 ? x : -0.5); }));
  cases.push_back(unary_case(
      "minimum", [](const auto& x) { return minimum(x[0], 0.75) * minimum(-0.5, x[0]); }, beside,
      [](double x) { return (x < 0.75 ? x : 0.75) * (x < -0.5 ? x : -0.5); }));
  cases.push_back(unary_case(
      "clip", [](const auto& x) { return clip(x[0], -0.5, 1); }, beside,
      [](double x) { return x < -0.5 ? -0.5
                            : x > 1  ? 1
                                     : x; }));
  cases.push_back(unary_case(
      "abs", [](const auto& x) { return abs(x[0]); }, beside,
      [](double x) { return x < 0 ? -x : x; }));
  cases.push_back(unary_case(
      "sign", [](const auto& x) { return sign(x[0]); }, beside,
      [](double x) { return x < 0 ? -1.0 : 1.0; }));
}

inline void add_smooth_activations(Cases& cases) {
  cases.push_back(unary_case(
      "erf", [](const auto& x) { return erf(x[0]); }, unary_points(-3, 3),
      [](double x) { return std::erf(x); }));
  cases.push_back(unary_case(
      "gelu", [](const auto& x) { return gelu(x[0]); }, unary_points(-4, 4),
      [](double x) { return 0.5 * x * std::erfc(-x / std::numbers::sqrt2); }));
  cases.push_back(unary_case(
      "silu", [](const auto& x) { return silu(x[0]); }, unary_points(-5, 5),
      [](double x) { return x / (1 + std::exp(-x)); }));
}

inline void add_kinked_activations(Cases& cases) {
  const std::vector<Point> beside = points_beside({-3, -1, 0, 1, 3}, -5, 5);
  for (const double alpha : {1.0, 0.3, -0.5})
    cases.push_back(unary_case(
        "elu", [alpha](const auto& x) { return elu(x[0], alpha); }, beside,
        [alpha](double x) { return x > 0 ? x : alpha * (std::exp(x) - 1); }));
  for (const double slope : {0.01, 2.0, -0.5})
    cases.push_back(unary_case(
        "leaky_relu", [slope](const auto& x) { return leaky_relu(x[0], slope); }, beside,
        [slope](double x) { return x > 0 ? x : slope * x; }));
  cases.push_back(unary_case(
      "hard_tanh", [](const auto& x) { return hard_tanh(x[0]); }, beside,
      [](double x) { return std::clamp(x, -1.0, 1.0); }));
  cases.push_back(unary_case(
      "hard_sigmoid", [](const auto& x) { return hard_sigmoid(x[0]); }, beside,
      [](double x) { return std::clamp(x / 6 + 0.5, 0.0, 1.0); }));
  cases.push_back(unary_case(
      "hard_swish", [](const auto& x) { return hard_swish(x[0]); }, beside,
      [](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }));
}

inline Cases activation_cases() {
  Cases cases;
  add_extrema(cases);
  add_smooth_activations(cases);
  add_kinked_activations(cases);
  return cases;
}

}  // namespace tapestry::test
