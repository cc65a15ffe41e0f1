// SPDX-License-Identifier: MIT
// Initial values: exact properties, statistics, and by name.
#define BOOST_TEST_MODULE init
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>
#include <string>
#include <tuple>
#include <vector>

#include "errors.hpp"
#include "layer_checks.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers.hpp"

using namespace tapestry::test;
namespace layers = tapestry::layers;
using layers::Fan;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::initialise;
using tapestry::Shape;
using tapestry::ShapeError;

namespace {

using Types = std::tuple<float, double>;

struct Moments {
  double mean = 0;
  double deviation = 0;
};

template <class T>
Moments moments(const Array<T>& array) {
  const double n = static_cast<double>(array.size());
  Moments m;
  for (const T x : array) m.mean += static_cast<double>(x) / n;
  for (const T x : array) m.deviation += std::pow(static_cast<double>(x) - m.mean, 2) / n;
  m.deviation = std::sqrt(m.deviation);
  return m;
}

/// Expects mean 0 and the given deviation of some 20,000 numbers, within about four errors.
template <class T>
void expect_deviation(const Array<T>& array, double deviation) {
  BOOST_REQUIRE(array.size() >= 20000u);
  const Moments m = moments(array);
  BOOST_TEST(std::abs(m.mean) < 0.03 * deviation);
  BOOST_TEST(std::abs(m.deviation / deviation - 1) < 0.02);
}

/// Largest entry of |A Aᵀ - gain² I| for rows [first, first + rows) of A, or of columns' products.
template <class T>
double from_orthogonal(const Array<T>& a, std::size_t first, std::size_t rows, bool by_rows,
                       double gain = 1) {
  const std::size_t columns = a.size() / a.shape()[0];
  const std::size_t count = by_rows ? rows : columns;
  const auto at = [&](std::size_t vector, std::size_t k) {
    const std::size_t i = by_rows ? vector : k, j = by_rows ? k : vector;
    return static_cast<double>(a.data()[(first + i) * columns + j]);
  };
  double largest = 0;
  for (std::size_t u = 0; u < count; ++u)
    for (std::size_t v = 0; v < count; ++v) {
      double product = u == v ? -gain * gain : 0;
      for (std::size_t k = 0; k < (by_rows ? columns : rows); ++k) product += at(u, k) * at(v, k);
      largest = std::max(largest, std::abs(product));
    }
  return largest;
}

struct Model {
  using value_type = double;
  layers::Embedding<double> embed{5, 4};
  layers::LSTM<double> lstm{{.input_size = 4, .hidden_size = 3, .num_layers = 2}};
  layers::GRU<double> gru{{.input_size = 3, .hidden_size = 3}};
  layers::Linear<double> head{3, 5};
  void visit(auto&& part) {
    part("embed", embed);
    part("lstm", lstm);
    part("gru", gru);
    part("head", head);
  }
};

std::vector<Array<double>> values(Model& model) {
  std::vector<Array<double>> list;
  for (const auto* parameter : tapestry::parameters(model)) list.push_back(parameter->value());
  return list;
}

}  // namespace

