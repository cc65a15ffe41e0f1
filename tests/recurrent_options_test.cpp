// SPDX-License-Identifier: MIT
// The options that PyTorch does not have: equal to loops over numbers, and with right derivatives.
#define BOOST_TEST_MODULE recurrent_options
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "errors.hpp"
#include "layer_checks.hpp"
#include "recurrent_by_hand.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers/gru.hpp"
#include "tapestry/layers/lstm.hpp"
#include "tapestry/layers/rnn.hpp"

using namespace tapestry::test;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::parameters;
using tapestry::ShapeError;
using tapestry::sum;
using tapestry::Tape;
using tapestry::Variable;
using tapestry::layers::Activation;
using tapestry::layers::Direction;
using tapestry::layers::GRU;
using tapestry::layers::GRUOptions;
using tapestry::layers::LSTM;
using tapestry::layers::LSTMOptions;
using tapestry::layers::RNN;
using tapestry::layers::RNNOptions;

namespace {

using Kind = HandCell::Kind;

/// Random numbers for all parameters, those that start at 0 or 1 included.
template <class Layer>
Layer randomised(Layer layer) {
  std::uint64_t seed = 100;
  for (auto* p : parameters(layer)) {
    tapestry::Generator generator(seed++);
    for (auto& value : p->value())
      value = static_cast<typename Layer::value_type>(generator.uniform(-0.9, 0.9));
  }
  return layer;
}

Row row_of(const Array<double>& array, std::size_t i, std::size_t j) {
  Row row;
  for (std::size_t k = 0; k < array.shape()[2]; ++k) row.push_back(array(i, j, k));
  return row;
}

Row learned(const tapestry::Parameter<double>& p, std::size_t size) {
  if (p.shape().rank() == 0) return Row(size, 0.0);
  return {p.value().begin(), p.value().end()};
}

struct HandResult {
  std::vector<Row> output;  // of sequence b
  std::vector<HandState> last;
};

/// A stack over sequence b of x, by hand, from the learned state or zeros.
template <class Layer>
HandResult run_by_hand(Layer& layer, const HandCell& cell, const Array<double>& x, std::size_t b) {
  HandResult result;
  for (std::size_t t = 0; t < x.shape()[0]; ++t) result.output.push_back(row_of(x, t, b));
  for (std::size_t l = 0; l < layer.options().num_layers; ++l) {
    std::vector<Row> joined(result.output.size());
    for (std::size_t d = 0; d < layer.directions(); ++d) {
      auto& w = layer.weights(l, static_cast<Direction>(d));
      HandState& state = result.last.emplace_back();
      state = {learned(w.h0, w.weight_hh.shape()[1]), learned(w.c0, cell.hidden_size)};
      const auto h = hand_direction(cell, w, result.output, state, d == 1);
      for (std::size_t t = 0; t < h.size(); ++t)
        joined[t].insert(joined[t].end(), h[t].begin(), h[t].end());
    }
    result.output = joined;
  }
  return result;
}

template <class Layer>
double difference_by_hand(Layer& layer, const HandCell& cell, const Array<double>& x) {
  Tape<double> tape;
  const auto [output, state] = layer(tape.constant(x));
  double largest = 0;
  const auto compare = [&](double actual, double expected) {
    largest = std::max(largest, std::abs(actual - expected));
    if (std::isnan(actual)) largest = std::numeric_limits<double>::infinity();
  };
  for (std::size_t b = 0; b < x.shape()[1]; ++b) {
    const HandResult expected = run_by_hand(layer, cell, x, b);
    for (std::size_t t = 0; t < expected.output.size(); ++t)
      for (std::size_t k = 0; k < output.shape()[2]; ++k)
        compare(output.value()(t, b, k), expected.output[t].at(k));
    for (std::size_t place = 0; place < expected.last.size(); ++place) {
      for (std::size_t k = 0; k < state.h.shape()[2]; ++k)
        compare(state.h.value()(place, b, k), expected.last[place].h.at(k));
      if constexpr (requires { state.c; })
        for (std::size_t k = 0; k < state.c.shape()[2]; ++k)
          compare(state.c.value()(place, b, k), expected.last[place].c.at(k));
    }
  }
  return largest;
}

/// Derivatives by all parameters and the input, first and second order.
template <class Layer>
void expect_derivatives(Layer& layer, const std::string& what) {
  const auto score = [&](const Variable<double>& x) {
    const auto [output, state] = layer(x);
    return sum(tapestry::square(output + 0.4)) + sum(state.h * state.h * state.h);
  };
  const Array<double> x = sample<double>({2, 2, 2});
  const auto by_weights = [&](auto& tape) { return score(tape.constant(x)); };
  const auto first = tapestry::gradcheck(by_weights, parameters(layer), {.second_order = true});
  BOOST_TEST(first.passed, what << ": " << first.message);
  const auto second = tapestry::gradcheck(score, x, {.second_order = true});
  BOOST_TEST(second.passed, what << ": " << second.message);
}

/// Value and derivatives of a layer that is made from options, of two sizes.
template <template <class> class Layer, class Options>
void expect_right(Options o, HandCell cell, const std::string& what) {
  o.input_size = 3;
  o.hidden_size = cell.hidden_size = 4;
  o.num_layers = 2;
  const Array<double> x = sample<double>({5, 2, 3});
  for (const bool both : {false, true}) {
    o.bidirectional = both;
    auto layer = randomised(Layer<double>(o));
    const double error = difference_by_hand(layer, cell, x);
    BOOST_TEST(error < 1e-13, what << " differs by " << error);
  }
  o.input_size = 2;
  o.hidden_size = cell.hidden_size = 3;
  o.num_layers = 1;
  o.bidirectional = false;
  auto small = randomised(Layer<double>(o));
  expect_derivatives(small, what);
}

/// (T, 1, width) from the numbers in order.
Array<double> column(const std::vector<double>& numbers, std::size_t width) {
  Array<double> array = zeros<double>({numbers.size() / width, 1, width});
  std::copy(numbers.begin(), numbers.end(), array.begin());
  return array;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(equal_loops_over_numbers)

BOOST_AUTO_TEST_CASE(lstm) {
  const HandCell plain{.kind = Kind::lstm};
  for (int set = 0; set < 32; ++set) {
    HandCell cell = plain;
    LSTMOptions o;
    o.layer_norm = cell.layer_norm = (set & 1) != 0;
    o.peephole = cell.peephole = (set & 2) != 0;
    o.learned_initial_state = (set & 4) != 0;
    cell.projection = (set & 8) != 0;
    o.proj_size = cell.projection ? 1 : 0;
    o.bias = (set & 16) == 0;
    expect_right<LSTM>(o, cell, "lstm " + std::to_string(set));
  }
}

BOOST_AUTO_TEST_CASE(gru) {
  for (int set = 0; set < 16; ++set) {
    HandCell cell{.kind = Kind::gru};
    GRUOptions o;
    o.layer_norm = cell.layer_norm = (set & 1) != 0;
    o.reset_after = cell.reset_after = (set & 2) == 0;
    o.learned_initial_state = (set & 4) != 0;
    o.bias = (set & 8) == 0;
    expect_right<GRU>(o, cell, "gru " + std::to_string(set));
  }
}

BOOST_AUTO_TEST_CASE(rnn) {
  for (int set = 0; set < 8; ++set) {
    HandCell cell{.kind = Kind::rnn};
    RNNOptions<double> o;
    o.layer_norm = cell.layer_norm = (set & 1) != 0;
    o.learned_initial_state = (set & 2) != 0;
    o.bias = (set & 4) == 0;
    expect_right<RNN>(o, cell, "rnn " + std::to_string(set));
  }
}

BOOST_AUTO_TEST_CASE(any_activation) {
  HandCell cell{.kind = Kind::rnn};
  cell.activation = [](double x) { return std::sin(2 * x) + x; };
  RNNOptions<double> o;
  o.activation = [](const auto& v) { return sin(2 * v) + v; };
  expect_right<RNN>(o, cell, "sin(2 x) + x");
  cell.activation = by_hand::logistic;
  o.activation = Activation::sigmoid;
  expect_right<RNN>(o, cell, "sigmoid");
  cell.activation = [](double x) { return x; };
  o.activation = Activation::identity;
  expect_right<RNN>(o, cell, "identity");
}

BOOST_AUTO_TEST_CASE(in_float) {
  LSTMOptions o{.input_size = 3,
                .hidden_size = 4,
                .bidirectional = true,
                .layer_norm = true,
                .learned_initial_state = true,
                .peephole = true,
                .proj_size = 2};
  auto narrow = randomised(LSTM<float>(o));
  auto wide = randomised(LSTM<double>(o));
  const auto of = [&](auto& layer, auto zero) {
    using T = decltype(zero);
    Tape<T> tape;
    return Array<double>(layer(tape.constant(sample<T>({5, 2, 3}))).output.value());
  };
  BOOST_TEST(relative_difference(of(narrow, 0.0F), of(wide, 0.0)) < 1e-5);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(output_of_an_rnn)

BOOST_AUTO_TEST_CASE(is_the_state_machine_of_textbooks) {
  // The mean of the last three inputs, weighted: s = (x(t-2), x(t-1), x(t)), y = (.2, .3, .5) s.
  RNN<double> rnn({.input_size = 1,
                   .hidden_size = 3,
                   .activation = Activation::identity,
                   .bias = false,
                   .output_size = 1});
  rnn.weights(0).weight_hh.value() = {{0, 1, 0}, {0, 0, 1}, {0, 0, 0}};
  rnn.weights(0).weight_ih.value().fill(0);
  rnn.weights(0).weight_ih.value()(2, 0) = 1;
  rnn.weight_ho().value() = {{0.2, 0.3, 0.5}};
  Tape<double> tape;
  const auto result = rnn(tape.constant(column({10, 20, 40, 0}, 1)));
  const Array<double> expected = column({5, 13, 28, 16}, 1);
  BOOST_TEST(max_difference(result.output.value(), expected) < 1e-14);
  const Array<double> states = column({0, 0, 10, 0, 10, 20, 10, 20, 40, 20, 40, 0}, 3);
  BOOST_TEST(max_difference(result.gate("h"), states) == 0.0);
}

BOOST_AUTO_TEST_CASE(is_an_affine_map_of_both_directions_and_a_function) {
  RNN<double> rnn =
      randomised(RNN<double>({.input_size = 2,
                              .hidden_size = 3,
                              .bidirectional = true,
                              .output_size = 4,
                              .output_activation = [](const auto& v) { return softmax(v, -1); }}));
  BOOST_TEST(rnn.weight_ho().shape().str() == "(4, 6)");
  Tape<double> tape;
  const auto x = tape.constant(sample<double>({3, 2, 2}));
  const auto result = rnn(x);
  const auto h = concatenate(std::vector{tape.constant(result.gate("h", 0)),
                                         tape.constant(result.gate("h", 0, Direction::reverse))},
                             -1);
  const auto expected = softmax(
      matmul(h, tape.watch(rnn.weight_ho()), {.transpose_b = true}) + tape.watch(rnn.bias_ho()),
      -1);
  BOOST_TEST(max_difference(result.output.value(), expected.value()) < 1e-15);
  BOOST_TEST(result.state.h.shape().str() == "(2, 2, 3)");
  expect_derivatives(rnn, "output");
}

BOOST_AUTO_TEST_CASE(has_its_shape_without_steps) {
  RNN<double> rnn({.input_size = 2, .hidden_size = 3, .output_size = 5});
  Tape<double> tape;
  BOOST_TEST(rnn(tape.constant(zeros<double>({0, 2, 2}))).output.shape().str() == "(0, 2, 5)");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(start)

BOOST_AUTO_TEST_CASE(forget_bias) {
  LSTM<double> lstm({.input_size = 2,
                     .hidden_size = 2,
                     .num_layers = 2,
                     .bidirectional = true,
                     .forget_bias = 1.5});
  for (const std::size_t l : {0u, 1u}) {
    for (const auto direction : {Direction::forward, Direction::reverse}) {
      const auto& w = lstm.weights(l, direction);
      for (std::size_t k = 0; k < 8; ++k) {
        const bool forget = k == 2 || k == 3;
        BOOST_TEST((w.bias_ih.value()(k) == 1.5) == forget);
        BOOST_TEST((w.bias_hh.value()(k) == 0.0) == forget);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(of_norms_and_learned_states) {
  LSTM<double> lstm({.input_size = 2,
                     .hidden_size = 3,
                     .layer_norm = true,
                     .learned_initial_state = true,
                     .peephole = true});
  auto& w = lstm.weights(0);
  for (const auto* gain : {&w.norm_ih_gain, &w.norm_hh_gain, &w.norm_c_gain})
    for (const double value : gain->value()) BOOST_TEST(value == 1.0);
  for (const auto* zero : {&w.norm_ih_bias, &w.norm_hh_bias, &w.norm_c_bias, &w.h0, &w.c0})
    for (const double value : zero->value()) BOOST_TEST(value == 0.0);
  for (const double value : w.peephole.value()) BOOST_TEST(std::abs(value) <= 1 / std::sqrt(3.0));
  BOOST_TEST(max_difference(w.peephole.value(), zeros<double>({9})) > 0.01);
}

BOOST_AUTO_TEST_CASE(names_and_shapes) {
  const auto names = [](auto layer) {
    std::string text;
    for (const auto& [name, p] : tapestry::named_parameters(layer))
      text += name + p->shape().str() + " ";
    return text;
  };
  BOOST_TEST(names(LSTM<double>({.input_size = 2,
                                 .hidden_size = 3,
                                 .num_layers = 2,
                                 .bias = false,
                                 .bidirectional = true,
                                 .proj_size = 1})) ==
             "weight_ih_l0(12, 2) weight_hh_l0(12, 1) weight_hr_l0(1, 3) "
             "weight_ih_l0_reverse(12, 2) weight_hh_l0_reverse(12, 1) weight_hr_l0_reverse(1, 3) "
             "weight_ih_l1(12, 2) weight_hh_l1(12, 1) weight_hr_l1(1, 3) "
             "weight_ih_l1_reverse(12, 2) weight_hh_l1_reverse(12, 1) weight_hr_l1_reverse(1, 3) ");
  BOOST_TEST(names(LSTM<double>({.input_size = 2,
                                 .hidden_size = 3,
                                 .layer_norm = true,
                                 .learned_initial_state = true,
                                 .peephole = true})) ==
             "weight_ih_l0(12, 2) weight_hh_l0(12, 3) bias_ih_l0(12,) bias_hh_l0(12,) "
             "peephole_l0(9,) norm_ih_gain_l0(12,) norm_ih_bias_l0(12,) norm_hh_gain_l0(12,) "
             "norm_hh_bias_l0(12,) norm_c_gain_l0(3,) norm_c_bias_l0(3,) h0_l0(3,) c0_l0(3,) ");
  BOOST_TEST(names(GRU<double>({.input_size = 2,
                                .hidden_size = 3,
                                .bias = false,
                                .layer_norm = true,
                                .reset_after = false})) ==
             "weight_ih_l0(9, 2) weight_hh_l0(9, 3) norm_ih_gain_l0(9,) norm_hh_gain_l0(9,) ");
  BOOST_TEST(names(RNN<double>({.input_size = 2, .hidden_size = 3, .output_size = 4})) ==
             "weight_ih_l0(3, 2) weight_hh_l0(3, 3) bias_ih_l0(3,) bias_hh_l0(3,) "
             "weight_ho(4, 3) bias_ho(4,) ");
}

BOOST_AUTO_TEST_CASE(a_learned_state_gives_way_to_a_given_one) {
  auto layer =
      randomised(GRU<double>({.input_size = 2, .hidden_size = 3, .learned_initial_state = true}));
  Tape<double> tape;
  const auto x = tape.constant(sample<double>({2, 2, 2}));
  const auto own = layer(x).output.value();
  BOOST_TEST(max_difference(layer(x, GRU<double>::Carry()).output.value(), own) == 0.0);
  const auto from_zeros = layer(x, {zeros<double>({1, 2, 3})});
  BOOST_TEST(max_difference(from_zeros.output.value(), own) > 0.01);
  sum(from_zeros.output).backward();
  BOOST_TEST(!layer.weights(0).h0.has_grad());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(bad_options)

BOOST_AUTO_TEST_CASE(are_refused) {
  const auto refused = [](const auto& make, const std::string& text) {
    BOOST_CHECK_EXCEPTION(make(), ArgumentError, says(text));
  };
  refused([] { LSTM<> l({.input_size = 2, .hidden_size = 3, .proj_size = 3}); },
          "[lstm] proj_size 3 must be below hidden_size 3");
  refused([] { LSTM<> l({.input_size = 2, .hidden_size = 3, .bias = false, .forget_bias = 1}); },
          "[lstm] forget_bias needs bias");
  refused([] { LSTM<> l({.input_size = 2, .hidden_size = 3, .forget_bias = std::nan("")}); },
          "[lstm] forget_bias must be finite");
  refused([] { GRU<> g({.input_size = 2, .hidden_size = 3, .variational_dropout = {.input = 2}}); },
          "[gru] variational_dropout.input must lie in [0, 1], not 2.000000");
  refused(
      [] { GRU<> g({.input_size = 2, .hidden_size = 3, .variational_dropout = {.state = -1}}); },
      "[gru] variational_dropout.state must lie in [0, 1], not -1.000000");
  const std::function<Variable<float>(const Variable<float>&)> nothing;
  refused([&] { RNN<> r({.input_size = 2, .hidden_size = 3, .activation = nothing}); },
          "[rnn] activation is an empty function");
  refused(
      [&] {
        RNN<> r(
            {.input_size = 2, .hidden_size = 3, .output_size = 1, .output_activation = nothing});
      },
      "[rnn] output_activation is an empty function");
  refused(
      [] { RNN<> r({.input_size = 2, .hidden_size = 3, .output_activation = Activation::tanh}); },
      "[rnn] output_activation needs output_size");
}

BOOST_AUTO_TEST_CASE(an_activation_must_keep_the_shape) {
  RNN<double> rnn({.input_size = 2, .hidden_size = 3, .activation = [](const Variable<double>& v) {
                     return sum(v, 0);
                   }});
  Tape<double> tape;
  const auto x = tape.constant(zeros<double>({2, 4, 2}));
  const std::size_t size = tape.size();
  BOOST_CHECK_EXCEPTION(rnn(x), ShapeError,
                        says("[activation] gave (3,) for (4, 3); it must keep the shape "
                             "(in rnn, layer 0, step 0)"));
  BOOST_TEST(tape.size() == size);
}

BOOST_AUTO_TEST_SUITE_END()
