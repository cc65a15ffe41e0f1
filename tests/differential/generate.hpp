// SPDX-License-Identifier: MIT
// Draws random programs: valid, well conditioned, and away from kinks unless two values are equal
// by construction.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "differential/naive.hpp"
#include "differential/program.hpp"

namespace differential {

/// Random numbers that are the same on every platform.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::size_t below(std::size_t n) { return engine_() % n; }
  /// In [low, high], both included.
  int between(int low, int high) {
    return low + static_cast<int>(below(static_cast<std::size_t>(high - low + 1)));
  }
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(engine_() >> 11) * 0x1p-53;
  }
  bool chance(double probability) { return uniform(0, 1) < probability; }
  template <class Items>
  auto any(const Items& items) {
    return *(items.begin() + static_cast<std::ptrdiff_t>(below(items.size())));
  }
  template <class Items>
  void shuffle(Items& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::mt19937_64 engine_;
};

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed), large_(random_.chance(0.02)) {
    program_.seed = seed;
    max_elements_ = large_ ? 1500 : 48;
  }

  Program make() {
    const std::size_t length = 5 + random_.below(56);
    const std::size_t leaves = 1 + random_.below(4);
    add_leaf(random_shape(), LeafKind::variable);
    for (std::size_t i = 1; i < leaves; ++i) add_leaf(random_shape());
    for (int tries = 0; tries < 2000 && program_.instructions.size() < length; ++tries) draw();
    add_roots();
    return std::move(program_);
  }

 private:
  using Value = std::optional<std::size_t>;  // none: it cannot be had

  void draw();
  void draw_function();
  void draw_with_number();
  void draw_binary();
  void draw_comparison();
  void draw_where();
  void draw_reduction();
  void draw_along_axis();
  void draw_cross_entropy();
  void draw_view();
  void draw_slice();
  void draw_join();
  void draw_split();
  void draw_take();
  void draw_matmul();
  void add_roots();

  [[nodiscard]] const Extents& shape(std::size_t value) const { return naive_[value].shape; }
  [[nodiscard]] double number_at(std::size_t node) const { return naive_.graph().value(node); }

  std::size_t random_extent() {
    if (random_.chance(0.015)) return 0;
    if (large_ && random_.chance(0.4)) return random_.any(Extents{7, 16, 33, 130, 600});
    return random_.any(Extents{1, 1, 2, 2, 3, 3, 4, 5});
  }
  Extents random_shape() {
    for (;;) {
      Extents shape(random_.below(5));
      for (std::size_t& extent : shape) extent = random_extent();
      if (count_of(shape) <= max_elements_) return shape;
    }
  }
  /// One that broadcasts with `other`.
  Extents partner_shape(Extents shape) {
    for (std::size_t& extent : shape)
      if (random_.chance(0.25)) extent = 1;
    const auto drop = static_cast<std::ptrdiff_t>(random_.below(shape.size() + 1));
    if (random_.chance(0.3)) shape.erase(shape.begin(), shape.begin() + drop);
    return shape;
  }

  std::size_t add_leaf(const Extents& shape) {
    return add_leaf(shape, random_.any(std::vector{LeafKind::variable, LeafKind::variable,
                                                   LeafKind::parameter, LeafKind::constant}));
  }
  std::size_t add_leaf(const Extents& shape, LeafKind kind) {
    Leaf leaf{program_.value_count++, kind, shape, Numbers(count_of(shape)), {}};
    const bool whole = random_.chance(0.25);  // whole numbers make ties
    for (double& x : leaf.data) x = whole ? random_.between(-2, 2) : random_.uniform(-2, 2);
    leaf.direction = leaf.data;
    for (double& x : leaf.direction) x = random_.uniform(-1, 1);
    naive_.leaf(leaf, leaf.data);
    program_.leaves.push_back(leaf);
    values_.push_back(leaf.value);
    return leaf.value;
  }

  /// Any value there is, preferably a recent one.
  std::size_t pick() {
    const std::size_t recent = std::min<std::size_t>(values_.size(), 5);
    const bool late = random_.chance(0.5);
    return values_[values_.size() - 1 - random_.below(late ? recent : values_.size())];
  }
  /// Any value that `fits`, or none.
  template <class Fits>
  Value find(const Fits& fits) {
    std::vector<std::size_t> fitting;
    for (const std::size_t v : values_)
      if (fits(v)) fitting.push_back(v);
    return fitting.empty() ? Value{} : random_.any(fitting);
  }
  /// One that broadcasts with x.
  std::size_t partner(std::size_t x) {
    if (random_.chance(0.15)) return add_leaf(partner_shape(shape(x)));
    return *find([&](std::size_t v) {
      Extents common;
      return broadcast(shape(x), shape(v), common) && count_of(common) <= max_elements_;
    });
  }

  Value emit(Instruction instruction, std::size_t results = 1);
  [[nodiscard]] bool acceptable(std::size_t value) const;

  template <class Holds>
  [[nodiscard]] bool all_of(std::size_t value, const Holds& holds) const {
    return std::ranges::all_of(naive_[value].nodes,
                               [&](std::size_t node) { return holds(number_at(node)); });
  }
  /// x, or something computed from it, that lies above 0.3.
  Value positive(std::size_t x) {
    if (all_of(x, [](double v) { return v > 0.3; })) return x;
    const bool smooth = random_.chance(0.5);
    const Value y = emit({smooth ? Op::softplus : Op::square, {x}});
    return y ? emit({.op = Op::add_number, .inputs = {*y}, .number = 0.5}) : y;
  }

  int random_axis(std::size_t rank) {
    const int n = static_cast<int>(rank);
    return random_.between(-n, n - 1);
  }
  double random_number() {
    return random_.chance(0.3) ? random_.between(-2, 2) : random_.uniform(-2, 2);
  }

  Program program_;
  Naive<double> naive_;
  Random random_;
  std::vector<std::size_t> values_;
  std::vector<std::size_t> conditions_;
  bool large_;
  std::size_t max_elements_ = 0;
};

