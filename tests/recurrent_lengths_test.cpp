// SPDX-License-Identifier: MIT
// Sequences of different lengths in one batch: each as if it were alone.
#define BOOST_TEST_MODULE recurrent_lengths
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "errors.hpp"
#include "layer_checks.hpp"
#include "recurrent_cases.hpp"
#include "tapestry/autodiff.hpp"

using namespace tapestry::test;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::parameters;
using tapestry::ShapeError;
using tapestry::sum;
using tapestry::Tape;
using tapestry::Variable;
using tapestry::layers::Direction;
using tapestry::layers::GRU;
using tapestry::layers::Lengths;
using tapestry::layers::LSTM;
using tapestry::layers::RNN;

namespace {

using Layers = std::tuple<RNN<double>, LSTM<double>, GRU<double>>;

const Lengths lengths = {3, 0, 5, 1, 4};
constexpr std::size_t steps = 5;

template <class Layer>
Layer make(bool bidirectional, bool learned = false) {
  return Layer({.input_size = 2,
                .hidden_size = 3,
                .num_layers = 2,
                .bidirectional = bidirectional,
                .learned_initial_state = learned});
}

/// Random numbers for all parameters, learned states included.
template <class Layer>
Layer randomised(Layer layer) {
  std::uint64_t seed = 30;
  for (auto* p : parameters(layer)) p->value() = case_numbers<double>(seed++, 0, p->shape()) * 0.6;
  return layer;
}

/// A scalar in which all results count, each element differently; the output past the end, which is
/// zero, does not.
template <class Result>
Variable<double> score(const Result& result) {
  Variable<double> total = sum(result.output * result.output * result.output);
  double weight = 0.3;
  for (const auto& part : state_parts(result.state))
    total = total + sum(tapestry::square(part + 0.2)) * (weight += 0.5);
  return total;
}

/// What one run of all sequences, or the runs of each alone, give.
struct Results {
  double score = 0;
  std::vector<Array<double>> of_sequences;  // output up to the end, state parts, gradient of x
  std::vector<Array<double>> weight_gradients;
};

/// The part of a sequence: rows up to its end, of all parts of the state.
template <class Result>
void add_sequence(Results& results, const Result& result, const Variable<double>& x, std::int64_t b,
                  std::size_t length) {
  Tape<double> tape;
  const auto one = [&](const Array<double>& array, std::int64_t rows) {
    const auto part = slice(slice(tape.constant(array), 1, b, b + 1), 0, 0, rows);
    results.of_sequences.push_back(part.value());
  };
  const auto rows = static_cast<std::int64_t>(length);
  one(result.output.value(), rows);
  one(x.grad(), rows);
  for (const auto& part : state_parts(result.state)) one(part.value(), 100);
}

template <class Layer>
void collect_gradients(Results& results, Layer& layer) {
  for (auto* p : parameters(layer)) {
    results.weight_gradients.push_back(p->grad());
    p->zero_grad();
  }
}

/// From the learned state, or from a given one if `state` has its parts (L·D, B, H).
template <class Layer>
auto run(Layer& layer, const Variable<double>& x, const std::vector<Variable<double>>& state,
         const Lengths& ends) {
  if (state.empty()) return layer(x, ends);
  return layer(x, state_from<typename Layer::State>(state), ends);
}

template <class Layer>
Results together(Layer& layer, const Array<double>& x, const std::vector<Array<double>>& state) {
  Tape<double> tape;
  const auto input = tape.variable(x);
  std::vector<Variable<double>> initial;
  for (const auto& part : state) initial.push_back(tape.variable(part));
  const auto result = run(layer, input, initial, lengths);
  const auto total = score(result);
  total.backward();
  Results results{total.item(), {}, {}};
  for (std::size_t b = 0; b < lengths.size(); ++b)
    add_sequence(results, result, input, static_cast<std::int64_t>(b), lengths[b]);
  collect_gradients(results, layer);
  return results;
}

template <class Layer>
Results alone(Layer& layer, const Array<double>& x, const std::vector<Array<double>>& state) {
  Results results;
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    Tape<double> tape;
    const auto at = static_cast<std::int64_t>(b);
    const auto mine = [&](const Array<double>& array, std::size_t rows) {
      const auto part = slice(tape.constant(array), 1, at, at + 1);
      return tape.variable(slice(part, 0, 0, static_cast<std::int64_t>(rows)).value());
    };
    const auto input = mine(x, lengths[b]);
    std::vector<Variable<double>> initial;
    for (const auto& part : state) initial.push_back(mine(part, 100));
    const auto result = run(layer, input, initial, {lengths[b]});
    const auto total = score(result) + 0 * sum(input);  // depends on something without steps, too
    total.backward();
    results.score += total.item();
    add_sequence(results, result, input, 0, lengths[b]);
  }
  collect_gradients(results, layer);
  return results;
}

