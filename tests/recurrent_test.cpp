// SPDX-License-Identifier: MIT
// RNN, LSTM, GRU: values and gradients, states, dropout, and what they leave on the tape.
#define BOOST_TEST_MODULE recurrent
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "errors.hpp"
#include "layer_checks.hpp"
#include "reference.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers/gru.hpp"
#include "tapestry/layers/lstm.hpp"
#include "tapestry/layers/rnn.hpp"

using namespace tapestry::test;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::named_parameters;
using tapestry::Parameter;
using tapestry::parameters;
using tapestry::ShapeError;
using tapestry::sum;
using tapestry::Tape;
using tapestry::Variable;
using tapestry::layers::Activation;
using tapestry::layers::CellState;
using tapestry::layers::GRU;
using tapestry::layers::HiddenState;
using tapestry::layers::LSTM;
using tapestry::layers::RecurrentLayer;
using tapestry::layers::RNN;

namespace {

using Types = std::tuple<float, double>;
using Layers = std::tuple<RNN<double>, LSTM<double>, GRU<double>>;

/// The options that all kinds have, as each kind wants them.
struct Sizes {
  std::size_t input_size = 3;
  std::size_t hidden_size = 4;
  std::size_t num_layers = 1;
  bool bias = true;
  double dropout = 0;
};

template <class Layer>
Layer make(const Sizes& s) {
  return Layer({.input_size = s.input_size,
                .hidden_size = s.hidden_size,
                .num_layers = s.num_layers,
                .bias = s.bias,
                .dropout = s.dropout});
}

/// The parts of a state, h or h and c.
template <class T>
std::vector<Variable<T>> parts(const HiddenState<T>& state) {
  return {state.h};
}
template <class T>
std::vector<Variable<T>> parts(const CellState<T>& state) {
  return {state.h, state.c};
}

template <class State, class T>
State state_of(const std::vector<Variable<T>>& parts) {
  if constexpr (std::is_same_v<State, CellState<T>>)
    return {parts.at(0), parts.at(1)};
  else
    return {parts.at(0)};
}

template <class Layer>
inline constexpr std::size_t state_count =
    std::is_same_v<typename Layer::State, CellState<typename Layer::value_type>> ? 2 : 1;

/// A scalar in which all results count, each element differently.
template <class Layer>
auto score(Layer& layer, const auto& x, const auto&... initial) {
  const auto [output, state] = layer(x, initial...);
  auto total = sum(tapestry::square(output + 0.5));
  double weight = 0.3;
  for (const auto& part : parts(state)) total = total + sum(part * part * part) * (weight += 0.9);
  return total;
}

/// Runs a layer with the reference's weights and input, and compares all there is.
template <class Layer>
void expect_equals_reference(Layer layer, const ReferenceCase& c, bool primitive) {
  using T = typename Layer::value_type;
  using State = typename Layer::State;
  fill_from(c, layer, c.option("num_layers", 1u) * (c.option("bias", true) ? 4 : 2));
  Tape<T> tape;
  tape.set_primitive(primitive);
  const auto x = tape.variable(c.array<T>("input"));
  std::vector<Variable<T>> initial;
  for (const char* name : {"h_0", "c_0"})
    if (c.has(name)) initial.push_back(tape.variable(c.array<T>(name)));
  const auto [output, state] = initial.empty() ? layer(x) : layer(x, state_of<State, T>(initial));
  std::vector<Variable<T>> results = parts(state);
  results.insert(results.begin(), output);
  const std::vector<std::string> names = {"output", "h_n", "c_n"};
  for (std::size_t i = 0; i < results.size(); ++i)
    expect_reference(results[i].value(), c, names[i]);
  BOOST_REQUIRE(!c.has(names[results.size() % 3]) == (results.size() == 2));
  backward_from(tape, c, {names.begin(), names.begin() + static_cast<long>(results.size())},
                results);
  expect_reference(x.grad(), c, "grad/input");
  for (std::size_t i = 0; i < initial.size(); ++i)
    expect_reference(initial[i].grad(), c, i == 0 ? "grad/h_0" : "grad/c_0");
  expect_reference_gradients(layer, c);
}

template <class T>
void expect_equals_reference(const ReferenceCase& c, bool primitive) {
  const Sizes s{c.option<std::size_t>("input_size", 0), c.option<std::size_t>("hidden_size", 0),
                c.option<std::size_t>("num_layers", 0), c.option("bias", true), 0};
  const auto kind = c.option<std::string>("kind", "");
  if (kind == "lstm") return expect_equals_reference(make<LSTM<T>>(s), c, primitive);
  if (kind == "gru") return expect_equals_reference(make<GRU<T>>(s), c, primitive);
  const Activation activation = kind == "rnn_relu" ? Activation::relu : Activation::tanh;
  const RNN<T> rnn({.input_size = s.input_size,
                    .hidden_size = s.hidden_size,
                    .num_layers = s.num_layers,
                    .activation = activation,
                    .bias = s.bias});
  expect_equals_reference(rnn, c, primitive);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(values)

BOOST_AUTO_TEST_CASE_TEMPLATE(equal_pytorch, T, Types) {
  const Reference reference("layers.json");
  std::size_t compared = 0;
  for (const std::string kind : {"rnn_tanh/", "rnn_relu/", "lstm/", "gru/"}) {
    for (const ReferenceCase& c : reference.cases(kind)) {
      expect_equals_reference<T>(c, false);
      expect_equals_reference<T>(c, true);
      ++compared;
    }
  }
  BOOST_TEST(compared == 32u);
}

BOOST_AUTO_TEST_CASE(identity_is_linear) {
  RNN<double> rnn({.input_size = 2, .hidden_size = 3, .activation = Activation::identity});
  const auto& w = rnn.weights(0);
  const Array<double> x = sample<double>({4, 2, 2});
  Tape<double> tape;
  const auto [output, state] = rnn(tape.constant(x));
  Array<double> h = zeros<double>({2, 3});
  double largest = 0;
  for (std::size_t t = 0; t < 4; ++t) {
    Array<double> next = zeros<double>({2, 3});
    for (std::size_t b = 0; b < 2; ++b) {
      for (std::size_t i = 0; i < 3; ++i) {
        next(b, i) = w.bias_ih.value()(i) + w.bias_hh.value()(i);
        for (std::size_t j = 0; j < 2; ++j) next(b, i) += w.weight_ih.value()(i, j) * x(t, b, j);
        for (std::size_t j = 0; j < 3; ++j) next(b, i) += w.weight_hh.value()(i, j) * h(b, j);
        largest = std::max(largest, std::abs(next(b, i) - output.value()(t, b, i)));
      }
    }
    h = next;
  }
  BOOST_TEST(largest < 1e-14);
  BOOST_TEST(state.h.shape().str() == "(1, 2, 3)");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(odd_sizes, Layer, Layers) {
  for (const auto& [steps, batch] : {std::pair{1u, 1u}, {5u, 1u}, {1u, 3u}, {0u, 2u}}) {
    Layer layer = make<Layer>({.input_size = 1, .hidden_size = 1, .num_layers = 3});
    Tape<double> tape;
    const auto x = tape.variable(sample<double>({steps, batch, 1}));
    const auto [output, state] = layer(x);
    const std::string b = std::to_string(batch);
    BOOST_TEST(output.shape().str() == "(" + std::to_string(steps) + ", " + b + ", 1)");
    for (const auto& part : parts(state)) BOOST_TEST(part.shape().str() == "(3, " + b + ", 1)");
    if (steps == 0) continue;
    const double last = output.value()(steps - 1, batch - 1, 0);
    BOOST_TEST(state.h.value()(2, batch - 1, 0) == last);
    BOOST_TEST(std::abs(last) > 0.0);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(without_recording, Layer, Layers) {
  Layer layer = make<Layer>({.num_layers = 2});
  Tape<double> tape;
  const auto x = tape.constant(sample<double>({3, 2, 3}));
  const auto recorded = layer(x);
  BOOST_TEST(recorded.output.requires_grad());
  const auto off = tape.no_grad();
  const auto plain = layer(x);
  BOOST_TEST(max_difference(plain.output.value(), recorded.output.value()) == 0.0);
  BOOST_TEST(!plain.output.requires_grad());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(derivatives)

BOOST_AUTO_TEST_CASE_TEMPLATE(by_input_and_state, Layer, Layers) {
  for (const std::size_t layers : {1u, 2u}) {
    Layer layer = make<Layer>({.input_size = 2, .hidden_size = 2, .num_layers = layers});
    std::vector<Array<double>> inputs = {sample<double>({2, 2, 2})};
    for (std::size_t k = 0; k < state_count<Layer>; ++k)
      inputs.push_back(sample<double>({layers, 2, 2}, 7 + k));
    const auto f = [&](std::span<const Variable<double>> x) {
      const std::vector<Variable<double>> initial(x.begin() + 1, x.end());
      return score(layer, x[0], state_of<typename Layer::State, double>(initial));
    };
    const auto result = tapestry::gradcheck(f, inputs, {.second_order = true});
    BOOST_TEST(result.passed, result.message);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(by_weights, Layer, Layers) {
  Layer layer = make<Layer>({.input_size = 2, .hidden_size = 2, .num_layers = 2});
  const Array<double> x = sample<double>({3, 2, 2});
  const auto f = [&](auto& tape) { return score(layer, tape.constant(x)); };
  const auto result = tapestry::gradcheck(f, parameters(layer), {.second_order = true});
  BOOST_TEST(result.passed, result.message);
}

BOOST_AUTO_TEST_CASE(of_other_activations) {
  for (const Activation activation : {Activation::relu, Activation::identity}) {
    RNN<double> rnn({.input_size = 2, .hidden_size = 2, .num_layers = 2, .activation = activation});
    const Array<double> x = sample<double>({3, 2, 2});
    const auto f = [&](auto& tape) { return score(rnn, tape.constant(x)); };
    const auto result = tapestry::gradcheck(f, parameters(rnn), {.second_order = true});
    BOOST_TEST(result.passed, result.message);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(skip_what_is_frozen, Layer, Layers) {
  Layer layer = make<Layer>({});
  layer.weights(0).weight_hh.set_requires_grad(false);
  Tape<double> tape;
  score(layer, tape.constant(sample<double>({3, 2, 3}))).backward();
  BOOST_TEST(!layer.weights(0).weight_hh.has_grad());
  BOOST_TEST(layer.weights(0).weight_ih.has_grad());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(states)

/// Two halves of a sequence and the whole of it.
struct Halves {
  Tape<double> tape;
  Array<double> whole = sample<double>({6, 2, 3});
  Variable<double> x = tape.variable(whole);
  Variable<double> first = slice(x, 0, 0, 3);
  Variable<double> second = slice(x, 0, 3, 6);
};

BOOST_AUTO_TEST_CASE_TEMPLATE(two_halves_are_the_whole, Layer, Layers) {
  Layer layer = make<Layer>({.num_layers = 2});
  Halves h;
  const auto all = layer(h.x);
  sum(tapestry::square(all.output)).backward();
  const Array<double> grad = h.x.grad();
  const Array<double> weight_grad = layer.weights(0).weight_hh.grad();
  for (auto* parameter : parameters(layer)) parameter->zero_grad();

  const auto a = layer(h.first);
  const auto b = layer(h.second, a.state);
  BOOST_TEST(max_difference(concatenate(std::vector{a.output, b.output}).value(),
                            all.output.value()) < 1e-15);
  for (std::size_t k = 0; k < state_count<Layer>; ++k)
    BOOST_TEST(max_difference(parts(b.state)[k].value(), parts(all.state)[k].value()) < 1e-15);
  h.tape.zero_grad();
  (sum(tapestry::square(a.output)) + sum(tapestry::square(b.output))).backward();
  BOOST_TEST(max_difference(h.x.grad(), grad) < 1e-14);
  BOOST_TEST(max_difference(layer.weights(0).weight_hh.grad(), weight_grad) < 1e-14);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_state_passes_the_gradient_and_a_carry_cuts_it, Layer, Layers) {
  Layer layer = make<Layer>({.num_layers = 2});
  const Array<double> x = sample<double>({3, 2, 3}, 1), y = sample<double>({3, 2, 3}, 2);
  Tape<double> tape;
  const auto first = tape.variable(x);
  const auto before = layer(first).state;
  const auto passed = layer(tape.constant(y), before);
  const auto cut = layer(tape.constant(y), before.carry());
  BOOST_TEST(max_difference(passed.output.value(), cut.output.value()) == 0.0);
  sum(passed.output).backward();
  BOOST_TEST(max_difference(first.grad(), zeros<double>({3, 2, 3})) > 1e-4);
  tape.zero_grad();
  sum(cut.output).backward();
  BOOST_TEST(max_difference(first.grad(), zeros<double>({3, 2, 3})) == 0.0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_carry_outlives_its_tape, Layer, Layers) {
  Layer layer = make<Layer>({.num_layers = 2});
  Halves h;
  const Array<double> expected = layer(h.x).output.value();
  typename Layer::Carry carry;
  BOOST_TEST(carry.empty());
  Array<double> last;
  for (std::int64_t t = 0; t < 6; ++t) {
    Tape<double> tape;
    const auto [output, state] = layer(slice(tape.constant(h.whole), 0, t, t + 1), carry);
    carry = state.carry();
    last = output.value();
  }
  BOOST_TEST(!carry.empty());
  const auto view = slice(h.tape.constant(expected), 0, 5, 6);
  BOOST_TEST(max_difference(last, view.value()) < 1e-15);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(none_means_zeros, Layer, Layers) {
  Layer layer = make<Layer>({.num_layers = 2});
  Tape<double> tape;
  const auto x = tape.constant(sample<double>({3, 2, 3}));
  typename Layer::Carry zero;
  zero.h = zeros<double>({2, 2, 4});
  if constexpr (state_count<Layer> == 2) zero.c = zeros<double>({2, 2, 4});
  const auto none = layer(x);
  BOOST_TEST(
      max_difference(layer(x, typename Layer::Carry{}).output.value(), none.output.value()) == 0.0);
  BOOST_TEST(max_difference(layer(x, zero).output.value(), none.output.value()) == 0.0);
  zero.h.fill(0.5);
  BOOST_TEST(max_difference(layer(x, zero).output.value(), none.output.value()) > 1e-3);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(bad_input)

template <class Layer>
const char* kind = "";
template <>
const char* kind<RNN<double>> = "rnn";
template <>
const char* kind<LSTM<double>> = "lstm";
template <>
const char* kind<GRU<double>> = "gru";

BOOST_AUTO_TEST_CASE_TEMPLATE(options, Layer, Layers) {
  const std::string op = std::string("[") + kind<Layer> + "] ";
  BOOST_CHECK_EXCEPTION(make<Layer>({.input_size = 0}), ArgumentError,
                        says(op + "input_size must be positive"));
  BOOST_CHECK_EXCEPTION(make<Layer>({.hidden_size = 0}), ArgumentError,
                        says(op + "hidden_size must be positive"));
  BOOST_CHECK_EXCEPTION(make<Layer>({.num_layers = 0}), ArgumentError,
                        says(op + "num_layers must be positive"));
  BOOST_CHECK_EXCEPTION(make<Layer>({.dropout = 1.5}), ArgumentError,
                        says(op + "dropout must lie in [0, 1], not 1.500000"));
  BOOST_CHECK_EXCEPTION(make<Layer>({.dropout = -0.1}), ArgumentError,
                        says(op + "dropout must lie in [0, 1], not -0.100000"));
  BOOST_CHECK_THROW(make<Layer>({.dropout = std::nan("")}), ArgumentError);
  // It would do nothing, which must not happen in silence.
  BOOST_CHECK_EXCEPTION(make<Layer>({.num_layers = 1, .dropout = 0.5}), ArgumentError,
                        says(op + "dropout lies between layers and would do nothing in a single "
                                  "one: use layers::Dropout after it, variational_dropout within "
                                  "it, or more layers"));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(shapes, Layer, Layers) {
  const std::string name = kind<Layer>;
  const std::string op = "[" + name + "] ";
  Layer layer = make<Layer>({.num_layers = 2});
  Tape<double> tape;
  const auto x = tape.variable(zeros<double>({5, 2, 3}));
  const auto flat = tape.variable(zeros<double>({5, 3}));
  const auto wide = tape.variable(zeros<double>({5, 2, 4}));
  typename Layer::Carry carry;
  carry.h = zeros<double>({1, 2, 4});
  if constexpr (state_count<Layer> == 2) carry.c = zeros<double>({2, 2, 4});
  std::size_t size = tape.size();
  BOOST_CHECK_EXCEPTION(layer(flat), ShapeError,
                        says(op + "input (5, 3) must have shape (T, B, 3) (in " + name + ")"));
  BOOST_CHECK_EXCEPTION(layer(wide), ShapeError,
                        says(op + "input (5, 2, 4) must have shape (T, B, 3) (in " + name + ")"));
  BOOST_TEST(tape.size() == size);
  BOOST_CHECK_EXCEPTION(
      layer(x, carry), ShapeError,
      says(op + "initial h (1, 2, 4) must have shape (2, 2, 4) (in " + name + ")"));
  BOOST_TEST(tape.size() == size);  // a failed call leaves the tape as it was
  size = tape.size();
  if constexpr (state_count<Layer> == 2) {
    carry.h = zeros<double>({2, 2, 4});
    carry.c = zeros<double>({2, 3, 4});
    BOOST_CHECK_EXCEPTION(layer(x, carry), ShapeError,
                          says(op + "initial c (2, 3, 4) must have shape (2, 2, 4) (in lstm)"));
    carry.c = zeros<double>({0});
    BOOST_CHECK_EXCEPTION(layer(x, carry), ShapeError,
                          says(op + "initial c (0,) must have shape (2, 2, 4) (in lstm)"));
    BOOST_TEST(tape.size() == size);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(states_of_other_tapes, Layer, Layers) {
  Layer layer = make<Layer>({});
  Tape<double> tape, other;
  const Array<double> x = zeros<double>({5, 2, 3});
  const auto state = layer(other.constant(x)).state;
  const auto here = tape.constant(x);
  const std::size_t size = tape.size();
  BOOST_CHECK_THROW(layer(here, state), tapestry::StaleVariable);
  other.clear();
  BOOST_CHECK_THROW(layer(here, state), tapestry::StaleVariable);
  BOOST_CHECK_THROW(layer(here, typename Layer::State{}), tapestry::StaleVariable);
  BOOST_TEST(tape.size() == size);
}

BOOST_AUTO_TEST_SUITE_END()