inline Generator::Value Generator::emit(Instruction instruction, std::size_t results) {
  const std::size_t before = naive_.graph().size();
  for (std::size_t j = 0; j < results; ++j) instruction.results.push_back(program_.value_count + j);
  naive_.run(instruction);
  if (naive_.unsafe() ||
      !std::ranges::all_of(instruction.results, [&](std::size_t v) { return acceptable(v); })) {
    naive_.forget(instruction, before);
    return {};
  }
  program_.value_count += results;
  values_.insert(values_.end(), instruction.results.begin(), instruction.results.end());
  program_.instructions.push_back(std::move(instruction));
  return program_.instructions.back().results.back();
}

inline bool Generator::acceptable(std::size_t value) const {
  const auto& graph = naive_.graph();
  return shape(value).size() <= 5 && naive_[value].nodes.size() <= max_elements_ &&
         graph.size() < 300000 && std::ranges::all_of(naive_[value].nodes, [&](std::size_t node) {
           return std::abs(graph.value(node)) <= 20 && graph.scale(node) <= 1e4;
         });
}

inline void Generator::draw() {
  using Draw = void (Generator::*)();
  static const std::vector<std::pair<int, Draw>> draws{
      {5, &Generator::draw_function},   {4, &Generator::draw_with_number},
      {7, &Generator::draw_binary},     {1, &Generator::draw_comparison},
      {3, &Generator::draw_where},      {4, &Generator::draw_reduction},
      {2, &Generator::draw_along_axis}, {1, &Generator::draw_cross_entropy},
      {6, &Generator::draw_view},       {4, &Generator::draw_slice},
      {3, &Generator::draw_join},       {2, &Generator::draw_split},
      {2, &Generator::draw_take},       {4, &Generator::draw_matmul}};
  int total = 0;
  for (const auto& [weight, member] : draws) total += weight;
  int left = random_.between(0, total - 1);
  for (const auto& [weight, member] : draws)
    if ((left -= weight) < 0) return (this->*member)();
}

