// SPDX-License-Identifier: MIT
// Cases for arithmetic, comparisons and functions of numbers.
#pragma once

#include <cmath>

#include "op_table/points.hpp"

namespace tapestry::test {

inline void add_arithmetic(Cases& cases) {
  const auto nonzero = [](const Extents& shape) { return signed_sample(shape, 0.5, 2, 3); };
  const auto any = [](const Extents& shape) { return sample(shape, -2, 2, 4); };
  cases.push_back(binary_case(
      "add", [](const auto& x) { return x[0] + x[1]; }, binary_points(),
      [](double a, double b) { return a + b; }));
  cases.push_back(binary_case(
      "subtract", [](const auto& x) { return x[0] - x[1]; }, binary_points(),
      [](double a, double b) { return a - b; }));
  cases.push_back(binary_case(
      "multiply", [](const auto& x) { return x[0] * x[1]; }, binary_points(),
      [](double a, double b) { return a * b; }));
  cases.push_back(binary_case(
      "divide", [](const auto& x) { return x[0] / x[1]; }, binary_points(any, nonzero),
      [](double a, double b) { return a / b; }));
  cases.push_back(unary_case(
      "negative", [](const auto& x) { return -x[0]; }, unary_points(-2, 2),
      [](double x) { return -x; }));
}

inline void add_scalar_arithmetic(Cases& cases) {
  const auto nonzero =
      unary_points([](const Extents& shape) { return signed_sample(shape, 0.5, 2, 5); });
  cases.push_back(unary_case(
      "add_scalar", [](const auto& x) { return (x[0] + 1.5) * (0.5 + x[0]) * (x[0] - 2.5); },
      unary_points(-2, 2), [](double x) { return (x + 1.5) * (0.5 + x) * (x - 2.5); }));
  cases.push_back(unary_case(
      "subtract_from_scalar", [](const auto& x) { return 1.5 - x[0]; }, unary_points(-2, 2),
      [](double x) { return 1.5 - x; }));
  cases.push_back(unary_case(
      "multiply_scalar",
      [](const auto& x) {
        const auto right = -0.5 * x[0];  // in an expression the compiler chooses what is first
        return (x[0] * 3) * right;
      },
      unary_points(-2, 2), [](double x) { return -1.5 * x * x; }));
  cases.push_back(unary_case(
      "divide_by_scalar", [](const auto& x) { return x[0] / 4; }, unary_points(-2, 2),
      [](double x) { return x / 4; }));
  cases.push_back(unary_case(
      "divide_scalar", [](const auto& x) { return 3 / x[0]; }, nonzero,
      [](double x) { return 3 / x; }));
}

inline void add_comparisons(Cases& cases) {
  // No two elements are nearer than the step of the differences.
  const auto even = [](const Extents& shape) { return distinct_sample(shape, 0.5, 6); };
  const auto odd = [](const Extents& shape) {
    return mapped(distinct_sample(shape, 0.5, 7), [](double x) { return x + 0.25; });
  };
  const std::vector<Point> points = binary_points(even, odd);
  cases.push_back(binary_case(
      "greater", [](const auto& x) { return x[0] > x[1]; }, points,
      [](double a, double b) { return a > b ? 1.0 : 0.0; }));
  cases.push_back(binary_case(
      "greater_equal", [](const auto& x) { return x[0] >= x[1]; }, points,
      [](double a, double b) { return a >= b ? 1.0 : 0.0; }));
  cases.push_back(binary_case(
      "less", [](const auto& x) { return x[0] < x[1]; }, points,
      [](double a, double b) { return a < b ? 1.0 : 0.0; }));
  cases.push_back(binary_case(
      "less_equal", [](const auto& x) { return x[0] <= x[1]; }, points,
      [](double a, double b) { return a <= b ? 1.0 : 0.0; }));
  cases.push_back(binary_case(
      "equal", [](const auto& x) { return equal(x[0], x[1]); }, points,
      [](double a, double b) { return a == b ? 1.0 : 0.0; }));
  cases.push_back(binary_case(
      "not_equal", [](const auto& x) { return not_equal(x[0], x[1]); }, points,
      [](double a, double b) { return a != b ? 1.0 : 0.0; }));
  std::vector<Point> choices = binary_points();
  for (Point& point : choices) point.insert(point.begin(), odd(extents_of(point[0])));
  cases.push_back(grad_case(
      "where", "", [](const auto& x) { return where(x[0] > 0, x[1], x[2]); }, choices,
      [](const Point& x) {
        const Values condition = mapped(x[0], x[1], [](double c, double) { return c; });
        const Values a = mapped(x[1], x[2], [](double p, double) { return p; });
        const Values b = mapped(x[1], x[2], [](double, double q) { return q; });
        const Values mask = mapped(condition, a, [](double c, double) { return c > 0 ? 1.0 : 0; });
        return mapped(mapped(mask, a, [](double m, double p) { return m != 0 ? p : 0; }),
                      mapped(mask, b, [](double m, double q) { return m != 0 ? 0 : q; }),
                      [](double p, double q) { return p + q; });
      }));
  cases.push_back(binary_case(
      "masked_fill", [](const auto& x) { return masked_fill(x[0], x[1] > 0, -7); },
      binary_points(even, odd), [](double x, double m) { return m > 0 ? -7 : x; }));
  cases.push_back(grad_case(
      "where", "with a number",
      [](const auto& x) { return where(x[0] > 0, x[1], 2) * where(x[0] <= 0, -3, x[1]); },
      binary_points(odd, even),
      [](const Point& x) {
        return mapped(x[0], x[1], [](double c, double a) { return c > 0 ? a * a : -6; });
      }));
}

inline void add_functions(Cases& cases) {
  const auto kinked =
      unary_points([](const Extents& shape) { return signed_sample(shape, 0.1, 3, 8); });
  cases.push_back(unary_case(
      "exp", [](const auto& x) { return exp(x[0]); }, unary_points(-3, 3),
      [](double x) { return std::exp(x); }));
  cases.push_back(unary_case(
      "log", [](const auto& x) { return log(x[0]); }, unary_points(0.3, 4),
      [](double x) { return std::log(x); }));
  cases.push_back(unary_case(
      "log1p", [](const auto& x) { return log1p(x[0]); }, unary_points(-0.7, 3),
      [](double x) { return std::log(1 + x); }));
  cases.push_back(unary_case(
      "expm1", [](const auto& x) { return expm1(x[0]); }, unary_points(-3, 3),
      [](double x) { return std::exp(x) - 1; }));
  cases.push_back(unary_case(
      "sin", [](const auto& x) { return sin(x[0]); }, unary_points(-4, 4),
      [](double x) { return std::sin(x); }));
  cases.push_back(unary_case(
      "cos", [](const auto& x) { return cos(x[0]); }, unary_points(-4, 4),
      [](double x) { return std::cos(x); }));
  cases.push_back(unary_case(
      "sqrt", [](const auto& x) { return sqrt(x[0]); }, unary_points(0.3, 4),
      [](double x) { return std::sqrt(x); }));
  cases.push_back(unary_case(
      "square", [](const auto& x) { return square(x[0]); }, unary_points(-3, 3),
      [](double x) { return x * x; }));
  cases.push_back(unary_case(
      "tanh", [](const auto& x) { return tanh(x[0]); }, unary_points(-3, 3),
      [](double x) { return std::tanh(x); }));
  cases.push_back(unary_case(
      "sigmoid", [](const auto& x) { return sigmoid(x[0]); }, unary_points(-5, 5),
      [](double x) { return 1 / (1 + std::exp(-x)); }));
  cases.push_back(unary_case(
      "relu", [](const auto& x) { return relu(x[0]); }, kinked,
      [](double x) { return x > 0 ? x : 0; }));
  cases.push_back(unary_case(
      "softplus", [](const auto& x) { return softplus(x[0]); }, unary_points(-5, 5),
      [](double x) { return std::log(1 + std::exp(x)); }));
}

/// The gradient is half of what it should be, twice.
inline void add_gradient_control(Cases& cases) {
  cases.push_back(unary_case(
      "scale_gradient",
      [](const auto& x) { return square(scale_gradient(x[0], 0.5) * 2 - stop_gradient(x[0])); },
      unary_points(-2, 2), [](double x) { return x * x; }));
}

inline void add_powers(Cases& cases) {
  const auto positive = [](const Extents& shape) { return sample(shape, 0.4, 2, 9); };
  const auto exponent = [](const Extents& shape) { return sample(shape, -2, 3, 10); };
  for (const double p : {0.0, 1.0, 2.0, 3.0, -1.0})  // bases of either sign
    cases.push_back(unary_case(
        "pow_scalar", [p](const auto& x) { return pow(x[0], p); },
        unary_points([](const Extents& shape) { return signed_sample(shape, 0.5, 2, 11); }),
        [p](double x) { return std::pow(x, p); }));
  for (const double p : {0.5, -1.5, 2.3})
    cases.push_back(unary_case(
        "pow_scalar", [p](const auto& x) { return pow(x[0], p); }, unary_points(positive),
        [p](double x) { return std::pow(x, p); }));
  cases.push_back(unary_case(
      "pow_scalar", [](const auto& x) { return pow(x[0], 2); },
      unary_points([](const Extents& shape) { return sample(shape, 0, 0); }),
      [](double) { return 0; }));
  cases.push_back(binary_case(
      "pow", [](const auto& x) { return pow(x[0], x[1]); }, binary_points(positive, exponent),
      [](double a, double b) { return std::pow(a, b); }));
}

inline Cases elementwise_cases() {
  Cases cases;
  add_arithmetic(cases);
  add_scalar_arithmetic(cases);
  add_comparisons(cases);
  add_functions(cases);
  add_powers(cases);
  add_gradient_control(cases);
  return cases;
}

}  // namespace tapestry::test
