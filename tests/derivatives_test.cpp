// SPDX-License-Identifier: MIT
// Jacobians, Hessians and their products with vectors. That J v and Jᵀ u belong together is checked
// for each op with its other derivatives, in expect_grad.hpp.
#define BOOST_TEST_MODULE derivatives
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "errors.hpp"
#include "expect_grad.hpp"
#include "tapestry/layers/gru.hpp"
#include "tapestry/layers/lstm.hpp"
#include "tapestry/layers/rnn.hpp"

namespace tapestry::test {
namespace {

using Types = std::tuple<float, double>;

constexpr GradientOptions differentiable{.differentiable = true};

/// y = (x0² x1, tanh(x0), 5 x2): a Jacobian that is easily written down.
template <class T>
Variable<T> three_of_three(const Variable<T>& x) {
  const auto a = select(x, 0, 0);
  const auto b = select(x, 0, 1);
  return stack(std::vector<Variable<T>>{square(a) * b, tanh(a), T{5} * select(x, 0, 2)});
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_jacobian_and_its_products, T, Types) {
  Tape<T> tape;
  const auto x = tape.variable({T{2}, T{3}, T{4}}, "x");
  const auto y = three_of_three(x);
  const double slope = 1 - std::tanh(2.0) * std::tanh(2.0);
  const Values j{{12, 4, 0}, {slope, 0, 0}, {0, 0, 5}};
  const double rounding = std::is_same_v<T, float> ? 1e-6 : 1e-14;
  const auto u = tape.constant({T{1}, T{-2}, T{3}});
  for (const bool record : {false, true}) {
    const GradientOptions options{.differentiable = record};
    const auto whole = jacobian(y, x, options);
    expect_close(as_values(whole.value()), j, rounding, "jacobian");
    BOOST_TEST(whole.requires_grad() == record);
    expect_close(as_values(vjp(y, x, u, options).value()), {12 - 2 * slope, 4, 15}, rounding,
                 "vjp");
    const auto forward = jvp(y, x, u, options);
    expect_close(as_values(forward.value()), {4, slope, 15}, rounding, "jvp");
    BOOST_TEST(forward.requires_grad() == record);
  }
}

BOOST_AUTO_TEST_CASE(the_jacobian_has_the_axes_of_both) {
  Tape<double> tape;
  const auto x = tape.variable(sample({2, 3}, -1, 1), "x");
  const auto w = tape.variable(sample({3, 4}, -1, 1, 1), "w");
  const auto y = matmul(x, w);
  for (const bool record : {false, true}) {
    const auto j = jacobian(y, w, {.differentiable = record});
    const Values expected = filled({2, 4, 3, 4}, [&](const Position& p) {
      return p[1] == p[3] ? at(as_values(x.value()), {p[0], p[2]}) : 0.0;
    });
    expect_close(as_values(j.value()), expected, 1e-15, "by w");
  }
  const auto empty = jacobian(slice(y, 0, 0, 0), x);
  BOOST_TEST(empty.shape().str() == "(0, 4, 2, 3)");
  const auto scalar = tape.variable(2.0);
  BOOST_TEST(jacobian(square(scalar), scalar).item() == 4);
}

BOOST_AUTO_TEST_CASE(the_hessian_and_its_products) {
  Tape<double> tape;
  const auto x = tape.variable({2.0, 3.0}, "x");
  const auto a = select(x, 0, 0);
  const auto b = select(x, 0, 1);
  const auto y = pow(a, 3) * b + square(b);  // gradient (3 a² b, a³ + 2 b)
  const Values h{{36, 12}, {12, 2}};
  const auto v = tape.constant({1.0, -1.0});
  for (const bool record : {false, true}) {
    const GradientOptions options{.differentiable = record};
    const auto whole = hessian(y, x, options);
    expect_close(as_values(whole.value()), h, 1e-14, "hessian");
    BOOST_TEST(whole.requires_grad() == record);
    expect_close(as_values(hessian_vector_product(y, x, v, options).value()), {24, 10}, 1e-14,
                 "product");
  }
  const auto third = gradients(sum(hessian(y, x, differentiable)), {x});
  expect_close(as_values(third[0].value()), {6 * 3 + 2 * 6 * 2, 12}, 1e-14, "third order");
}

BOOST_AUTO_TEST_CASE(several_variables_move_together) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto w = tape.variable(3.0, "w");
  const auto unused = tape.variable(1.0, "unused");
  const auto y = w * square(x);
  const auto v = tape.constant({10.0, 100.0});
  const auto u = tape.constant(0.5);
  const auto moved = jvp(y, {x, w, unused}, {v, u, u});
  expect_close(as_values(moved.value()), {6 * 10 + 0.5, 12 * 100 + 2}, 1e-13, "jvp");
  const auto [dx, dw, none] = vjp(y, {x, w, unused}, v);
  expect_close(as_values(dx.value()), {60, 1200}, 1e-13, "by x");
  BOOST_TEST(dw.item() == 410);
  BOOST_TEST(none.item() == 0);
  const auto [hx, hw] = hessian_vector_product(sum(y), {x, w}, {v, u});
  expect_close(as_values(hx.value()), {60 + 1, 600 + 2}, 1e-13, "2 w v + 2 x u");
  BOOST_TEST(hw.item() == 2 * 10 + 4 * 100);
}

BOOST_AUTO_TEST_CASE(what_does_not_depend_has_derivatives_of_zero) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto z = tape.variable({1.0, 2.0}, "z");
  const auto v = tape.constant({1.0, 1.0});
  const Values zero{0, 0};
  for (const bool record : {false, true}) {
    const GradientOptions options{.differentiable = record};
    expect_close(as_values(jvp(square(z), x, v, options).value()), zero, 0, "jvp");
    expect_close(as_values(vjp(square(z), x, v, options).value()), zero, 0, "vjp");
    const auto linear = sum(x * 3.0);
    expect_close(as_values(hessian(linear, x, options).value()), {{0, 0}, {0, 0}}, 0, "hessian");
    expect_close(as_values(hessian_vector_product(linear, x, v, options).value()), zero, 0,
                 "product");
    expect_close(as_values(jacobian(square(z), x, options).value()), {{0, 0}, {0, 0}}, 0,
                 "jacobian");
  }
}