inline void Generator::draw_function() {
  const Op op = random_.any(std::vector{
      Op::negative, Op::exp, Op::log, Op::sqrt, Op::square, Op::tanh, Op::sigmoid, Op::relu,
      Op::softplus, Op::abs, Op::sign, Op::sin, Op::cos, Op::expm1, Op::erf, Op::gelu, Op::silu});
  const std::size_t x = pick();
  if (random_.chance(0.06)) return static_cast<void>(emit({Op::detach, {x}}));
  const Value input = op == Op::log || op == Op::sqrt ? positive(x) : x;
  if (input) emit({op, {*input}});
}

inline void Generator::draw_with_number() {
  const Op op = random_.any(std::vector{Op::add_number, Op::subtract_from, Op::multiply_number,
                                        Op::divide_by, Op::divide_number, Op::pow_number});
  double number = random_number();
  Value x = pick();
  if (op == Op::divide_by && std::abs(number) < 0.3) number = 1.5;
  if (op == Op::divide_number) x = positive(*x);
  if (op == Op::pow_number) {
    number = random_.any(Numbers{0, 1, 2, 3, -1, 0.5, 1.7});
    if (number < 0 || number != std::round(number)) x = positive(*x);
  }
  if (x) emit({.op = op, .inputs = {*x}, .number = number});
}

inline void Generator::draw_binary() {
  const Op op = random_.any(std::vector{Op::add, Op::subtract, Op::multiply, Op::multiply,
                                        Op::divide, Op::pow, Op::maximum, Op::minimum});
  Value a = pick();
  Value b = partner(*a);
  if (random_.chance(0.5)) std::swap(a, b);
  if (op == Op::divide && !all_of(*b, [](double v) { return std::abs(v) > 0.3; })) b = positive(*b);
  if (op == Op::pow) {
    a = positive(*a);
    if (!all_of(*b, [](double v) { return std::abs(v) < 3; })) b = emit({Op::tanh, {*b}});
  }
  if (a && b) emit({op, {*a, *b}});
}

inline void Generator::draw_comparison() {
  const std::size_t a = pick();
  Value result;
  if (random_.chance(0.4)) {
    const Op op = random_.chance(0.5) ? Op::greater_number : Op::less_equal_number;
    result = emit({.op = op, .inputs = {a}, .number = random_number()});
  } else {
    const Op op = random_.any(
        std::vector{Op::greater, Op::less, Op::greater_equal, Op::less_equal, Op::equal});
    result = emit({op, {a, partner(a)}});
  }
  if (result) conditions_.push_back(*result);
}

inline void Generator::draw_where() {
  if (conditions_.empty() || random_.chance(0.5)) draw_comparison();
  if (conditions_.empty()) return;
  const std::size_t condition = random_.chance(0.9) ? random_.any(conditions_) : pick();
  const std::size_t a = partner(condition);
  if (random_.chance(0.4)) {
    const Op op = random_.chance(0.5) ? Op::where_number : Op::where_number_first;
    emit({.op = op, .inputs = {condition, a}, .number = random_number()});
    return;
  }
  const std::size_t b = partner(condition);
  Extents common;
  if (broadcast(shape(condition), shape(a), common) &&
      broadcast(Extents(common), shape(b), common) && count_of(common) <= max_elements_)
    emit({Op::where, {condition, a, b}});
}

inline void Generator::draw_reduction() {
  const Op op = random_.any(std::vector{Op::sum, Op::sum, Op::mean, Op::max, Op::max, Op::min,
                                        Op::prod, Op::var, Op::logsumexp});
  Instruction i{.op = op, .inputs = {pick()}, .flag = random_.chance(0.4)};
  const Extents& x = shape(i.inputs[0]);
  std::size_t reduced = count_of(x);
  if (!x.empty() && random_.chance(0.8)) {
    for (int axis = 0; axis < static_cast<int>(x.size()); ++axis) i.axes.push_back(axis);
    random_.shuffle(i.axes);
    i.axes.resize(1 + random_.below(x.size()));
    reduced = 1;
    for (int& axis : i.axes) {
      reduced *= x[static_cast<std::size_t>(axis)];
      if (random_.chance(0.5)) axis -= static_cast<int>(x.size());
    }
  }
  if (reduced > 0 || op == Op::sum) emit(i);
}

