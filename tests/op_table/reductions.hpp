// SPDX-License-Identifier: MIT
// Cases for reductions, for broadcasting, their transpose, and for softmax and its relatives.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "op_table/points.hpp"

namespace tapestry::test {

using Line = std::vector<double>;

inline double sum_of(const Line& x) { return std::accumulate(x.begin(), x.end(), 0.0); }
inline double mean_of(const Line& x) { return sum_of(x) / static_cast<double>(x.size()); }
inline double max_of(const Line& x) { return *std::max_element(x.begin(), x.end()); }
inline double min_of(const Line& x) { return *std::min_element(x.begin(), x.end()); }
inline double prod_of(const Line& x) {
  return std::accumulate(x.begin(), x.end(), 1.0, std::multiplies<>());
}
inline double norm_of(const Line& x) {
  return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0));
}
inline double var_of(const Line& x, int ddof) {
  double total = 0;
  for (const double v : x) total += (v - mean_of(x)) * (v - mean_of(x));
  return total / (static_cast<double>(x.size()) - ddof);
}
inline double logsumexp_of(const Line& x) {
  double total = 0;
  for (const double v : x) total += std::exp(v);
  return std::log(total);
}

/// Which axes of which shape, both as the library and as the plain computation want them.
struct ReducedAxes {
  Extents shape;
  Axes axes;
  std::vector<std::size_t> plain_axes;
  bool keepdims = false;
};

inline std::vector<ReducedAxes> reductions(bool over_nothing) {
  std::vector<ReducedAxes> all{
      {{}, {}, {}},
      {{1}, {}, {0}},
      {{5}, 0, {0}},
      {{700}, {}, {0}},
      {{3, 4}, {}, {0, 1}},
      {{3, 4}, 0, {0}},
      {{3, 4}, 1, {1}, true},
      {{3, 4}, -1, {1}},
      {{3, 4}, {}, {0, 1}, true},
      {{2, 1, 3}, 1, {1}},
      {{2, 5, 3}, {0, 2}, {0, 2}},
      {{2, 5, 3}, {-1, 0}, {0, 2}, true},
      {{2, 5, 3}, {1}, {1}},
      {{2, 0}, 0, {0}},
      {{1, 2, 1, 2, 1, 2, 1, 2}, {1, 2, 7}, {1, 2, 7}},
  };
  if (over_nothing) {
    all.push_back({{0}, {}, {0}});
    all.push_back({{2, 0, 3}, 1, {1}});
    all.push_back({{2, 0}, 1, {1}, true});
  }
  return all;
}

template <class F, class Plain>
void add_reduction(Cases& cases, const std::string& name, bool over_nothing, const F& f,
                   Plain plain) {
  for (const ReducedAxes& r : reductions(over_nothing))
    cases.push_back(grad_case(
        name, Shape(r.shape).str(), [f, r](const auto& x) { return f(x[0], r.axes, r.keepdims); },
        {{distinct_sample(r.shape, 0.01)}},
        [plain, r](const Point& x) { return reduced(x[0], r.plain_axes, r.keepdims, plain); }));
}

inline void add_reductions(Cases& cases) {
  add_reduction(
      cases, "sum", true, [](const auto& x, auto... how) { return sum(x, how...); }, sum_of);
  add_reduction(
      cases, "mean", false, [](const auto& x, auto... how) { return mean(x, how...); }, mean_of);
  add_reduction(
      cases, "max", false, [](const auto& x, auto... how) { return max(x, how...); }, max_of);
  add_reduction(
      cases, "min", false, [](const auto& x, auto... how) { return min(x, how...); }, min_of);
  add_reduction(
      cases, "prod", true, [](const auto& x, auto... how) { return prod(x * 0.1 + 1, how...); },
      [](Line x) {
        for (double& v : x) v = v * 0.1 + 1;
        return prod_of(x);
      });
  add_reduction(
      cases, "norm", true, [](const auto& x, auto... how) { return norm(x + 5, how...); },
      [](Line x) {
        for (double& v : x) v += 5;  // away from the kink at 0
        return norm_of(x);
      });
  add_reduction(
      cases, "logsumexp", false, [](const auto& x, auto... how) { return logsumexp(x, how...); },
      logsumexp_of);
}

/// Variance and deviation over more than `ddof` elements; the latter away from its kink at 0.
inline void add_spreads(Cases& cases) {
  for (const ReducedAxes& r : reductions(false)) {
    double n = 1;
    for (const std::size_t axis : r.plain_axes) n *= static_cast<double>(r.shape[axis]);
    for (const int ddof : {0, 1}) {
      if (n <= ddof) continue;
      const Point point{distinct_sample(r.shape, 0.05)};
      const SpreadOptions how{.ddof = ddof, .keepdims = r.keepdims};
      cases.push_back(grad_case(
          "var", Shape(r.shape).str() + " ddof " + std::to_string(ddof),
          [=](const auto& x) { return var(x[0], r.axes, how); }, {point},
          [=](const Point& x) {
            return reduced(x[0], r.plain_axes, r.keepdims,
                           [&](const Line& line) { return var_of(line, ddof); });
          }));
      if (n == 1) continue;
      cases.push_back(grad_case(
          "stddev", Shape(r.shape).str() + " ddof " + std::to_string(ddof),
          [=](const auto& x) { return stddev(x[0], r.axes, how); }, {point},
          [=](const Point& x) {
            return reduced(x[0], r.plain_axes, r.keepdims,
                           [&](const Line& line) { return std::sqrt(var_of(line, ddof)); });
          }));
    }
  }
}

