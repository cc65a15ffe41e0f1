// SPDX-License-Identifier: MIT
// What a recurrent layer returns: output and state by structured bindings, and every gate.
#define BOOST_TEST_MODULE recurrent_gates
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <type_traits>
#include <utility>

#include "errors.hpp"
#include "layer_checks.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers/gru.hpp"
#include "tapestry/layers/lstm.hpp"
#include "tapestry/layers/rnn.hpp"

using namespace tapestry::test;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::IndexError;
using tapestry::sum;
using tapestry::Tape;
using tapestry::layers::Direction;
using tapestry::layers::GRU;
using tapestry::layers::LSTM;
using tapestry::layers::RNN;

BOOST_AUTO_TEST_CASE(structured_bindings) {
  RNN<double> rnn({.input_size = 2, .hidden_size = 3});
  Tape<double> tape;
  const auto x = tape.variable(sample<double>({4, 2, 2}));
  const auto [output, state] = rnn(x);
  static_assert(std::is_same_v<decltype(output), const tapestry::Variable<double>>);
  static_assert(std::is_same_v<decltype(state), const RNN<double>::State>);
  auto result = rnn(x);
  auto& [same_output, same_state] = result;
  same_output = output;
  BOOST_TEST(result.output.index() == output.index());
  BOOST_TEST(same_state.h.index() == result.state.h.index());
  const auto [moved, last] = std::move(result);
  BOOST_TEST(moved.index() == output.index());
  BOOST_TEST(last.h.shape().str() == "(1, 2, 3)");
}

BOOST_AUTO_TEST_CASE(of_an_lstm_obey_its_equations) {
  LSTM<double> lstm({.input_size = 2, .hidden_size = 3, .num_layers = 2});
  Tape<double> tape;
  const auto result = lstm(tape.constant(sample<double>({4, 2, 2})));
  const auto i = result.gate("i", 1), f = result.gate("f", 1), g = result.gate("g", 1);
  const auto o = result.gate("o", 1), c = result.gate("c", 1), h = result.gate("h", 1);
  BOOST_TEST(max_difference(h, result.output.value()) < 1e-15);
  for (std::size_t t = 0; t < 4; ++t) {
    for (std::size_t b = 0; b < 2; ++b) {
      for (std::size_t k = 0; k < 3; ++k) {
        const double before = t == 0 ? 0.0 : c(t - 1, b, k);
        BOOST_TEST(std::abs(f(t, b, k) * before + i(t, b, k) * g(t, b, k) - c(t, b, k)) < 1e-15);
        BOOST_TEST(std::abs(o(t, b, k) * std::tanh(c(t, b, k)) - h(t, b, k)) < 1e-15);
      }
    }
  }
  BOOST_TEST(max_difference(result.gate("h", 0), h) > 0.01);
  BOOST_TEST(std::abs(result.state.c.value()(1, 1, 2) - c(3, 1, 2)) < 1e-15);
}

BOOST_AUTO_TEST_CASE(of_a_gru_in_both_directions) {
  GRU<double> gru({.input_size = 2, .hidden_size = 3, .bidirectional = true});
  Tape<double> tape;
  const auto result = gru(tape.constant(sample<double>({4, 2, 2})));
  for (const auto direction : {Direction::forward, Direction::reverse}) {
    const bool reverse = direction == Direction::reverse;
    const auto gate = [&](const char* name) { return result.gate(name, 0, direction); };
    const auto r = gate("r"), z = gate("z"), n = gate("n"), h = gate("h");
    for (std::size_t t = 0; t < 4; ++t) {
      const bool first = t == (reverse ? 3u : 0u);
      const double before = first ? 0.0 : h(reverse ? t + 1 : t - 1, 1, 2);
      BOOST_TEST(std::abs((1 - z(t, 1, 2)) * n(t, 1, 2) + z(t, 1, 2) * before - h(t, 1, 2)) <
                 1e-15);
      BOOST_TEST(std::abs(result.output.value()(t, 1, reverse ? 5 : 2) - h(t, 1, 2)) < 1e-15);
      BOOST_TEST((r(t, 1, 2) > 0 && r(t, 1, 2) < 1));
    }
  }
}