inline void Generator::draw_along_axis() {
  const std::size_t x = pick();
  if (shape(x).empty()) return;
  const Op op = random_.any(std::vector{Op::softmax, Op::log_softmax, Op::cumsum, Op::flip});
  emit({.op = op, .inputs = {x}, .axes = {random_axis(shape(x).size())}});
}

inline void Generator::draw_cross_entropy() {
  const std::size_t x = pick();
  if (shape(x).empty() || shape(x).back() == 0) return;
  Instruction i{.op = Op::cross_entropy, .inputs = {x}, .axes = {random_.between(0, 2)}};
  i.number = random_.chance(0.5) ? 0 : 0.1;
  i.shape.assign(shape(x).begin(), shape(x).end() - 1);
  for (std::size_t row = 0; row < count_of(i.shape); ++row)
    i.integers.push_back(
        random_.chance(0.15) ? -100 : static_cast<std::int64_t>(random_.below(shape(x).back())));
  emit(i);
}

inline void Generator::draw_view() {
  Instruction i{.op = random_.any(std::vector{Op::reshape, Op::expand_dims, Op::squeeze,
                                              Op::transpose, Op::transpose, Op::broadcast_to}),
                .inputs = {pick()}};
  if (i.op == Op::squeeze)
    if (const Value x = find([&](auto v) { return std::ranges::count(shape(v), 1u) > 0; }))
      i.inputs = {*x};
  const Extents x = shape(i.inputs[0]);
  if (i.op == Op::reshape) {
    Extents factors;
    for (std::size_t n = count_of(x), f = 2; n > 1; n % f == 0 ? n /= f : ++f)
      if (n % f == 0) factors.push_back(f);
    random_.shuffle(factors);
    i.shape.assign(factors.empty() ? random_.below(3) : 1 + random_.below(4), 1);
    for (const std::size_t f : factors) i.shape[random_.below(i.shape.size())] *= f;
    if (count_of(x) == 0) random_.shuffle(i.shape = x);
  } else if (i.op == Op::expand_dims) {
    i.axes = {random_axis(x.size() + 1)};
  } else if (i.op == Op::squeeze) {
    if (std::ranges::count(x, 1u) == 0) return;
    do i.axes = {random_axis(x.size())};
    while (x[axis_of(i.axis(), x.size())] != 1);
  } else if (i.op == Op::transpose && random_.chance(0.7)) {
    for (int axis = 0; axis < static_cast<int>(x.size()); ++axis)
      i.axes.push_back(random_.chance(0.2) ? axis - static_cast<int>(x.size()) : axis);
    random_.shuffle(i.axes);
  } else if (i.op == Op::broadcast_to) {
    i.shape = x;
    for (std::size_t& extent : i.shape)
      if (extent == 1 && random_.chance(0.6)) extent = random_extent();
    if (random_.chance(0.5)) i.shape.insert(i.shape.begin(), random_extent());
    if (count_of(i.shape) > max_elements_) return;
  }
  emit(i);
}

inline void Generator::draw_slice() {
  const std::size_t x = pick();
  if (shape(x).empty()) return;
  const int axis = random_axis(shape(x).size());
  const int n = static_cast<int>(shape(x)[axis_of(axis, shape(x).size())]);
  if (random_.chance(0.5)) {
    if (n > 0)
      emit({.op = Op::select,
            .inputs = {x},
            .axes = {axis},
            .integers = {random_.between(-n, n - 1)}});
    return;
  }
  const int start = random_.between(-n - 1, n);
  const int stop = random_.chance(0.6) ? n + random_.between(0, 1) : random_.between(-n - 1, n + 1);
  emit({.op = Op::slice,
        .inputs = {x},
        .axes = {axis},
        .integers = {start, stop, random_.any(std::vector{1, 1, 2, 3})}});
}