void expect_same(const Results& actual, const Results& expected, const std::string& what) {
  BOOST_TEST(std::abs(actual.score - expected.score) < 1e-13 * std::abs(expected.score), what);
  const auto compare = [&](const auto& a, const auto& b, double bound) {
    BOOST_REQUIRE_EQUAL(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i)
      BOOST_TEST(max_difference(a[i], b[i]) < bound,
                 what << ", array " << i << " differs by " << max_difference(a[i], b[i]));
  };
  compare(actual.of_sequences, expected.of_sequences, 1e-14);
  compare(actual.weight_gradients, expected.weight_gradients, 4e-14);
}

/// x with `value` past the ends.
Array<double> padded_with(double value) {
  Array<double> x = sample<double>({steps, lengths.size(), 2});
  for (std::size_t b = 0; b < lengths.size(); ++b)
    for (std::size_t t = lengths[b]; t < steps; ++t) x(t, b, 0) = x(t, b, 1) = value;
  return x;
}

template <class Layer>
std::vector<Array<double>> some_state(std::size_t places) {
  return std::vector<Array<double>>(
      Layer::State::parts, case_numbers<double>(9, 0, {places, lengths.size(), std::size_t{3}}));
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(each_is_as_if_alone, Layer, Layers) {
  const Array<double> x = padded_with(0.7);
  for (const bool both : {false, true}) {
    for (const bool learned : {false, true}) {
      Layer layer = randomised(make<Layer>(both, learned));
      const std::string what = std::string(both ? "bidirectional" : "forward") +
                               (learned ? ", learned state" : ", zeros");
      expect_same(together(layer, x, {}), alone(layer, x, {}), what);
      const auto state = some_state<Layer>(both ? 4 : 2);
      expect_same(together(layer, x, state), alone(layer, x, state), what + " given way");
    }
  }
}

BOOST_AUTO_TEST_CASE(with_options_too) {
  const Array<double> x = padded_with(-2);
  auto lstm = randomised(LSTM<double>({.input_size = 2,
                                       .hidden_size = 3,
                                       .num_layers = 2,
                                       .bidirectional = true,
                                       .layer_norm = true,
                                       .learned_initial_state = true,
                                       .peephole = true,
                                       .proj_size = 2}));
  expect_same(together(lstm, x, {}), alone(lstm, x, {}), "lstm");
  auto gru = randomised(GRU<double>(
      {.input_size = 2, .hidden_size = 3, .bidirectional = true, .reset_after = false}));
  expect_same(together(gru, x, {}), alone(gru, x, {}), "gru");
  auto rnn = randomised(
      RNN<double>({.input_size = 2, .hidden_size = 3, .num_layers = 2, .output_size = 2}));
  expect_same(together(rnn, x, {}), alone(rnn, x, {}), "rnn");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(padding_has_no_effect, Layer, Layers) {
  for (const bool both : {false, true}) {
    Layer layer = make<Layer>(both);
    const Results expected = together(layer, padded_with(0), {});
    for (const double value : {std::nan(""), std::numeric_limits<double>::infinity(), 1e300}) {
      const Results actual = together(layer, padded_with(value), {});
      BOOST_TEST(actual.score == expected.score);
      for (std::size_t i = 0; i < expected.weight_gradients.size(); ++i)
        BOOST_TEST(max_difference(actual.weight_gradients[i], expected.weight_gradients[i]) == 0.0);
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(past_the_end_all_is_zero, Layer, Layers) {
  Layer layer = make<Layer>(true);
  Tape<double> tape;
  const auto x = tape.variable(padded_with(std::nan("")));
  const auto result = layer(x, lengths);
  score(result).backward();
  const Array<double> h = result.gate("h", 1, Direction::reverse);
  const auto all_zero = [](const auto& array, std::size_t t, std::size_t b) {
    for (std::size_t k = 0; k < array.shape()[2]; ++k)
      if (array(t, b, k) != 0) return false;
    return true;
  };
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    for (std::size_t t = 0; t < steps; ++t) {
      BOOST_TEST(all_zero(result.output.value(), t, b) == (t >= lengths[b]));
      BOOST_TEST(all_zero(x.grad(), t, b) == (t >= lengths[b]));
      BOOST_TEST(all_zero(h, t, b) == (t >= lengths[b]));
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_carry_is_a_state, Layer, Layers) {
  Layer layer = make<Layer>(true);
  Tape<double> tape;
  const auto x = tape.constant(padded_with(5));
  const auto before = layer(x, lengths).state;
  const auto passed = layer(x, before, lengths);
  const auto cut = layer(x, before.carry(), lengths);
  BOOST_TEST(max_difference(passed.output.value(), cut.output.value()) == 0.0);
  const auto none = layer(x, typename Layer::Carry(), lengths);
  BOOST_TEST(max_difference(none.output.value(), layer(x, lengths).output.value()) == 0.0);
  // A sequence without steps leaves its state as it was.
  const auto was = slice(before.h, 1, 1, 2), is = slice(passed.state.h, 1, 1, 2);
  BOOST_TEST(max_difference(is.value(), was.value()) == 0.0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(full_lengths_cost_nothing, Layer, Layers) {
  Layer layer = make<Layer>(true);
  Tape<double> tape;
  const auto x = tape.constant(sample<double>({3, 2, 2}));
  const std::size_t start = tape.size();
  const auto plain = layer(x);
  const std::size_t size = tape.size() - start;
  const auto full = layer(x, Lengths{3, 3});
  BOOST_TEST(tape.size() - start == 2 * size);
  BOOST_TEST(max_difference(full.output.value(), plain.output.value()) == 0.0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(derivatives, Layer, Layers) {
  Layer layer({.input_size = 2, .hidden_size = 2, .bidirectional = true});
  const Array<double> x = sample<double>({3, 3, 2});
  const Lengths ends = {2, 0, 3};
  const auto by_input = [&](const Variable<double>& v) { return score(layer(v, ends)); };
  const auto first = tapestry::gradcheck(by_input, x, {.second_order = true});
  BOOST_TEST(first.passed, first.message);
  const auto by_weights = [&](auto& tape) { return by_input(tape.constant(x)); };
  const auto second = tapestry::gradcheck(by_weights, parameters(layer), {.second_order = true});
  BOOST_TEST(second.passed, second.message);
}

BOOST_AUTO_TEST_CASE(wrong_lengths) {
  LSTM<double> lstm({.input_size = 2, .hidden_size = 3});
  Tape<double> tape;
  const auto x = tape.constant(zeros<double>({5, 2, 2}));
  const std::size_t size = tape.size();
  BOOST_CHECK_EXCEPTION(lstm(x, Lengths{1, 2, 3}), ShapeError,
                        says("[lstm] 3 lengths for a batch of 2 sequences (in lstm)"));
  BOOST_CHECK_EXCEPTION(lstm(x, Lengths{}), ShapeError,
                        says("[lstm] 0 lengths for a batch of 2 sequences (in lstm)"));
  BOOST_CHECK_EXCEPTION(lstm(x, Lengths{5, 7}), ArgumentError,
                        says("[lstm] length 7 of sequence 1 is outside [0, 5] (in lstm)"));
  BOOST_TEST(tape.size() == size);
  const auto empty = lstm(tape.constant(zeros<double>({5, 0, 2})), Lengths{});
  BOOST_TEST(empty.output.shape().str() == "(5, 0, 3)");
}
