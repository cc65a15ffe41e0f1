// SPDX-License-Identifier: MIT
// The ops of the random programs on single numbers, as nodes of a scalar graph.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "differential/program.hpp"
#include "differential/scalar_graph.hpp"

namespace differential {

using Nodes = std::vector<std::size_t>;

template <class N>
class NumberOps {
 public:
  /// Values nearer than this that are not equal by construction make a decision unsafe.
  static constexpr double decision_margin = 1e-4;

  [[nodiscard]] const ScalarGraph<N>& graph() const { return graph_; }

  /// Differs between two runs when a comparison went the other way.
  [[nodiscard]] std::uint64_t decisions() const { return decisions_; }
  /// Whether rounding may turn a comparison of this run round.
  [[nodiscard]] bool unsafe() const { return unsafe_; }

  std::size_t leaf(const N& x, bool exact) { return graph_.add(x, {}, exact); }

  /// Forgets all nodes from `size` on.
  void forget(std::size_t size) {
    graph_.truncate(size);
    unsafe_ = false;
  }

  std::size_t constant(double x, bool exact = true) { return graph_.add(N(x), {}, exact); }

  /// -1, 0 or 1 as a is less than, equal to or greater than b.
  int compare(std::size_t a, std::size_t b) {
    const double difference = value_of(graph_.value(a)) - value_of(graph_.value(b));
    const bool reliable = a == b || (graph_.exact(a) && graph_.exact(b));
    if (!reliable && std::abs(difference) < decision_margin) unsafe_ = true;
    const int sign = difference > 0 ? 1 : difference < 0 ? -1 : 0;
    decisions_ = (decisions_ ^ static_cast<std::uint64_t>(sign + 2)) * 0x100000001B3u;
    return sign;
  }

  std::size_t unary(Op op, std::size_t x, double c);
  std::size_t binary(Op op, std::size_t a, std::size_t b);
  std::size_t choose(std::size_t condition, std::size_t a, std::size_t b) {
    return compare(condition, constant(0)) != 0 ? a : b;
  }
  std::size_t total(const Nodes& x) {
    std::size_t sum = constant(0);
    for (const std::size_t node : x) sum = binary(Op::add, sum, node);
    return sum;
  }
  std::size_t largest(const Nodes& x);
  std::size_t log_sum_exp(const Nodes& x) {
    Nodes powers;
    for (const std::size_t node : x) powers.push_back(unary(Op::exp, node, 0));
    return unary(Op::log, total(powers), 0);
  }
  std::size_t reduced(Op op, const Nodes& x) {
    switch (op) {
      case Op::sum:
        return total(x);
      case Op::mean:
        return unary(Op::divide_by, total(x), static_cast<double>(x.size()));
      case Op::max:
        return largest(x);
      case Op::min: {
        Nodes opposite;
        for (const std::size_t node : x) opposite.push_back(unary(Op::negative, node, 0));
        return unary(Op::negative, largest(opposite), 0);
      }
      case Op::prod: {
        std::size_t product = constant(1);
        for (const std::size_t node : x) product = binary(Op::multiply, product, node);
        return product;
      }
      case Op::var:
        return variance(x);
      default:
        return log_sum_exp(x);
    }
  }

  std::size_t variance(const Nodes& x) {
    const std::size_t mean = reduced(Op::mean, x);
    Nodes squares;
    for (const std::size_t node : x)
      squares.push_back(unary(Op::square, binary(Op::subtract, node, mean), 0));
    return reduced(Op::mean, squares);
  }