inline void Generator::draw_join() {
  Instruction i{.op = random_.chance(0.5) ? Op::concatenate : Op::stack, .inputs = {pick()}};
  const Extents x = shape(i.inputs[0]);
  const bool stack = i.op == Op::stack;
  if (x.empty() && !stack) return;
  i.axes = {random_axis(x.size() + (stack ? 1 : 0))};
  const std::size_t axis = axis_of(i.axis(), x.size() + (stack ? 1 : 0));
  const std::size_t count = 1 + random_.below(4);
  while (i.inputs.size() < count) {
    const Value next = find([&](std::size_t v) {
      Extents other = shape(v);
      if (!stack && other.size() == x.size()) other[axis] = x[axis];
      return other == x;
    });
    i.inputs.push_back(*next);
  }
  random_.shuffle(i.inputs);
  emit(i);
}

inline void Generator::draw_split() {
  const std::size_t x = pick();
  if (shape(x).empty()) return;
  const int axis = random_axis(shape(x).size());
  const std::size_t sections = 1 + random_.below(4);
  if (shape(x)[axis_of(axis, shape(x).size())] % sections != 0) return;
  emit({.op = Op::split,
        .inputs = {x},
        .axes = {axis},
        .integers = {static_cast<std::int64_t>(sections)}},
       sections);
}

inline void Generator::draw_take() {
  const std::size_t x = pick();
  if (shape(x).empty()) return;
  Instruction i{.op = Op::take, .inputs = {x}, .axes = {random_axis(shape(x).size())}};
  const int n = static_cast<int>(shape(x)[axis_of(i.axis(), shape(x).size())]);
  if (n == 0) return;
  i.shape.resize(random_.below(3));
  for (std::size_t& extent : i.shape) extent = random_extent();
  if (count_of(i.shape) > max_elements_) return;
  for (std::size_t k = 0; k < count_of(i.shape); ++k)
    i.integers.push_back(random_.between(-n, n - 1));
  emit(i);
}

inline void Generator::draw_matmul() {
  const Value a = find([&](std::size_t v) { return !shape(v).empty(); });
  if (!a) return;
  const Extents left = shape(*a);
  const std::size_t rank = left.size();
  Instruction i{.op = Op::matmul};
  i.flag = rank > 1 && random_.chance(0.4);
  const std::size_t inner = left[i.flag ? rank - 2 : rank - 1];
  const std::size_t rows = rank == 1 ? 1 : left[i.flag ? rank - 1 : rank - 2];
  const bool transposed = random_.chance(0.4);
  const auto fits = [&](std::size_t v) {
    const Extents& right = shape(v);
    if (right.empty()) return false;
    if (right.size() == 1) return right[0] == inner;
    Extents batch;
    return right[right.size() - (transposed ? 1 : 2)] == inner &&
           (rank <= 2 ||
            broadcast({left.begin(), left.end() - 2}, {right.begin(), right.end() - 2}, batch)) &&
           count_of(batch) * rows * right[right.size() - (transposed ? 2 : 1)] <= max_elements_;
  };
  Value b = find(fits);
  if (!b || random_.chance(0.3)) {
    Extents right{inner, random_extent()};
    if (transposed) std::swap(right[0], right[1]);
    if (rank > 2 && random_.chance(0.4))
      right.insert(right.begin(), random_.chance(0.5) ? 1 : left[rank - 3]);
    if (random_.chance(0.15)) right = {inner};
    if (count_of(right) > max_elements_) return;
    b = add_leaf(right);
  }
  i.flag_b = transposed && shape(*b).size() > 1;
  i.inputs = {*a, *b};
  emit(i);
}

/// All results that nothing else uses, or some of them, and some that are used; at least one
/// through which gradients flow.
inline void Generator::add_roots() {
  std::set<std::size_t> used;
  for (const Instruction& i : program_.instructions) used.insert(i.inputs.begin(), i.inputs.end());
  const bool all = random_.chance(0.6);
  const auto add = [&](std::size_t value) {
    Root root{value, Numbers(naive_[value].nodes.size())};
    for (double& w : root.weights) w = random_.uniform(-1, 1);
    program_.roots.push_back(std::move(root));
  };
  for (const std::size_t value : values_)
    if (used.contains(value) ? random_.chance(0.04) : all || random_.chance(0.4)) add(value);
  const bool any = std::ranges::any_of(
      program_.roots, [&](const Root& root) { return naive_[root.value].differentiable; });
  if (!any) add(*find([&](std::size_t v) { return naive_[v].differentiable; }));
}

}  // namespace differential
