// SPDX-License-Identifier: MIT
// Limits that users hit: very long chains, very long sequences, nothing at all.
#define BOOST_TEST_MODULE limits
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "expect_grad.hpp"

namespace tapestry::test {
namespace {

/// Bytes that a tape holds outside its arena.
template <class T>
std::size_t bookkeeping(const Tape<T>& tape) {
  const auto& state = tape.state();
  return state.entries.capacity() * sizeof(state.entries[0]) +
         state.nodes.capacity() * sizeof(state.nodes[0]) +
         state.edges.capacity() * sizeof(state.edges[0]);
}

BOOST_AUTO_TEST_CASE(a_chain_of_a_million_nodes) {
  constexpr std::size_t n = 1000000;
  Tape<double> tape;
  const auto x = tape.variable(1.0);
  auto y = x;
  for (std::size_t i = 0; i < n; ++i) y = y * 0.999999 + 0.000001;
  const std::size_t nodes = tape.state().nodes.size();
  BOOST_TEST(nodes == 2 * n);
  y.backward();
  BOOST_TEST(std::abs(x.grad()() - std::exp(-1)) < 1e-6);
  const std::size_t each = (bookkeeping(tape) + tape.memory_used()) / nodes;
  BOOST_TEST_MESSAGE(each << " bytes a node, with value and gradient");
  BOOST_TEST(each < 400u);
  tape.clear();
  BOOST_TEST(tape.size() == 0u);
}

BOOST_AUTO_TEST_CASE(recorded_gradients_of_a_long_chain) {
  constexpr int n = 100000;
  Tape<double> tape;
  const auto x = tape.variable(0.5);
  auto y = x;
  for (int i = 0; i < n; ++i) y = y + x * 0.00001;
  const auto [dx] = gradients(y * y, {x}, {.differentiable = true});
  const auto [ddx] = gradients(dx, {x});
  BOOST_TEST(std::abs(ddx.item() - 8) < 1e-9);  // y = 2 x
}

BOOST_AUTO_TEST_CASE(many_ops_that_keep_indices_and_memory_of_their_own) {
  constexpr int n = 100000;
  Tape<float> tape;
  const auto table = tape.variable(Array<float>{1.0F, 2.0F, 3.0F});
  auto total = tape.constant(Array<float>{0.0F});
  for (int i = 0; i < n; ++i) total = total + take(table, {i % 3}) * 0.001F;
  total.backward();
  BOOST_TEST(std::abs(table.grad()(1) - 33.333F) < 0.1F);
}

BOOST_AUTO_TEST_CASE(a_variable_that_is_used_very_often) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  const std::vector<Variable<double>> many(10000, x);
  sum(concatenate(many)).backward();
  BOOST_TEST(x.grad()(0) == 10000);
  tape.zero_grad();
  sum(square(stack(many))).backward();
  BOOST_TEST(x.grad()(1) == 40000);
  std::vector<Variable<double>> parts = split(concatenate(many), 10000);
  (parts[0] * parts[9999]).backward({1.0, 1.0});
  BOOST_TEST(x.grad()(1) == 40004);
}

BOOST_AUTO_TEST_CASE(a_sequence_of_ten_thousand_steps) {
  constexpr std::size_t steps = 10000;
  Parameter<double> weight(sample({2, 2}, -0.5, 0.5), "weight");
  Tape<double> tape;
  const auto x = tape.constant(sample({steps, 1, 2}, -1, 1));
  auto h = tape.constant(Values(xt::zeros<double>({1, 2})));
  for (std::size_t t = 0; t < steps; ++t) {
    const auto step = tape.step(t);
    h = tanh(select(x, 0, static_cast<std::int64_t>(t)) + matmul(h, tape.watch(weight)));
  }
  sum(h).backward();
  for (const double g : weight.grad()) BOOST_TEST(std::isfinite(g));
  BOOST_TEST(weight.grad()(0, 0) != 0);
}

BOOST_AUTO_TEST_CASE(nothing_at_all) {
  Tape<double> tape;
  const auto x = tape.variable(Values(xt::zeros<double>({0, 4, 3})), "x");  // no steps
  const auto w = tape.variable(sample({3, 5}, -1, 1), "w");
  const auto y = tanh(matmul(x, w)) + tape.variable(sample({5}, -1, 1));
  BOOST_TEST(y.shape().str() == "(0, 4, 5)");
  const auto loss = sum(softmax(y)) + sum(take(transpose(y, {1, 0, 2}), {1, 1}));
  loss.backward();
  BOOST_TEST(loss.item() == 0);
  for (const double g : w.grad()) BOOST_TEST(g == 0);
  BOOST_TEST(Shape(x.grad().shape()).str() == "(0, 4, 3)");
  const auto [dw] = gradients(loss, {w}, {.differentiable = true});
  for (const double g : dw.value()) BOOST_TEST(g == 0);
}

BOOST_AUTO_TEST_CASE(large_arrays_are_summed_accurately) {
  Tape<float> tape;
  const auto x = tape.variable(Array<float>(xt::ones<float>({3000000}) * 0.1F));
  const auto bias = tape.variable(0.0F);
  const auto y = sum(x + bias);
  y.backward();
  BOOST_TEST(std::abs(y.item() - 300000) < 1);  // adding up in float would be off by thousands
  BOOST_TEST(bias.grad()() == 3000000);
}

}  // namespace
}  // namespace tapestry::test