BOOST_AUTO_TEST_CASE(nothing_but_the_result_stays_on_the_tape) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0, 3.0}, "x");
  const auto y = three_of_three(x);
  const auto s = sum(y);
  s.backward();
  const auto v = tape.constant({1.0, 1.0, 1.0});
  const std::size_t size = tape.size();
  const std::size_t nodes = tape.state().nodes.size();
  const auto off = tape.no_grad();  // what is asked for now need not be recorded
  const auto j = jacobian(y, x);
  const auto h = hessian(s, x);
  const auto forward = jvp(y, x, v);
  const auto product = hessian_vector_product(s, x, v);
  const auto backward = vjp(y, x, v);
  BOOST_TEST(tape.size() == size + 5);
  BOOST_TEST(tape.state().nodes.size() == nodes);
  expect_close(as_values(matmul(j, v).value()), as_values(forward.value()), 1e-14, "J v");
  expect_close(as_values(matmul(v, j).value()), as_values(backward.value()), 1e-14, "u J");
  expect_close(as_values(matmul(h, v).value()), as_values(product.value()), 1e-14, "H v");
  expect_close(as_values(x.grad()), as_values(backward.value()), 1e-14, "kept gradient");
}

BOOST_AUTO_TEST_CASE(a_seed_can_be_differentiated) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto seed = tape.variable({3.0, 5.0}, "seed");
  const auto y = pow(x, 3);
  const auto [plain] = gradients(y, {x}, seed);
  expect_close(as_values(plain.value()), {9, 60}, 1e-14, "seeded");
  BOOST_TEST(!plain.requires_grad());
  const auto [dx] = gradients(y, {x}, seed, differentiable);
  const auto [by_seed, by_x] = gradients(sum(dx), {seed, x});
  expect_close(as_values(by_seed.value()), {3, 12}, 1e-14, "by the seed");
  expect_close(as_values(by_x.value()), {18, 60}, 1e-14, "by x");
}

