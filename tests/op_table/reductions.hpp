// SPDX-License-Identifier: MIT
// Cases for reductions, for broadcasting, their transpose, and for softmax and its relatives.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "op_table/points.hpp"

namespace tapestry::test {

using Line = std::vector<double>;

inline double sum_of(const Line& x) { return std::accumulate(x.begin(), x.end(), 0.0); }
inline double mean_of(const Line& x) { return sum_of(x) / static_cast<double>(x.size()); }
inline double max_of(const Line& x) { return *std::max_element(x.begin(), x.end()); }
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
                   const Plain& plain) {
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
      cases, "logsumexp", false, [](const auto& x, auto... how) { return logsumexp(x, how...); },
      logsumexp_of);
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
  add_softmax(cases);
  add_broadcasts(cases);
  return cases;
}

}  // namespace tapestry::test
