// SPDX-License-Identifier: MIT
// Shapes that every op is tried with.
#pragma once

#include <utility>
#include <vector>

#include "expect_grad.hpp"

namespace tapestry::test {

/// Scalars, vectors, matrices; extents of 1 and 0; more than a SIMD pack; the largest rank.
inline const std::vector<Extents>& unary_shapes() {
  static const std::vector<Extents> shapes{
      {}, {1}, {5}, {37}, {3, 4}, {2, 1, 3}, {0}, {2, 0, 3}, {1, 2, 1, 2, 1, 2, 1, 1}};
  return shapes;
}

/// Pairs that broadcast, in all the ways there are.
inline const std::vector<std::pair<Extents, Extents>>& binary_shapes() {
  static const std::vector<std::pair<Extents, Extents>> shapes{
      {{}, {}},
      {{1}, {1}},
      {{5}, {5}},
      {{2, 3}, {2, 3}},
      {{2, 3}, {3}},
      {{2, 1}, {2, 3}},
      {{2, 1}, {1, 3}},
      {{}, {2, 3}},
      {{4}, {1}},
      {{3, 1, 2}, {4, 1}},
      {{2, 1, 3}, {2, 2, 1}},
      {{0}, {1}},
      {{2, 0}, {1, 1}},
      {{0, 3}, {3}},
      {{0}, {0}},
      {{3, 0}, {}},
      {{2, 37}, {37}},
      {{300}, {1}},
      {{2, 3, 1}, {2, 1, 5}},
      {{1, 2, 1, 1, 1, 2, 1, 2}, {2, 1, 2}}};
  return shapes;
}

/// One input at each unary shape: `make(shape)`.
template <class Make>
std::vector<Point> unary_points(const Make& make) {
  std::vector<Point> points;
  for (const Extents& shape : unary_shapes()) points.push_back({make(shape)});
  return points;
}

inline std::vector<Point> unary_points(double low, double high) {
  return unary_points([=](const Extents& shape) { return sample(shape, low, high); });
}

/// Two inputs at each pair of shapes: `a(shape)` and `b(shape)`, then the other way round.
template <class MakeA, class MakeB>
std::vector<Point> binary_points(const MakeA& a, const MakeB& b) {
  std::vector<Point> points;
  for (const auto& [left, right] : binary_shapes()) {
    points.push_back({a(left), b(right)});
    if (left != right) points.push_back({a(right), b(left)});
  }
  return points;
}

inline std::vector<Point> binary_points() {
  return binary_points([](const Extents& shape) { return sample(shape, -2, 2, 1); },
                       [](const Extents& shape) { return sample(shape, -2, 2, 2); });
}

/// A case for a function of one variable, element by element.
template <class F, class Oracle>
GradCase unary_case(std::string name, const F& f, std::vector<Point> points, const Oracle& oracle) {
  return grad_case(std::move(name), "", f, std::move(points),
                   [oracle](const Point& x) { return mapped(x[0], oracle); });
}

/// A case for a function of two variables, element by element.
template <class F, class Oracle>
GradCase binary_case(std::string name, const F& f, std::vector<Point> points,
                     const Oracle& oracle) {
  return grad_case(std::move(name), "", f, std::move(points),
                   [oracle](const Point& x) { return mapped(x[0], x[1], oracle); });
}

using Cases = std::vector<GradCase>;

}  // namespace tapestry::test