BOOST_AUTO_TEST_CASE(of_two_calls_are_apart) {
  LSTM<double> lstm({.input_size = 2, .hidden_size = 3});
  Tape<double> tape;
  const auto first = lstm(tape.constant(sample<double>({4, 2, 2}, 1)));
  const Array<double> before = first.gate("f");
  const auto second = lstm(tape.constant(sample<double>({2, 1, 2}, 2)));
  BOOST_TEST(second.gate("f").shape()[0] == 2u);
  BOOST_TEST(max_difference(first.gate("f"), before) == 0.0);
}

BOOST_AUTO_TEST_CASE(can_be_read_without_recording_and_after_backward) {
  LSTM<double> lstm({.input_size = 2, .hidden_size = 600, .proj_size = 3});  // beyond 4 KiB
  Tape<double> tape;
  const auto x = tape.constant(sample<double>({3, 2, 2}));
  const auto result = lstm(x);
  const Array<double> before = result.gate("o");
  BOOST_TEST(before.shape()[2] == 600u);
  BOOST_TEST(result.gate("h").shape()[2] == 3u);
  sum(result.output).backward();
  BOOST_TEST(max_difference(result.gate("o"), before) == 0.0);
  const auto off = tape.no_grad();
  tape.set_primitive(true);
  BOOST_TEST(max_difference(lstm(x).gate("o"), before) < 1e-15);
}

BOOST_AUTO_TEST_CASE(of_a_fused_call_are_computed_again) {
  LSTM<double> lstm({.input_size = 2, .hidden_size = 600});
  Tape<double> tape;
  const auto x = tape.constant(sample<double>({3, 2, 2}));
  const auto result = lstm(x);
  const std::size_t size = tape.size();
  const Array<double> before = result.gate("o");
  sum(result.output).backward();
  BOOST_TEST(max_difference(result.gate("o"), before) == 0.0);
  const double gradient = lstm.weights(0).weight_hh.grad()(0, 0);
  (void)result.gate("c");
  BOOST_TEST(lstm.weights(0).weight_hh.grad()(0, 0) == gradient);
  BOOST_TEST(tape.size() == size + 1);  // the sum
  {
    const auto off = tape.no_grad();
    BOOST_CHECK_EXCEPTION((void)lstm(x).gate("o"), ArgumentError,
                          says("[gate] no 'o' in layer 0; there are: none (a fused call is read "
                               "from its record, and recording was off)"));
    tape.set_primitive(true);
    BOOST_TEST(max_difference(lstm(x).gate("o"), before) < 1e-15);
  }
  lstm.weights(0).weight_hh.touch();
  BOOST_CHECK_EXCEPTION((void)result.gate("o"), tapestry::GradientError,
                        says("[gate] a parameter has changed since the call, and gates of a fused "
                             "op are computed again; read them before the optimizer's step, or "
                             "call the layer on a tape with set_primitive(true)"));
}

BOOST_AUTO_TEST_CASE(that_do_not_exist) {
  LSTM<double> lstm({.input_size = 2, .hidden_size = 3});
  Tape<double> tape;
  const auto x = tape.constant(sample<double>({3, 2, 2}));
  const auto result = lstm(x);
  BOOST_CHECK_EXCEPTION((void)result.gate("z"), ArgumentError,
                        says("[gate] no 'z' in layer 0; there are: c, f, g, h, i, o"));
  BOOST_CHECK_EXCEPTION((void)result.gate("f", 1), IndexError,
                        says("[gate] there is no layer 1 among 1"));
  BOOST_CHECK_EXCEPTION((void)result.gate("f", 0, Direction::reverse), IndexError,
                        says("[gate] there is no reverse direction: bidirectional is false"));
  const auto none = lstm(tape.constant(zeros<double>({0, 2, 2})));
  BOOST_CHECK_EXCEPTION((void)none.gate("f"), ArgumentError,
                        says("[gate] no 'f' in layer 0; there are: none"));
  tape.clear();
  BOOST_CHECK_THROW((void)result.gate("f"), tapestry::StaleVariable);
}

BOOST_AUTO_TEST_CASE(of_a_function_that_names_values_itself) {
  RNN<double> rnn({.input_size = 2, .hidden_size = 3, .activation = [](const auto& v) {
                     const auto doubled = (2 * v).named("doubled");
                     return tanh(doubled);
                   }});
  Tape<double> tape;
  const auto result = rnn(tape.constant(sample<double>({3, 2, 2})));
  BOOST_TEST(std::abs(std::tanh(result.gate("doubled")(2, 1, 1)) - result.gate("h")(2, 1, 1)) <
             1e-15);
}
