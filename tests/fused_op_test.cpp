// SPDX-License-Identifier: MIT
// Fused ops with several outputs, any number of inputs and memory that they keep for backward.
#define BOOST_TEST_MODULE fused_op
#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tapestry/autodiff.hpp"
#include "tapestry/autodiff/op.hpp"

using tapestry::Array;
using tapestry::gradients;
using tapestry::In;
using tapestry::Out;
using tapestry::Shape;
using tapestry::ShapeError;
using tapestry::sum;
using tapestry::Tape;
using tapestry::Variable;

namespace {

/// How often things happened.
struct Counts {
  int forward = 0;
  int kept = 0;  // forward runs that could keep something
  int backward = 0;
  int expanded = 0;
};

/// q = sum of x_i^2 and p = product of x_i, elementwise. Keeps the products of x_1 to x_i.
struct SquaresAndProduct {
  static constexpr auto name = "squares_and_product";
  static constexpr auto formula = "q = sum x_i^2, p = prod x_i";
  static constexpr auto shapes = "n times (...) -> (...), (...)";
  static constexpr tapestry::Saves saves = tapestry::save_inputs;
  Counts* counts;
  std::size_t inputs;

  [[nodiscard]] std::size_t outputs() const { return 2; }
  [[nodiscard]] Shape infer(std::size_t, std::span<const Shape* const> x) const {
    for (const Shape* shape : x)
      if (!(*shape == *x[0])) throw ShapeError(name, "shapes differ: " + shape->str());
    return *x[0];
  }
  [[nodiscard]] std::size_t keeps(std::span<const Shape* const> x) const {
    return x.size() * x[0]->size();
  }

  template <class T>
  void forward(std::span<const Out<T>> y, std::span<const In<T>> x,
               tapestry::Memory<T>& memory) const {
    ++counts->forward;
    counts->kept += memory.kept() != nullptr;
    const std::size_t n = y[0].size();
    T* squares = memory.temporary(n);
    std::fill_n(squares, n, T{0});
    std::fill_n(y[1].data, n, T{1});
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t k = 0; k < n; ++k) {
        squares[k] += x[i].data[k] * x[i].data[k];
        y[1].data[k] *= x[i].data[k];
        if (memory.kept()) memory.kept()[i * n + k] = y[1].data[k];
      }
    std::copy_n(squares, n, y[0].data);
  }

  template <class T>
  void backward(tapestry::KernelBackward<T>& call) const {
    ++counts->backward;
    const In<T> by_q = call.grad(0), by_p = call.grad(1);
    const std::size_t n = call.input(0).size();
    T* prefix = call.memory().kept();
    T* suffix = call.memory().temporary(n);
    std::fill_n(suffix, n, T{1});
    for (std::size_t i = inputs; i-- > 0;) {
      const T* x = call.input(i).data;
      const Out<T> target = call.needs(i) ? call.target(i) : Out<T>{nullptr, nullptr, false};
      for (std::size_t k = 0; k < n; ++k) {
        const T before = i > 0 ? prefix[(i - 1) * n + k] : T{1};
        const T gradient = (by_q.data ? 2 * x[k] * by_q.data[k] : T{0}) +
                           (by_p.data ? before * suffix[k] * by_p.data[k] : T{0});
        if (target.data) target.data[k] = target.accumulate ? target.data[k] + gradient : gradient;
        suffix[k] *= x[k];
        prefix[i * n + k] = T(99);  // what is kept may be written over
      }
    }
  }

  template <class T>
  std::vector<Variable<T>> expand(std::span<const Variable<T>> x) const {
    ++counts->expanded;
    Variable<T> squares = x[0] * x[0];
    Variable<T> product = x[0];
    for (const Variable<T>& v : x.subspan(1)) {
      squares = squares + v * v;
      product = product * v;
    }
    return {squares, product};
  }
};

Counts counts;

std::array<Variable<double>, 2> toy(std::vector<Variable<double>> x) {
  return tapestry::apply_fused<2>(SquaresAndProduct{&counts, x.size()},
                                  std::span<const Variable<double>>(x));
}

Array<double> row(std::initializer_list<double> values) {
  Array<double> array = Array<double>::from_shape({values.size()});
  std::copy(values.begin(), values.end(), array.begin());
  return array;
}

/// The gradients of sum(p * p + q) by three inputs.
std::vector<Array<double>> three_gradients(bool primitive) {
  Tape<double> tape;
  tape.set_primitive(primitive);
  const auto a = tape.variable(row({1, -2})), b = tape.variable(row({3, 0.5}));
  const auto c = tape.variable(row({-1, 4}));
  const auto [q, p] = toy({a, b, c});
  sum(p * p + q).backward();
  return {a.grad(), b.grad(), c.grad()};
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_and_gradients_are_those_of_the_expansion) {
  counts = {};
  const auto fused = three_gradients(false);
  BOOST_TEST(counts.forward == 1);
  BOOST_TEST(counts.kept == 1);
  BOOST_TEST(counts.backward == 1);
  BOOST_TEST(counts.expanded == 0);
  const auto expanded = three_gradients(true);
  BOOST_TEST(counts.forward == 1);
  BOOST_TEST(counts.expanded == 1);
  BOOST_TEST(fused == expanded);
  BOOST_TEST(fused[0] == row({2 * 1 + 2 * -3 * -3, 2 * -2 + 2 * -4 * 2}));
}