 private:
  ScalarGraph<N> graph_;
  std::uint64_t decisions_ = 0xCBF29CE484222325u;
  bool unsafe_ = false;
};

template <class N>
std::size_t NumberOps<N>::unary(Op op, std::size_t x, double c) {
  using std::cos, std::erf, std::exp, std::expm1, std::log, std::log1p, std::pow, std::sin,
      std::sqrt, std::tanh;
  const N v = graph_.value(x);
  const bool exact = graph_.exact(x);
  const bool both = exact && c == std::round(c);
  const auto add = [&](N y, N partial, bool is_exact = false, N rounding = 0) {
    return graph_.add(y, {{x, partial, rounding}}, is_exact);
  };
  switch (op) {
    case Op::negative:
      return add(-v, -1.0, exact);
    case Op::exp:
      return add(exp(v), exp(v));
    case Op::log:
      return add(log(v), N(1) / v);
    case Op::sqrt:
      return add(sqrt(v), N(0.5) / sqrt(v));
    case Op::square:
      return add(v * v, N(2) * v, exact);
    case Op::tanh:
      return add(tanh(v), N(1) - tanh(v) * tanh(v), false, rounding_of(v, 1));
    case Op::sigmoid: {
      const N y = N(1) / (N(1) + exp(-v));
      return add(y, y * (N(1) - y), false, rounding_of(v, value_of(y)));
    }
    case Op::relu:
      return compare(x, constant(0)) > 0 ? add(v, 1.0, exact) : constant(0);
    case Op::softplus:
      return add(log1p(exp(v)), N(1) / (N(1) + exp(-v)));
    case Op::abs:
    case Op::sign: {
      const int side = compare(x, constant(0));
      return op == Op::sign ? constant(side) : unary(Op::multiply_number, x, side);
    }
    case Op::sin:
      return add(sin(v), cos(v));
    case Op::cos:
      return add(cos(v), -sin(v));
    case Op::expm1:
      return add(expm1(v), exp(v));
    case Op::erf:
      return add(erf(v), N(2 * std::numbers::inv_sqrtpi) * exp(-(v * v)));
    case Op::gelu: {
      const std::size_t half = unary(Op::multiply_number, x, 0.5);
      const std::size_t bell = unary(Op::erf, unary(Op::multiply_number, x, std::sqrt(0.5)), 0);
      return binary(Op::multiply, half, unary(Op::add_number, bell, 1));
    }
    case Op::silu:
      return binary(Op::multiply, x, unary(Op::sigmoid, x, 0));
    case Op::detach:
      return graph_.add_detached(x);
    case Op::add_number:
      return add(v + N(c), 1.0, both);
    case Op::subtract_from:
      return add(N(c) - v, -1.0, both);
    case Op::multiply_number:
      return add(v * N(c), c, both);
    case Op::divide_by:
      return add(v / N(c), 1 / c);
    case Op::divide_number:
      return add(N(c) / v, -(N(c) / (v * v)));
    case Op::pow_number:
      return add(pow(v, c), c == 0 ? N(0) : N(c) * pow(v, c - 1));
    case Op::greater_number:
      return constant(compare(x, constant(c)) > 0 ? 1 : 0);
    case Op::less_equal_number:
      return constant(compare(x, constant(c)) <= 0 ? 1 : 0);
    default:
      throw std::logic_error("not a function of one number");
  }
}

template <class N>
std::size_t NumberOps<N>::binary(Op op, std::size_t a, std::size_t b) {
  using std::exp, std::log;
  const N x = graph_.value(a);
  const N y = graph_.value(b);
  const bool exact = graph_.exact(a) && graph_.exact(b);
  switch (op) {
    case Op::add:
      return graph_.add(x + y, {{a, 1.0}, {b, 1.0}}, exact);
    case Op::subtract:
      return graph_.add(x - y, {{a, 1.0}, {b, -1.0}}, exact);
    case Op::multiply:
      return graph_.add(x * y, {{a, y, graph_.scale(b)}, {b, x, graph_.scale(a)}}, exact);
    case Op::divide:
      return graph_.add(x / y, {{a, N(1) / y}, {b, -(x / (y * y))}}, false);
    case Op::pow: {
      const N power = exp(y * log(x));
      return graph_.add(power, {{a, y * exp((y - N(1)) * log(x))}, {b, power * log(x)}}, false);
    }
    case Op::maximum:
    case Op::minimum: {  // equal ones share the gradient
      const int side = compare(a, b) * (op == Op::maximum ? 1 : -1);
      if (side == 0) return unary(Op::divide_by, binary(Op::add, a, b), 2);
      return side > 0 ? a : b;
    }
    case Op::greater:
      return constant(compare(a, b) > 0 ? 1 : 0);
    case Op::less:
      return constant(compare(a, b) < 0 ? 1 : 0);
    case Op::greater_equal:
      return constant(compare(a, b) >= 0 ? 1 : 0);
    case Op::less_equal:
      return constant(compare(a, b) <= 0 ? 1 : 0);
    case Op::equal:
      return constant(compare(a, b) == 0 ? 1 : 0);
    default:
      throw std::logic_error("not a function of two numbers");
  }
}

/// Equal elements share the gradient.
template <class N>
std::size_t NumberOps<N>::largest(const Nodes& x) {
  const std::size_t best = *std::max_element(x.begin(), x.end(), [&](auto a, auto b) {
    return value_of(graph_.value(a)) < value_of(graph_.value(b));
  });
  Nodes equal;
  for (const std::size_t node : x)
    if (compare(node, best) == 0) equal.push_back(node);
  return unary(Op::divide_by, total(equal), static_cast<double>(equal.size()));
}

}  // namespace differential
