// SPDX-License-Identifier: MIT
// Limits that users hit: very long chains and sequences, nothing at all, every rank, and numbers at
// the edge of their type.
#define BOOST_TEST_MODULE limits
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "expect_grad.hpp"
#include "tapestry/layers.hpp"

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

BOOST_AUTO_TEST_CASE(sums_within_functions_are_accurate) {
  constexpr std::size_t n = 3000000;
  constexpr double total = 1 + 0.1 * (n - 1);
  Array<float> shares = xt::ones<float>({n}) * 0.1F;
  shares(0) = 1;
  Tape<float> tape;
  const auto x = tape.constant(shares);
  const auto logs = log(x);
  const auto expect = [](const char* what, float actual, double expected) {
    BOOST_TEST(std::abs(double{actual} / expected - 1) < 1e-5,
               what << ": " << actual << " instead of " << expected);
  };
  expect("logsumexp", logsumexp(logs).item(), std::log(total));
  expect("softmax", slice(softmax(logs), 0, 0, 1).item(), 1 / total);
  expect("log_softmax", slice(log_softmax(logs), 0, 0, 1).item(), -std::log(total));
  const auto row = reshape(logs, {1, n});
  expect("softmax_cross_entropy", softmax_cross_entropy(row, {0}).item(), std::log(total));
  expect("norm", norm(sqrt(x)).item(), std::sqrt(total));
  expect("cumsum", slice(cumsum(x), 0, -1, n).item(), total);
  expect("mean of columns", slice(mean(reshape(x, {n / 2, 2}), 0), 0, 1, 2).item(), 0.1);
  const auto middle = sum(reshape(x, {1000, 3, n / 3000}), {0, 2});
  expect("sum over outer and inner axes", slice(middle, 0, 1, 2).item(), 0.1 * n / 3);
}

using Scalars = std::tuple<float, double>;

template <class T>
Array<T> random_array(const Extents& shape, double bound = 1) {
  return as_array<T>(sample(shape, -bound, bound));
}

template <class A>
bool all_finite(const A& array) {
  return std::all_of(array.begin(), array.end(), [](auto x) { return std::isfinite(x); });
}

template <class A>
bool all_zero(const A& array) {
  return std::all_of(array.begin(), array.end(), [](auto x) { return x == 0; });
}

/// Output and gradients of a recurrent layer over a sequence, as plain numbers.
template <class Layer>
std::vector<double> train_once(Layer& layer, const Array<typename Layer::value_type>& x,
                               bool primitive) {
  using T = typename Layer::value_type;
  Tape<T> tape;
  tape.set_primitive(primitive);
  for (auto* parameter : parameters(layer)) parameter->zero_grad();
  const auto input = tape.variable(x);
  const auto [output, state] = layer(input);
  sum(square(output)).backward();
  std::vector<double> numbers(output.value().begin(), output.value().end());
  const auto append = [&](const auto& more) {
    numbers.insert(numbers.end(), more.begin(), more.end());
  };
  append(input.grad());
  for (auto* parameter : parameters(layer)) append(parameter->grad());
  return numbers;
}