BOOST_AUTO_TEST_CASE(gradients_of_products_pass_gradcheck) {
  const Values x = sample({3}, 0.5, 1.5, 1);
  const Values v = sample({3}, -1, 1, 2);
  const auto check = [&](const auto& f) {
    const GradcheckResult result = gradcheck(f, x, v, {.second_order = true});
    BOOST_CHECK_MESSAGE(result.passed, result.message);
  };
  const auto y = [](const auto& a) { return exp(a) * sum(square(a)); };
  check([&](const auto& a, const auto& b) { return jvp(y(a), a, b, differentiable); });
  check([&](const auto& a, const auto& b) { return vjp(y(a), a, b, differentiable); });
  check([&](const auto& a, const auto& b) {
    return hessian_vector_product(sum(y(a)), a, b, differentiable);
  });
  check([&](const auto& a, const auto& b) { return jacobian(y(a), a, differentiable) * b; });
  check([&](const auto& a, const auto& b) { return hessian(sum(y(a)), a, differentiable) * b; });
}

template <class Layer>
void expect_layer_products(const Layer& made) {
  Layer layer = made;
  const auto f = [&](const auto& x) { return layer(x[0]).output; };
  GradCase c;
  c.f = f;
  expect_dot_identity(c, {sample({4, 2, 3}, -1, 1)});
  Tape<double> tape;
  const auto x = tape.variable(sample({4, 2, 3}, -1, 1));
  const auto y = sum(square(layer(x).output));
  const auto v = tape.constant(sample({4, 2, 3}, -1, 1, 5));
  const auto product = hessian_vector_product(y, x, v);
  const auto whole = reshape(hessian(y, x), {24, 24});
  const auto expected = reshape(matmul(whole, reshape(v, {24})), {4, 2, 3});
  expect_close(as_values(product.value()), as_values(expected.value()), 1e-12, "H v");
  expect_close(as_values(transpose(whole).value()), as_values(whole.value()), 1e-12, "symmetry");
}

BOOST_AUTO_TEST_CASE(products_through_recurrent_layers) {
  expect_layer_products(layers::RNN<double>({.input_size = 3, .hidden_size = 4}));
  expect_layer_products(layers::LSTM<double>({.input_size = 3, .hidden_size = 4, .num_layers = 2}));
  expect_layer_products(layers::GRU<double>({.input_size = 3, .hidden_size = 4}));
}

BOOST_AUTO_TEST_CASE(errors_name_what_is_wrong) {
  Tape<double> tape;
  Tape<double> other;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto c = tape.constant({1.0, 2.0}, "c");
  const auto y = square(x).named("y");
  const auto wrong = tape.constant({1.0, 2.0, 3.0});
  const std::size_t size = tape.size();
  BOOST_CHECK_EXCEPTION(vjp(y, x, wrong), ShapeError,
                        says("[vjp] the seed has shape (3,), but 'y' has (2,)"));
  BOOST_CHECK_EXCEPTION(jvp(y, x, wrong), ShapeError,
                        says("[jvp] the seed has shape (3,), but 'x' has (2,)"));
  const std::vector<Variable<double>> two{x, x};
  const std::span<const Variable<double>> by(two);
  BOOST_CHECK_EXCEPTION(jvp(y, by, by.first(1)), ShapeError,
                        says("[jvp] 2 variables, but 1 vectors"));
  BOOST_CHECK_EXCEPTION(
      hessian(y, x), GradientError,
      says("[hessian] 'y' has shape (2,), but second derivatives are those of a scalar"));
  BOOST_CHECK_THROW(hessian_vector_product(y, x, c), GradientError);
  BOOST_CHECK_THROW(jacobian(y, c), GradientError);
  BOOST_CHECK_THROW(jacobian(c, x), GradientError);
  BOOST_CHECK_THROW(vjp(y, x, other.constant({1.0, 1.0})), StaleVariable);
  BOOST_CHECK_THROW(vjp(y, other.variable(1.0), c), StaleVariable);
  BOOST_TEST(tape.size() == size);
  const auto deep = tape.variable(sample({1, 1, 1, 1, 2}, 0, 1));
  BOOST_CHECK_EXCEPTION(jacobian(square(deep), deep), ShapeError,
                        says("[jacobian] derivatives of (1, 1, 1, 1, 2) by (1, 1, 1, 1, 2) would "
                             "have more than 8 axes"));
}

}  // namespace
}  // namespace tapestry::test
