// SPDX-License-Identifier: MIT
// Cases for matrix products and for cross entropy.
#pragma once

#include <cmath>

#include "op_table/points.hpp"

namespace tapestry::test {

/// (..., M, K) x (..., K, N), with everything spelt out.
inline Values plain_matmul(const Values& a, const Values& b, bool ta, bool tb) {
  const Extents shape_a = extents_of(a);
  const Extents shape_b = extents_of(b);
  const std::size_t ra = shape_a.size();
  const std::size_t rb = shape_b.size();
  Extents shape =
      broadcast({shape_a.begin(), shape_a.end() - 2}, {shape_b.begin(), shape_b.end() - 2});
  const std::size_t inner = shape_a[ta ? ra - 2 : ra - 1];
  shape.push_back(shape_a[ta ? ra - 1 : ra - 2]);
  shape.push_back(shape_b[tb ? rb - 2 : rb - 1]);
  return filled(shape, [&](const Position& p) {
    const std::size_t m = p[p.size() - 2];
    const std::size_t n = p[p.size() - 1];
    double total = 0;
    for (std::size_t k = 0; k < inner; ++k) {
      Position pa(p.end() - static_cast<std::ptrdiff_t>(std::min(ra, p.size())), p.end());
      Position pb(p.end() - static_cast<std::ptrdiff_t>(std::min(rb, p.size())), p.end());
      pa[ra - 2] = ta ? k : m;
      pa[ra - 1] = ta ? m : k;
      pb[rb - 2] = tb ? n : k;
      pb[rb - 1] = tb ? k : n;
      // Not `at` for the matrix itself: an inner extent of 1 is no broadcast, but equal to one.
      total += at(a, pa) * at(b, pb);
    }
    return total;
  });
}

inline Extents swapped_if(bool swap, Extents shape) {
  if (swap) std::swap(shape[shape.size() - 2], shape[shape.size() - 1]);
  return shape;
}

inline void add_products(Cases& cases) {
  const std::vector<std::pair<Extents, Extents>> shapes{
      {{2, 3}, {3, 4}},    {{1, 1}, {1, 1}},       {{1, 5}, {5, 1}},
      {{0, 3}, {3, 4}},    {{2, 0}, {0, 4}},       {{2, 3}, {3, 0}},
      {{5, 2, 3}, {3, 4}}, {{5, 2, 3}, {5, 3, 4}}, {{5, 2, 3}, {1, 3, 4}},
      {{2, 3}, {5, 3, 4}}, {{1, 2, 3}, {5, 3, 4}}, {{3, 1, 2, 3}, {2, 3, 4}},
      {{0, 2, 3}, {3, 4}}, {{5, 2, 0}, {0, 4}},    {{5, 2, 3}, {3, 0}},
      {{5, 0, 3}, {3, 4}}, {{0, 2, 3}, {0, 3, 4}}, {{2, 1, 1, 1, 1, 2, 2, 3}, {2, 1, 3, 1}},
      {{17, 19}, {19, 23}}};
  for (const auto& [a, b] : shapes)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        cases.push_back(grad_case(
            "matmul", Shape(a).str() + (ta ? "T" : "") + " " + Shape(b).str() + (tb ? "T" : ""),
            [ta, tb](const auto& x) {
              return matmul(x[0], x[1], {.transpose_a = ta, .transpose_b = tb});
            },
            {{sample(swapped_if(ta, a), -2, 2, 1), sample(swapped_if(tb, b), -2, 2, 2)}},
            [ta, tb](const Point& x) { return plain_matmul(x[0], x[1], ta, tb); }));
}

inline void add_vector_products(Cases& cases) {
  struct Pair {
    Extents a, b, result;
  };
  const std::vector<Pair> pairs{
      {{3}, {3}, {}},           {{3}, {3, 4}, {4}}, {{2, 3}, {3}, {2}}, {{3}, {5, 3, 4}, {5, 4}},
      {{5, 2, 3}, {3}, {5, 2}}, {{0}, {0}, {}},     {{1}, {1}, {}},     {{0}, {0, 4}, {4}}};
  for (const Pair& pair : pairs)
    cases.push_back(grad_case(
        "matmul", Shape(pair.a).str() + " " + Shape(pair.b).str(),
        [](const auto& x) { return matmul(x[0], x[1]); },
        {{sample(pair.a, -2, 2, 1), sample(pair.b, -2, 2, 2)}},
        [pair](const Point& x) {
          Values a = x[0];
          Values b = x[1];
          if (a.dimension() == 1) a.reshape({std::size_t{1}, a.size()});
          if (b.dimension() == 1) b.reshape({b.size(), std::size_t{1}});
          const Values product = plain_matmul(a, b, false, false);
          Values result = empty_array(pair.result);
          std::copy(product.data(), product.data() + product.size(), result.data());
          return result;
        }));
}

/// As torch.nn.functional.cross_entropy documents it.
inline Values plain_cross_entropy(const Values& logits, const Indices& targets,
                                  const CrossEntropyOptions<double>& options) {
  const std::size_t classes = logits.shape().back();
  Values losses = empty_array({targets.shape().begin(), targets.shape().end()});
  double total = 0;
  double weights = 0;
  for (std::size_t t = 0; t < targets.size(); ++t) {
    const double* x = logits.data() + t * classes;
    const std::int64_t target = targets.data()[t];
    losses.data()[t] = 0;
    if (target == options.ignore_index) continue;
    double z = 0;
    for (std::size_t c = 0; c < classes; ++c) z += std::exp(x[c]);
    const double s = options.label_smoothing;
    for (std::size_t c = 0; c < classes; ++c) {
      const double w = options.weight ? options.weight->data()[c] : 1;
      const double hit = static_cast<std::int64_t>(c) == target ? 1 : 0;
      const double share = w * ((1 - s) * hit + s / static_cast<double>(classes));
      losses.data()[t] -= share * (x[c] - std::log(z));
      weights += w * hit;
    }
    total += losses.data()[t];
  }
  if (options.reduction == Reduction::none) return losses;
  return filled({}, [&](const Position&) {
    return options.reduction == Reduction::sum ? total : total / weights;
  });
}

inline void add_cross_entropy(Cases& cases) {
  const auto add = [&](const std::string& variant, const Extents& logits, const Indices& targets,
                       const CrossEntropyOptions<double>& options) {
    cases.push_back(grad_case(
        "softmax_cross_entropy", variant,
        [=](const auto& x) {
          using T = typename std::remove_cvref_t<decltype(x[0])>::value_type;
          CrossEntropyOptions<T> o{options.reduction, options.ignore_index, options.label_smoothing,
                                   std::nullopt};
          if (options.weight) o.weight = as_array<T>(*options.weight);
          return softmax_cross_entropy(x[0], targets, o);
        },
        {{sample(logits, -2, 2)}},
        [=](const Point& x) { return plain_cross_entropy(x[0], targets, options); }));
  };
  const Indices row{2, 0, -100, 3};
  const Indices grid{{1, -100}, {0, 2}, {2, 2}};
  Indices one(Indices::shape_type{});
  one() = 1;
  const Values weight{0.5, 2, 1, 0.25};
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    const std::string how = std::to_string(static_cast<int>(reduction));
    add("plain " + how, {4, 4}, row, {.reduction = reduction});
    add("one row " + how, {3}, one, {.reduction = reduction});
    add("rank 3 " + how, {3, 2, 3}, grid, {.reduction = reduction});
    add("smoothing " + how, {4, 4}, row, {.reduction = reduction, .label_smoothing = 0.1});
    add("weight " + how, {4, 4}, row, {.reduction = reduction, .weight = weight});
    add("all " + how, {4, 4}, row,
        {.reduction = reduction, .label_smoothing = 0.3, .weight = weight});
    add("ignoring 3 " + how, {3, 4}, {3, 1, 3}, {.reduction = reduction, .ignore_index = 3});
    add("one class " + how, {2, 1}, {0, 0}, {.reduction = reduction});
  }
  add("no rows", {0, 3}, xt::zeros<std::int64_t>({0}), {.reduction = Reduction::sum});
  add("no rows, none", {0, 3}, xt::zeros<std::int64_t>({0}), {.reduction = Reduction::none});
}

inline Cases matrix_cases() {
  Cases cases;
  add_products(cases);
  add_vector_products(cases);
  add_cross_entropy(cases);
  return cases;
}

}  // namespace tapestry::test