/// The fused op over ten thousand steps is finite and as good as its definition in primitive ops.
template <class Layer>
void check_long_sequence(Layer layer) {
  using T = typename Layer::value_type;
  const Array<T> x = random_array<T>({10000, 1, 3});
  const std::vector<double> fused = train_once(layer, x, false);
  const std::vector<double> primitive = train_once(layer, x, true);
  BOOST_TEST_REQUIRE(fused.size() == primitive.size());
  const double tolerance = std::is_same_v<T, float> ? 1e-3 : 1e-10;
  double worst = 0;
  for (std::size_t i = 0; i < fused.size(); ++i)
    worst = std::max(worst, std::abs(fused[i] - primitive[i]) / (1 + std::abs(primitive[i])));
  BOOST_TEST(worst < tolerance);
  BOOST_TEST(all_finite(fused));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(layers_over_ten_thousand_steps, T, Scalars) {
  seed(1);
  check_long_sequence(layers::RNN<T>({.input_size = 3, .hidden_size = 2}));
  check_long_sequence(layers::LSTM<T>({.input_size = 3, .hidden_size = 2}));
  check_long_sequence(layers::GRU<T>({.input_size = 3, .hidden_size = 2, .num_layers = 2}));
}

/// No steps, or no sequences: outputs of that size, gradients of zero.
template <class Layer>
void check_nothing(Layer layer, const Extents& shape, bool primitive) {
  using T = typename Layer::value_type;
  Tape<T> tape;
  tape.set_primitive(primitive);
  const auto x = tape.variable(random_array<T>(shape));
  const auto [output, state] = layer(x);
  BOOST_TEST(output.shape().str() == Shape({shape[0], shape[1], 2}).str());
  BOOST_TEST(state.h.shape().str() == Shape({2, shape[1], 2}).str());
  const auto total = sum(output) + sum(state.h);
  BOOST_TEST(total.requires_grad() == (shape[0] > 0));  // without steps it depends on nothing
  if (!total.requires_grad()) return;
  total.backward();
  BOOST_TEST(x.grad().size() == 0u);
  for (auto* parameter : parameters(layer)) BOOST_TEST(all_zero(parameter->grad()));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(layers_over_nothing, T, Scalars) {
  for (const Extents& shape : {Extents{0, 4, 3}, Extents{5, 0, 3}, Extents{0, 0, 3}})
    for (const bool primitive : {false, true}) {
      BOOST_TEST_CONTEXT(Shape(shape).str() << (primitive ? ", primitive" : "")) {
        check_nothing(layers::RNN<T>({.input_size = 3, .hidden_size = 2, .num_layers = 2}), shape,
                      primitive);
        check_nothing(layers::LSTM<T>({.input_size = 3, .hidden_size = 2, .num_layers = 2}), shape,
                      primitive);
        check_nothing(layers::GRU<T>({.input_size = 3, .hidden_size = 2, .num_layers = 2}), shape,
                      primitive);
      }
    }
}

BOOST_AUTO_TEST_CASE(a_state_passes_through_no_steps) {
  layers::LSTM<double> lstm({.input_size = 3, .hidden_size = 2});
  for (const bool primitive : {false, true}) {
    Tape<double> tape;
    tape.set_primitive(primitive);
    const auto h = tape.variable(sample({1, 4, 2}, -1, 1));
    const auto c = tape.variable(sample({1, 4, 2}, -1, 1, 1));
    const auto [output, state] = lstm(tape.constant(sample({0, 4, 3}, -1, 1)), {h, c});
    BOOST_TEST(output.size() == 0u);
    BOOST_TEST((as_values(state.h.value()) == as_values(h.value())));
    BOOST_TEST((as_values(state.c.value()) == as_values(c.value())));
    (sum(state.h) + sum(state.c) * 2.0).backward();
    for (const double g : h.grad()) BOOST_TEST(g == 1);
    for (const double g : c.grad()) BOOST_TEST(g == 2);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(other_layers_over_nothing, T, Scalars) {
  layers::Embedding<T> embed(7, 3);
  layers::Linear<T> linear(3, 5);
  for (const Extents& shape : {Extents{0}, Extents{0, 4}, Extents{4, 0}}) {
    Tape<T> tape;
    const Indices none(Indices::shape_type(shape.begin(), shape.end()));
    const auto logits = linear(dropout(embed(tape, none), 0.5));
    const auto loss = softmax_cross_entropy(logits, none, {.reduction = Reduction::sum});
    BOOST_TEST(loss.item() == 0);
    loss.backward();
    for (auto* parameter : {&embed.weight(), &linear.weight(), &linear.bias()})
      BOOST_TEST(all_zero(parameter->grad()));
  }
}

/// Ones, of which some extents are 2, so that there are few elements.
Extents shape_of_rank(std::size_t rank) {
  Extents shape(rank, 1);
  for (std::size_t i = 0; i < rank; i += 2) shape[i] = 2;
  return shape;
}

BOOST_AUTO_TEST_CASE(ranks_from_zero_to_eight) {
  for (std::size_t rank = 0; rank <= Shape::max_rank; ++rank) {
    BOOST_TEST_CONTEXT("rank " << rank) {
      const Values x = sample(shape_of_rank(rank), 0.5, 2);
      const auto g = [&](const auto& v) {
        const auto turned = transpose(v);
        auto total = sum(square(turned)) + max(v) + logsumexp(turned) * mean(v);
        if (rank > 0)
          total = total + sum(softmax(v, 0) * v) + sum(max(v, -1, true) * v) +
                  sum(concatenate(split(v, 1, -1), 0)) + sum(square(take(v, {0}, 0)));
        if (rank < Shape::max_rank) total = total + sum(square(expand_dims(v, 0) * v));
        return total;
      };
      const GradcheckResult result = gradcheck(g, x, {.second_order = true});
      BOOST_TEST(result.passed, result.message);
    }
  }
}

BOOST_AUTO_TEST_CASE(rank_nine_is_refused) {
  Tape<double> tape;
  const auto x = tape.variable(sample(shape_of_rank(8), 0, 1));
  const std::size_t before = tape.size();
  BOOST_CHECK_THROW(expand_dims(x, 0), ShapeError);
  BOOST_CHECK_THROW(stack(std::vector{x, x}), ShapeError);
  BOOST_CHECK_THROW(take(x, Indices{{0, 1}}, 0), ShapeError);
  BOOST_CHECK_THROW(tape.variable(Values(xt::zeros<double>(Extents(9, 1)))), ShapeError);
  BOOST_TEST(tape.size() == before);
}

template <class T>
constexpr T inf = std::numeric_limits<T>::infinity();
template <class T>
constexpr T huge = std::numeric_limits<T>::max();
template <class T>
constexpr T tiny = std::numeric_limits<T>::denorm_min();

/// Whether `actual` is `expected` as far as T can tell; what T cannot hold is as good as 0.
template <class T>
bool close(T actual, double expected) {
  if (std::isinf(expected)) return static_cast<double>(actual) == expected;
  return std::abs(static_cast<double>(actual) - expected) <=
         8 * std::numeric_limits<T>::epsilon() * std::abs(expected) +
             static_cast<double>(std::numeric_limits<T>::min());
}

/// f and its derivative at x, alone and in whole SIMD packs.
template <class T, class F>
void expect_at(const char* name, const F& f, T x, double value, double slope) {
  constexpr std::size_t n = 37;
  Tape<T> tape;
  Array<T> many = Array<T>::from_shape({n});
  many.fill(x);
  const auto v = tape.variable(many);
  const auto y = f(v);
  sum(y).backward();
  for (const std::size_t i : {std::size_t{0}, n - 1}) {
    BOOST_TEST(close(y.value()(i), value),
               name << "(" << x << ") is " << y.value()(i) << " instead of " << value);
    BOOST_TEST(close(v.grad()(i), slope),
               name << "'(" << x << ") is " << v.grad()(i) << " instead of " << slope);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(functions_at_the_edge, T, Scalars) {
  const auto f_tanh = [](const auto& v) { return tanh(v); };
  const auto f_sigmoid = [](const auto& v) { return sigmoid(v); };
  const auto f_softplus = [](const auto& v) { return softplus(v); };
  const auto f_exp = [](const auto& v) { return exp(v); };
  const auto f_log = [](const auto& v) { return log(v); };
  const auto f_sqrt = [](const auto& v) { return sqrt(v); };
  for (const T x : {T{1e30F}, huge<T>, inf<T>}) {
    expect_at("tanh", f_tanh, x, 1, 0);
    expect_at("tanh", f_tanh, -x, -1, 0);
    expect_at("sigmoid", f_sigmoid, x, 1, 0);
    expect_at("sigmoid", f_sigmoid, -x, 0, 0);
    expect_at("softplus", f_softplus, x, x, 1);
    expect_at("softplus", f_softplus, -x, 0, 0);
    expect_at("exp", f_exp, -x, 0, 0);
  }
  for (const T x : {tiny<T>, -tiny<T>, T{0}}) {
    expect_at("tanh", f_tanh, x, x, 1);
    expect_at("sigmoid", f_sigmoid, x, 0.5, 0.25);
    expect_at("softplus", f_softplus, x, std::log(2.0), 0.5);
    expect_at("exp", f_exp, x, 1, 1);
  }
  const T last = std::nextafter(std::log(huge<T>), T{0});  // beyond it, exp overflows
  expect_at("exp", f_exp, last, std::exp(last), std::exp(last));
  const T smallest = std::numeric_limits<T>::min();
  for (const T x : {smallest, huge<T>}) expect_at("log", f_log, x, std::log(x), 1 / double{x});
  for (const T x : {tiny<T>, smallest, huge<T>})
    expect_at("sqrt", f_sqrt, x, std::sqrt(double{x}), 0.5 / std::sqrt(double{x}));
  expect_at("log", f_log, tiny<T>, std::log(double{tiny<T>}), inf<T>);
}

using Numbers = std::vector<double>;

/// f of a row, and the gradients of the sum of its results weighted by 1, 2, 3, ...
template <class T, class F>
void expect_row(const std::string& name, const F& f, const Numbers& x, const Numbers& value,
                const Numbers& gradient) {
  constexpr std::size_t rows = 3;
  Tape<T> tape;
  Array<T> many = Array<T>::from_shape({rows, x.size()});
  for (std::size_t r = 0; r < rows; ++r) std::copy(x.begin(), x.end(), many.data() + r * x.size());
  const auto v = tape.variable(many);
  const auto y = f(v);
  Array<T> weights(y.value().shape());
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights.data()[i] = static_cast<T>(1 + i % value.size());
  y.backward(weights);
  const auto check = [&](const auto& actual, const Numbers& expected, const char* what) {
    for (std::size_t i = 0; i < actual.size(); ++i)
      BOOST_TEST(close(actual.data()[i], expected[i % expected.size()]),
                 name << ": " << what << " " << i << " is " << actual.data()[i] << " instead of "
                      << expected[i % expected.size()]);
  };
  check(y.value(), value, "value");
  check(v.grad(), gradient, "gradient");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(softmax_at_the_edge, T, Scalars) {
  const auto f = [](const auto& v) { return softmax(v); };
  const double far = huge<T>;
  expect_row<T>("large", f, {1e30F, -1e30F, 0}, {1, 0, 0}, {0, 0, 0});
  expect_row<T>("masked", f, {-inf<double>, 0, 0}, {0, 0.5, 0.5}, {0, -0.25, 0.25});
  expect_row<T>("largest", f, {far, far, -far}, {0.5, 0.5, 0}, {-0.25, 0.25, 0});
  expect_row<T>("tiny", f, {tiny<T>, -tiny<T>}, {0.5, 0.5}, {-0.25, 0.25});
}

BOOST_AUTO_TEST_CASE_TEMPLATE(log_softmax_at_the_edge, T, Scalars) {
  const auto f = [](const auto& v) { return log_softmax(v); };
  const double half = std::log(0.5);
  expect_row<T>("large", f, {1e30F, -1e30F, 0}, {0, -2.0 * 1e30F, -double{1e30F}}, {-5, 2, 3});
  expect_row<T>("masked", f, {-inf<double>, 0, 0}, {-inf<double>, half, half}, {1, -1, 0});
  expect_row<T>("equal", f, {1e30F, 1e30F}, {half, half}, {-0.5, 0.5});
}

BOOST_AUTO_TEST_CASE_TEMPLATE(logsumexp_at_the_edge, T, Scalars) {
  const auto f = [](const auto& v) { return logsumexp(v, -1); };
  expect_row<T>("large", f, {1e30F, -1e30F, 0}, {1e30F}, {1, 0, 0});
  expect_row<T>("masked", f, {-inf<double>, 0, 0}, {std::log(2.0)}, {0, 0.5, 0.5});
  expect_row<T>("equal", f, {1e30F, 1e30F}, {1e30F}, {0.5, 0.5});
  expect_row<T>("largest", f, {huge<T>, huge<T>}, {huge<T>}, {0.5, 0.5});
}

BOOST_AUTO_TEST_CASE_TEMPLATE(cross_entropy_at_the_edge, T, Scalars) {
  const auto target = [](std::int64_t k) {
    return [k](const auto& v) {
      return softmax_cross_entropy(v, Indices{k, k, k}, {.reduction = Reduction::none});
    };
  };
  expect_row<T>("sure and right", target(0), {1e30F, -1e30F, 0}, {0}, {0, 0, 0});
  expect_row<T>("sure and wrong", target(2), {1e30F, -1e30F, 0}, {1e30F}, {1, 0, -1});
  expect_row<T>("masked", target(1), {-inf<double>, 0, 0}, {std::log(2.0)}, {0, -0.5, 0.5});
  expect_row<T>("equal", target(1), {1e30F, 1e30F}, {std::log(2.0)}, {0.5, -0.5});
}

BOOST_AUTO_TEST_CASE_TEMPLATE(choices_at_the_edge, T, Scalars) {
  const auto largest = [](const auto& v) { return max(v, -1); };
  expect_row<T>("all masked", largest, {-inf<double>, -inf<double>}, {-inf<double>}, {0.5, 0.5});
  const auto guarded = [](const auto& v) { return where(v > T{0}, log(v), T{0}); };
  expect_row<T>("guarded", guarded, {-1, 1}, {0, 0}, {0, 2});
}

BOOST_AUTO_TEST_CASE_TEMPLATE(lengths_at_the_edge, T, Scalars) {
  const auto length = [](const auto& v) { return norm(v, -1); };
  const double m = std::numeric_limits<T>::min() / 32;  // 1 / m overflows
  const double far = 0x1p100;
  expect_row<T>("shortest", length, {3 * m, -4 * m}, {5 * m}, {0.6, -0.8});
  expect_row<T>("long", length, {3 * far, 4 * far}, {5 * far}, {0.6, 0.8});
  expect_row<T>("zero", length, {0, 0}, {0}, {0, 0});
  const double small = std::is_same_v<T, float> ? m : 1e-150;  // its square is a double
  const auto spread = [](const auto& v) { return stddev(v, -1); };
  expect_row<T>("narrowest", spread, {-small, small}, {small}, {-0.5, 0.5});
  expect_row<T>("equal", spread, {small, small}, {0}, {0, 0});
  const auto sample_spread = [](int ddof, const Array<T>& x, const auto& f) {
    Tape<T> tape;
    const auto v = tape.variable(x);
    const auto y = f(v, Axes{}, SpreadOptions{.ddof = ddof});
    y.backward();
    BOOST_TEST(std::isnan(v.grad()(0)));
    return y.item();
  };
  const auto f_stddev = [](const auto&... x) { return stddev(x...); };
  const auto f_var = [](const auto&... x) { return var(x...); };
  BOOST_TEST(std::isnan(sample_spread(1, {T{2}}, f_stddev)));
  BOOST_TEST(std::isnan(sample_spread(1, {T{2}}, f_var)));
  BOOST_TEST(sample_spread(2, {T{1}, T{3}}, f_stddev) == inf<T>);
}

/// Inputs so large that all gates saturate.
template <class Layer>
void check_saturated(Layer layer, bool primitive) {
  using T = typename Layer::value_type;
  Tape<T> tape;
  tape.set_primitive(primitive);
  const auto x = tape.variable(random_array<T>({5, 2, 3}, 1e30));
  const auto [output, state] = layer(x);
  BOOST_TEST(all_finite(output.value()));
  sum(output).backward();
  BOOST_TEST(all_finite(x.grad()));
  for (auto* parameter : parameters(layer)) BOOST_TEST(all_finite(parameter->grad()));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(saturated_layers_stay_finite, T, Scalars) {
  seed(2);
  for (const bool primitive : {false, true}) {
    check_saturated(layers::RNN<T>({.input_size = 3, .hidden_size = 4}), primitive);
    check_saturated(layers::LSTM<T>({.input_size = 3, .hidden_size = 4}), primitive);
    check_saturated(layers::GRU<T>({.input_size = 3, .hidden_size = 4}), primitive);
  }
}

}  // namespace
}  // namespace tapestry::test