/// Products with one, two and three zeros, where the gradient by one element is the product of the
/// others.
inline void add_products_with_zeros(Cases& cases) {
  const std::vector<Values> points{{{0, 2, 3}, {4, 0, 0}, {0, 0, 0}, {1, -2, 5}},
                                   {{2, 0}, {0.5, 3}, {-1, 0}}};
  for (const Values& x : points)
    for (const int axis : {0, 1})
      cases.push_back(grad_case(
          "prod", "with zeros", [axis](const auto& v) { return prod(v[0], axis); }, {{x}},
          [axis](const Point& p) {
            return reduced(p[0], {static_cast<std::size_t>(axis)}, false, prod_of);
          }));
}

/// softmax-like functions: `plain(line, element)` for each element of each line along the axis.
template <class F, class Plain>
void add_along_axis(Cases& cases, const std::string& name, const F& f, const Plain& plain) {
  struct Along {
    Extents shape;
    int axis;
    std::size_t plain_axis;
  };
  const std::vector<Along> all{{{5}, -1, 0},      {{1}, 0, 0},       {{3, 4}, 1, 1},
                               {{3, 4}, 0, 0},    {{2, 3, 4}, 1, 1}, {{2, 3, 4}, -3, 0},
                               {{2, 1, 3}, 1, 1}, {{0, 3}, 1, 1},    {{3, 0}, 0, 0},
                               {{40}, 0, 0},      {{0}, 0, 0}};
  for (const Along& a : all)
    cases.push_back(grad_case(
        name, Shape(a.shape).str(), [f, a](const auto& x) { return f(x[0], a.axis); },
        {{sample(a.shape, -2, 2)}},
        [plain, a](const Point& x) {
          return filled(a.shape, [&](const Position& p) {
            Line line;
            for (std::size_t k = 0; k < a.shape[a.plain_axis]; ++k) {
              Position q = p;
              q[a.plain_axis] = k;
              line.push_back(at(x[0], q));
            }
            return plain(line, at(x[0], p));
          });
        }));
}

inline void add_softmax(Cases& cases) {
  add_along_axis(
      cases, "softmax", [](const auto& x, int axis) { return softmax(x, axis); },
      [](const Line& line, double x) { return std::exp(x - logsumexp_of(line)); });
  add_along_axis(
      cases, "log_softmax", [](const auto& x, int axis) { return log_softmax(x, axis); },
      [](const Line& line, double x) { return x - logsumexp_of(line); });
}

inline const std::vector<std::pair<Extents, Extents>>& broadcasts() {
  static const std::vector<std::pair<Extents, Extents>> all{
      {{}, {}},         {{}, {3}},
      {{3}, {3}},       {{3}, {2, 3}},
      {{2, 1}, {2, 3}}, {{1, 1}, {2, 3}},
      {{1}, {0}},       {{1, 3}, {0, 3}},
      {{0}, {2, 0}},    {{2, 1, 3}, {4, 2, 5, 3}},
      {{1}, {600}},     {{}, {1, 2, 1, 1, 2, 1, 1, 2}}};
  return all;
}

inline void add_broadcasts(Cases& cases) {
  for (const auto& [from, to] : broadcasts()) {
    const std::string shapes = Shape(from).str() + " to " + Shape(to).str();
    cases.push_back(grad_case(
        "broadcast_to", shapes,
        [shape = Shape(to)](const auto& x) { return broadcast_to(x[0], shape); },
        {{sample(from, -2, 2)}},
        [shape = to](const Point& x) {
          return filled(shape, [&](const Position& p) { return at(x[0], p); });
        }));
    // The gradient of broadcasting, which the engine uses for its own purposes.
    GradCase back = grad_case(
        "sum_to", shapes,
        [shape = Shape(from)](const auto& x) {
          using V = std::remove_cvref_t<decltype(x[0])>;
          auto& state = x[0].state("test");
          const V z(state, state.add_leaf(shape, Role::input, true, {}));
          std::fill_n(state.entries[z.index()].data, shape.size(), 0);
          const V total = sum(x[0] * broadcast_to(z, x[0].shape()));
          const auto [gradient] = gradients(total, {z}, {.differentiable = true});
          return gradient;
        },
        {{sample(to, -2, 2)}},
        [shape = from](const Point& x) {
          Values result = filled(shape, [](const Position&) { return 0.0; });
          for_each_position(extents_of(x[0]), [&](const Position& p) {
            std::size_t flat = 0;
            for (std::size_t i = 0; i < shape.size(); ++i)
              flat = flat * shape[i] + (shape[i] == 1 ? 0 : p[p.size() - shape.size() + i]);
            result.data()[flat] += at(x[0], p);
          });
          return result;
        });
    back.needs_recording = true;
    cases.push_back(std::move(back));
  }
}

inline Cases reduction_cases() {
  Cases cases;
  add_reductions(cases);
  add_spreads(cases);
  add_products_with_zeros(cases);
  add_softmax(cases);
  add_broadcasts(cases);
  return cases;
}

}  // namespace tapestry::test