BOOST_AUTO_TEST_CASE(gains_are_pytorchs) {  // torch.nn.init.calculate_gain, 1.13.1
  BOOST_TEST(layers::calculate_gain("linear") == 1.0);
  BOOST_TEST(layers::calculate_gain("sigmoid") == 1.0);
  BOOST_TEST(layers::calculate_gain("tanh") == 1.6666666666666667);
  BOOST_TEST(layers::calculate_gain("relu") == 1.4142135623730951);
  BOOST_TEST(layers::calculate_gain("leaky_relu") == 1.4141428569978354);
  BOOST_TEST(layers::calculate_gain("leaky_relu", 0.2) == 1.3867504905630728);
  BOOST_TEST(layers::calculate_gain("selu") == 0.75);
  const auto unknown = [] { return layers::calculate_gain("softplus"); };
  BOOST_CHECK_EXCEPTION(static_cast<void>(unknown()), ArgumentError,
                        says("[calculate_gain] no gain is known for 'softplus', only for linear, "
                             "sigmoid, tanh, relu, leaky_relu and selu"));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(xavier, T, Types) {
  tapestry::seed(1);
  const Shape shape{100, 300};  // fan_out 100, fan_in 300
  expect_uniform(layers::xavier_uniform<T>(shape), std::sqrt(6.0 / 400));
  expect_uniform(layers::xavier_uniform<T>(shape, 2), 2 * std::sqrt(6.0 / 400));
  expect_deviation(layers::xavier_uniform<T>(shape), std::sqrt(2.0 / 400));
  expect_deviation(layers::xavier_normal<T>(shape), std::sqrt(2.0 / 400));
  expect_deviation(layers::xavier_normal<T>(shape, 3), 3 * std::sqrt(2.0 / 400));
  expect_deviation(layers::xavier_normal<T>({50, 30, 20}), std::sqrt(2.0 / (20 * 80)));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(he, T, Types) {
  tapestry::seed(2);
  const Shape shape{100, 300};
  expect_uniform(layers::he_uniform<T>(shape), std::sqrt(6.0 / 300));
  expect_uniform(layers::he_uniform<T>(shape, {.fan = Fan::out}), std::sqrt(6.0 / 100));
  expect_uniform(layers::he_uniform<T>(shape, {.gain = 1}), std::sqrt(3.0 / 300));
  expect_deviation(layers::he_normal<T>(shape), std::sqrt(2.0 / 300));
  expect_deviation(layers::he_normal<T>(shape, {.fan = Fan::out}), std::sqrt(2.0 / 100));
  expect_deviation(layers::he_normal<T>({50, 30, 20}, {.gain = 1}), std::sqrt(1.0 / 600));
}

BOOST_AUTO_TEST_CASE(normal_numbers_have_normal_tails) {
  tapestry::seed(3);
  std::size_t beyond = 0;
  for (const double x : layers::xavier_normal<double>({200, 200}))
    if (std::abs(x) > 2 * std::sqrt(2.0 / 400)) ++beyond;
  BOOST_TEST(beyond > 1500u);  // 4.55 % of 40,000 are 1820, with deviation 42
  BOOST_TEST(beyond < 2100u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(orthogonal, T, Types) {
  tapestry::seed(4);
  const double rounding = std::is_same_v<T, float> ? 1e-6 : 1e-14;
  BOOST_TEST(from_orthogonal(layers::orthogonal<T>({20, 20}), 0, 20, true) < rounding);
  BOOST_TEST(from_orthogonal(layers::orthogonal<T>({7, 30}), 0, 7, true) < rounding);
  BOOST_TEST(from_orthogonal(layers::orthogonal<T>({30, 7}), 0, 30, false) < rounding);
  BOOST_TEST(from_orthogonal(layers::orthogonal<T>({6, 2, 5}), 0, 6, true) < rounding);
  BOOST_TEST(from_orthogonal(layers::orthogonal<T>({9, 9}, {.gain = 2}), 0, 9, true, 2) <
             4 * rounding);
  const auto gates = layers::orthogonal<T>({4 * 8, 8}, {.blocks = 4});
  for (std::size_t b = 0; b < 4; ++b) BOOST_TEST(from_orthogonal(gates, 8 * b, 8, true) < rounding);
  BOOST_TEST(from_orthogonal(gates, 0, 32, false) > 1);  // together, the columns have length 2
}

// All orthogonal matrices are equally likely: without the correction of signs, a QR decomposition
// by reflections would give diagonals of one sign. Of a 1 x 1 matrix both signs must come.
BOOST_AUTO_TEST_CASE(orthogonal_has_all_signs) {
  tapestry::seed(5);
  std::size_t positive = 0;
  for (int i = 0; i < 400; ++i) {
    const auto q = layers::orthogonal<double>({2, 2});
    if (q(0, 0) * q(1, 1) > q(0, 1) * q(1, 0)) ++positive;
  }
  BOOST_TEST(positive > 150u);
  BOOST_TEST(positive < 250u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(identity, T, Types) {
  const Array<T> square{{1, 0}, {0, 1}};
  BOOST_TEST(max_difference(layers::identity<T>({2, 2}), square) == 0);
  const Array<T> wide{{3, 0, 0}, {0, 3, 0}};
  BOOST_TEST(max_difference(layers::identity<T>({2, 3}, {.gain = 3}), wide) == 0);
  const Array<T> tall{{1, 0}, {0, 1}, {0, 0}};
  BOOST_TEST(max_difference(layers::identity<T>({3, 2}), tall) == 0);
  const Array<T> gates{{1, 0}, {0, 1}, {1, 0}, {0, 1}};
  BOOST_TEST(max_difference(layers::identity<T>({4, 2}, {.blocks = 2}), gates) == 0);
  const Array<T> sevens{7, 7};
  BOOST_TEST(max_difference(layers::constant<T>({2}, 7), sevens) == 0);
}

BOOST_AUTO_TEST_CASE(bad_shapes) {
  BOOST_CHECK_EXCEPTION(static_cast<void>(layers::xavier_uniform<float>({4})), ShapeError,
                        says("[xavier_uniform] a matrix is needed, not an array of shape (4,)"));
  BOOST_CHECK_EXCEPTION(static_cast<void>(layers::he_normal<float>({})), ShapeError,
                        says("[he_normal] a matrix is needed, not an array of shape ()"));
  BOOST_CHECK_EXCEPTION(static_cast<void>(layers::orthogonal<float>({6, 2}, {.blocks = 4})),
                        ShapeError,
                        says("[orthogonal] the rows of (6, 2) do not divide into 4 blocks"));
  BOOST_CHECK_EXCEPTION(static_cast<void>(layers::identity<float>({2, 2, 2})), ShapeError,
                        says("[identity] a matrix is needed, not an array of shape (2, 2, 2)"));
}

BOOST_AUTO_TEST_SUITE(by_name)

BOOST_AUTO_TEST_CASE(patterns_and_gates) {
  Model model;
  initialise(model, {{"*", "constant(9)"},
                     {"*.weight_hh*", "orthogonal"},
                     {"gru.weight_hh_l?", "identity(0.5)"},
                     {"*bias*", "zeros"},
                     {"lstm.bias_ih*", "forget_bias"}});
  for (std::size_t l = 0; l < 2; ++l) {
    auto& w = model.lstm.weights(l);
    for (std::size_t gate = 0; gate < 4; ++gate)
      BOOST_TEST(from_orthogonal(w.weight_hh.value(), 3 * gate, 3, true) < 1e-14);
    const Array<double> forget{0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0};
    BOOST_TEST(max_difference(w.bias_ih.value(), forget) == 0);
    BOOST_TEST(max_difference(w.bias_hh.value(), zeros<double>({12})) == 0);
    BOOST_TEST(w.weight_ih.value()(0, 0) == 9);
  }
  BOOST_TEST(max_difference(model.gru.weights(0).weight_hh.value(),
                            layers::identity<double>({9, 3}, {.gain = 0.5, .blocks = 3})) == 0);
  BOOST_TEST(max_difference(model.head.bias().value(), zeros<double>({5})) == 0);
  BOOST_TEST(model.head.weight().value()(4, 2) == 9);
}

BOOST_AUTO_TEST_CASE(each_initialiser_is_the_function) {
  layers::Linear<double> linear(5, 4);
  const Shape shape{4, 5};
  const auto expect = [&](const std::string& rule, const auto& make) {
    tapestry::seed(6);
    initialise(linear, {{"weight", rule}});
    tapestry::seed(6);
    BOOST_TEST(max_difference(linear.weight().value(), make()) == 0, rule);
  };
  expect("zeros", [&] { return layers::constant<double>(shape, 0); });
  expect("ones", [&] { return layers::constant<double>(shape, 1); });
  expect("constant(-2.5e-1)", [&] { return layers::constant<double>(shape, -0.25); });
  expect("uniform(0.1)", [&] { return layers::uniform<double>(shape, 0.1); });
  expect("normal(0.02)", [&] { return layers::normal<double>(shape, 0.02); });
  expect("xavier_uniform", [&] { return layers::xavier_uniform<double>(shape); });
  expect("xavier_normal( tanh )", [&] { return layers::xavier_normal<double>(shape, 5.0 / 3); });
  expect("he_uniform", [&] { return layers::he_uniform<double>(shape); });
  expect("he_uniform()", [&] { return layers::he_uniform<double>(shape); });
  expect("he_normal(selu, fan_out)",
         [&] { return layers::he_normal<double>(shape, {.gain = 0.75, .fan = Fan::out}); });
  expect("he_normal(1.5)", [&] { return layers::he_normal<double>(shape, {.gain = 1.5}); });
  expect("orthogonal(2)", [&] { return layers::orthogonal<double>(shape, {.gain = 2}); });
  expect("identity", [&] { return layers::identity<double>(shape); });
}

BOOST_AUTO_TEST_CASE(later_rules_win_and_others_stay) {
  Model model;
  const auto before = values(model);
  const auto version = model.head.weight().version();
  initialise(model, {{"head.*", "ones"}, {"head.bias", "zeros"}});
  BOOST_TEST(model.head.weight().value()(0, 0) == 1);
  BOOST_TEST(model.head.bias().value()(0) == 0);
  BOOST_TEST(model.head.weight().version() > version);
  BOOST_TEST(max_difference(model.embed.weight().value(), before[0]) == 0);
}

// Le et al. 2015: with relu, W_hh = I and no bias, the state remembers what comes in: it adds it
// up.
BOOST_AUTO_TEST_CASE(irnn_adds_up_its_inputs) {
  layers::RNN<double> rnn(
      {.input_size = 2, .hidden_size = 2, .activation = layers::Activation::relu});
  initialise(rnn, {{"weight_*", "identity"}, {"bias_*", "zeros"}});
  tapestry::Tape<double> tape;
  const auto x = tape.constant(Array<double>{{{1, 2}}, {{3, 4}}, {{5, 6}}});
  const Array<double> sums{{{1, 2}}, {{4, 6}}, {{9, 12}}};
  BOOST_TEST(max_difference(rnn(x).output.value(), sums) == 0);
}

BOOST_AUTO_TEST_CASE(single_layers_and_lists) {
  std::vector<layers::Linear<float>> list(2, layers::Linear<float>(2, 2));
  initialise(list, {{"1.weight", "identity"}});
  BOOST_TEST(list[1].weight().value()(0, 1) == 0);
  BOOST_TEST(list[0].weight().value()(0, 1) != 0);
  layers::LSTM<float> lstm({.input_size = 2, .hidden_size = 2});
  initialise(lstm, {{"*", "zeros"}, {"bias_hh_l0", "forget_bias(2)"}});
  BOOST_TEST(lstm.weights(0).bias_hh.value()(2) == 2);
  BOOST_TEST(lstm.weights(0).bias_hh.value()(4) == 0);
}

BOOST_AUTO_TEST_CASE(cells_have_gates_too) {
  layers::LSTMCell<double> lstm({.input_size = 3, .hidden_size = 4});
  const Array<double> before = lstm.weights().bias_ih.value();
  tapestry::initialise(lstm, {{"weight_hh", "orthogonal"}, {"bias_ih", "forget_bias(2)"}});
  for (std::size_t gate = 0; gate < 4; ++gate)
    BOOST_TEST(from_orthogonal(lstm.weights().weight_hh.value(), 4 * gate, 4, true) < 1e-14);
  for (std::size_t i = 0; i < 16; ++i)
    BOOST_TEST(lstm.weights().bias_ih.value()(i) == (i / 4 == 1 ? 2 : before(i)));
  layers::GRUCell<double> gru({.input_size = 3, .hidden_size = 4});
  tapestry::initialise(gru, {{"weight_hh", "identity(3)"}});
  for (std::size_t i = 0; i < 12; ++i)
    for (std::size_t j = 0; j < 4; ++j)
      BOOST_TEST(gru.weights().weight_hh.value()(i, j) == (i % 4 == j ? 3 : 0));
}

BOOST_AUTO_TEST_CASE(errors_leave_all_as_it_was) {
  Model model;
  const auto before = values(model);
  tapestry::seed(8);
  const auto fails = [&](const std::string& pattern, const std::string& rule,
                         const std::string& text) {
    BOOST_CHECK_EXCEPTION(initialise(model, {{"*", "normal(1)"}, {pattern, rule}}), tapestry::Error,
                          says("[initialise] " + text));
  };
  fails("encoder.*", "zeros",
        "no parameter matches 'encoder.*'; there are embed.weight, lstm.weight_ih_l0, "
        "lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0, lstm.weight_ih_l1, "
        "lstm.weight_hh_l1, lstm.bias_ih_l1, lstm.bias_hh_l1, gru.weight_ih_l0, "
        "gru.weight_hh_l0, gru.bias_ih_l0, ... (15 in all)");
  fails("*", "glorot",
        "no initialiser is called 'glorot'; there are zeros, ones, constant, uniform, normal, "
        "xavier_uniform, xavier_normal, he_uniform, he_normal, orthogonal, identity, forget_bias");
  fails("*", "zeros(1)", "'zeros(1)' has 1 arguments, but zeros takes 0");
  fails("*", "normal", "'normal' has 0 arguments, but normal takes 1");
  fails("*weight*", "he_normal(relu, fan_in, 3)",
        "'he_normal(relu, fan_in, 3)' has 3 arguments, but he_normal takes 0 to 2");
  fails("*weight*", "he_normal(relu, fan)", "a fan is fan_in or fan_out, not 'fan'");
  fails("*", "normal(big)", "the argument of 'normal(big)' is not a finite number");
  fails("*", "normal(inf)", "the argument of 'normal(inf)' is not a finite number");
  fails("*", "normal(1", "initialiser 'normal(1' does not end in ')'");
  fails("*", "orthogonal", "orthogonal fits matrices, not lstm.bias_ih_l0 of shape (12,)");
  fails("gru.bias*", "forget_bias",
        "forget_bias fits the biases of a layer with a gate 'f', not gru.bias_ih_l0 of shape (9,)");
  fails("head.bias", "forget_bias",
        "forget_bias fits the biases of a layer with a gate 'f', not head.bias of shape (5,)");
  const auto after = values(model);
  for (std::size_t i = 0; i < before.size(); ++i)
    BOOST_TEST(max_difference(after[i], before[i]) == 0);
  const double next = tapestry::default_generator().uniform();
  tapestry::seed(8);
  BOOST_TEST(next == tapestry::default_generator().uniform());
}

BOOST_AUTO_TEST_SUITE_END()