BOOST_AUTO_TEST_CASE(one_node_of_two_outputs) {
  Tape<double> tape;
  const auto a = tape.variable(row({2, 3})), b = tape.variable(row({5, 7}));
  const auto [q, p] = toy({a, b});
  BOOST_TEST(tape.state().nodes.size() == 1u);
  BOOST_TEST(q.value() == row({29, 58}));
  BOOST_TEST(p.value() == row({10, 21}));
  BOOST_TEST(p.name() == "squares_and_product");
}

BOOST_AUTO_TEST_CASE(one_output_may_stay_unused) {
  for (const bool primitive : {false, true}) {
    Tape<double> tape;
    tape.set_primitive(primitive);
    const auto a = tape.variable(row({2, 3})), b = tape.constant(row({5, 7}));
    const auto [q, p] = toy({a, b});
    sum(p).backward();
    BOOST_TEST(a.grad() == row({5, 7}));
  }
}

BOOST_AUTO_TEST_CASE(an_input_given_twice_counts_twice) {
  Tape<double> tape;
  const auto a = tape.variable(row({2, 3}));
  const auto [q, p] = toy({a, a});
  const auto [by_a] = gradients(sum(p + q), {a}, {.differentiable = true});
  BOOST_TEST(by_a.value() == row({12, 18}));  // 6 a
  sum(p + q).backward();
  BOOST_TEST(a.grad() == row({12, 18}));
}

BOOST_AUTO_TEST_CASE(backward_again_computes_again_what_was_kept) {
  Tape<double> tape;
  const auto a = tape.variable(row({2, 3})), b = tape.variable(row({5, 7}));
  const auto [q, p] = toy({a, b});
  const auto loss = sum(p);
  counts = {};
  loss.backward();
  BOOST_TEST(counts.forward == 0);
  loss.backward();
  BOOST_TEST(counts.forward == 1);
  BOOST_TEST(a.grad() == row({10, 14}));
  BOOST_TEST(p.value() == row({10, 21}));
}

BOOST_AUTO_TEST_CASE(differentiated_again_through_the_expansion) {
  std::vector<std::vector<Array<double>>> results;
  for (const bool primitive : {false, true}) {
    Tape<double> tape;
    tape.set_primitive(primitive);
    const auto a = tape.variable(row({1, -2})), b = tape.variable(row({3, 0.5}));
    const auto x = a * b;  // inputs that are results, and one that needs no gradient
    const auto [q, p] = toy({x, tape.constant(row({2, 3})), b});
    const auto [by_a, by_b] = gradients(sum(p * q), {a, b}, {.differentiable = true});
    const auto [second_a, second_b] = gradients(sum(by_a * by_a + by_b), {a, b});
    results.push_back({by_a.value(), by_b.value(), second_a.value(), second_b.value()});
  }
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t k = 0; k < 2; ++k)
      BOOST_TEST(results[0][i](k) == results[1][i](k), boost::test_tools::tolerance(1e-13));
}

// A pass over the expansion looks at the expansion, not at the tape before it.
BOOST_AUTO_TEST_CASE(nested_chains_differentiate_again) {
  Tape<double> tape;
  const auto a = tape.variable(row({1.25, 0.5}));
  auto y = a;
  for (int i = 0; i < 300; ++i) y = toy({y, tape.constant(row({1, 1}))})[1];
  const auto [by_a] = gradients(sum(y * y), {a}, {.differentiable = true});
  const auto [second] = gradients(sum(by_a), {a});
  BOOST_TEST(by_a.value() == row({2.5, 1}));
  BOOST_TEST(second.value() == row({2, 2}));
}

BOOST_AUTO_TEST_CASE(nothing_is_kept_without_a_backward) {
  Tape<double> tape;
  counts = {};
  const auto a = tape.variable(row({2, 3}));
  {
    const auto off = tape.no_grad();
    BOOST_TEST(toy({a, a})[1].value() == row({4, 9}));
  }
  const auto c = tape.constant(row({2, 3}));
  BOOST_TEST(toy({c, c})[1].value() == row({4, 9}));
  BOOST_TEST(counts.forward == 2);
  BOOST_TEST(counts.kept == 0);
}

BOOST_AUTO_TEST_CASE(what_is_kept_goes_back_after_backward) {
  Tape<double> tape;
  Array<double> large = Array<double>::from_shape({1000});
  large.fill(1.5);
  const auto a = tape.variable(large), b = tape.variable(large);
  const std::size_t before = tape.memory_used();
  const auto mark = tape.mark();
  const auto [q, p] = toy({a, b});
  const std::size_t outputs = 2 * 8192;
  BOOST_TEST(tape.memory_used() - before >= outputs + 16'000);
  BOOST_TEST(memory_report(tape).by_op[0].values >= 32'000u);  // attributed to the op
  sum(p).backward();
  tape.zero_grad();
  BOOST_TEST(tape.memory_used() - before < outputs + 1000);
  tape.rewind(mark);
  BOOST_TEST(tape.memory_used() == before);
}

BOOST_AUTO_TEST_CASE(a_refused_call_leaves_the_tape_as_it_was) {
  for (const bool primitive : {false, true}) {
    Tape<double> tape;
    Tape<double> other;
    tape.set_primitive(primitive);
    const auto a = tape.variable(row({2, 3})), b = tape.variable(row({5, 7, 8}));
    const std::size_t size = tape.size();
    const std::size_t used = tape.memory_used();
    BOOST_CHECK_THROW(toy({a, b}), ShapeError);
    BOOST_CHECK_THROW(toy({a, other.variable(row({1, 2}))}), tapestry::StaleVariable);
    BOOST_TEST(tape.size() == size);
    BOOST_TEST(tape.memory_used() == used);
    sum(toy({a, a})[1]).backward();
    BOOST_TEST(a.grad() == row({4, 6}));
  }
}
