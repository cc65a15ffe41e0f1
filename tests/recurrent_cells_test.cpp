// SPDX-License-Identifier: MIT
// Single-step cells: the steps of the layers, with the same parameters.
#define BOOST_TEST_MODULE recurrent_cells
#include <boost/test/unit_test.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "layer_checks.hpp"
#include "recurrent_cases.hpp"
#include "tapestry/autodiff.hpp"

using namespace tapestry::test;
using namespace tapestry::layers;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::named_parameters;
using tapestry::parameters;
using tapestry::ShapeError;
using tapestry::sum;
using tapestry::Tape;
using tapestry::Variable;

namespace {

/// Random numbers for the layer, and the same for the cell; the names differ by "_l0" only.
template <class Cell, class Layer>
void share_weights(Cell& cell, Layer& layer) {
  const auto from = named_parameters(layer), to = named_parameters(cell);
  BOOST_REQUIRE_EQUAL(from.size(), to.size());
  for (std::size_t k = 0; k < from.size(); ++k) {
    BOOST_TEST(from[k].first == to[k].first + "_l0");
    from[k].second->value() = case_numbers<double>(5, k, from[k].second->shape());
    to[k].second->value() = from[k].second->value();
  }
}

std::vector<Variable<double>> step(LSTMCell<double>& cell, const Variable<double>& x,
                                   const std::vector<Variable<double>>& state) {
  const auto [h, c] = state.empty() ? cell(x) : cell(x, {state[0], state[1]});
  return {h, c};
}
std::vector<Variable<double>> step(auto& cell, const Variable<double>& x,
                                   const std::vector<Variable<double>>& state) {
  return {state.empty() ? cell(x) : cell(x, state[0])};
}

/// Steps of the cell, from zeros, are the layer's.
template <class Cell, class Layer>
void expect_steps_of(Cell cell, Layer layer) {
  share_weights(cell, layer);
  Tape<double> tape;
  const auto x = tape.constant(sample<double>({4, 2, 3}));
  const auto [output, state] = layer(x);
  std::vector<Variable<double>> own;
  for (const int t : {0, 1, 2, 3}) {
    own = step(cell, select(x, 0, t), own);
    BOOST_TEST(max_difference(own[0].value(), select(output, 0, t).value()) < 1e-15);
  }
  const auto last = state_parts(state);
  for (std::size_t k = 0; k < last.size(); ++k)
    BOOST_TEST(max_difference(own[k].value(), select(last[k], 0, 0).value()) < 1e-15);
}

using Cells = std::tuple<RNNCell<double>, LSTMCell<double>, GRUCell<double>>;

}  // namespace

BOOST_AUTO_TEST_CASE(are_the_steps_of_layers) {
  const auto wave = [](const auto& v) { return sin(v); };
  expect_steps_of(RNNCell<double>({.input_size = 3, .hidden_size = 4}),
                  RNN<double>({.input_size = 3, .hidden_size = 4}));
  expect_steps_of(RNNCell<double>({.input_size = 3,
                                   .hidden_size = 4,
                                   .activation = wave,
                                   .bias = false,
                                   .layer_norm = true}),
                  RNN<double>({.input_size = 3,
                               .hidden_size = 4,
                               .activation = wave,
                               .bias = false,
                               .layer_norm = true}));
  expect_steps_of(LSTMCell<double>({.input_size = 3, .hidden_size = 4}),
                  LSTM<double>({.input_size = 3, .hidden_size = 4}));
  expect_steps_of(
      LSTMCell<double>({.input_size = 3, .hidden_size = 4, .bias = false, .proj_size = 2}),
      LSTM<double>({.input_size = 3, .hidden_size = 4, .bias = false, .proj_size = 2}));
  expect_steps_of(
      LSTMCell<double>({.input_size = 3, .hidden_size = 4, .layer_norm = true, .peephole = true}),
      LSTM<double>({.input_size = 3, .hidden_size = 4, .layer_norm = true, .peephole = true}));
  expect_steps_of(GRUCell<double>({.input_size = 3, .hidden_size = 4}),
                  GRU<double>({.input_size = 3, .hidden_size = 4}));
  expect_steps_of(GRUCell<double>({.input_size = 3,
                                   .hidden_size = 4,
                                   .bias = false,
                                   .layer_norm = true,
                                   .reset_after = false}),
                  GRU<double>({.input_size = 3,
                               .hidden_size = 4,
                               .bias = false,
                               .layer_norm = true,
                               .reset_after = false}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(derivatives, Cell, Cells) {
  Cell cell({.input_size = 2, .hidden_size = 3});
  const auto score = [&](const Variable<double>& x, const Variable<double>& state) {
    std::vector<Variable<double>> parts(Cell::State::parts, state);
    auto total = sum(tapestry::square(x));
    for (const auto& part : step(cell, x, step(cell, x, parts)))
      total = total + sum(part * part * part);
    return total;
  };
  const Array<double> x = sample<double>({2, 2}), state = sample<double>({2, 3}, 4);
  const auto first = tapestry::gradcheck(score, x, state, {.second_order = true});
  BOOST_TEST(first.passed, first.message);
  const auto by_weights = [&](auto& tape) { return score(tape.constant(x), tape.constant(state)); };
  const auto second = tapestry::gradcheck(by_weights, parameters(cell), {.second_order = true});
  BOOST_TEST(second.passed, second.message);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(have_pytorchs_names, Cell, Cells) {
  std::string text;
  Cell cell({.input_size = 2, .hidden_size = 3});
  for (const auto& [name, p] : named_parameters(cell)) text += name + " ";
  BOOST_TEST(text == "weight_ih weight_hh bias_ih bias_hh ");
  Cell without({.input_size = 2, .hidden_size = 3, .bias = false});
  BOOST_TEST(parameters(without).size() == 2u);
}

BOOST_AUTO_TEST_CASE(forget_bias) {
  LSTMCell<double> cell({.input_size = 2, .hidden_size = 2, .forget_bias = -1});
  for (std::size_t k = 0; k < 8; ++k) {
    BOOST_TEST((cell.weights().bias_ih.value()(k) == -1.0) == (k == 2 || k == 3));
    BOOST_TEST((cell.weights().bias_hh.value()(k) == 0.0) == (k == 2 || k == 3));
  }
}

BOOST_AUTO_TEST_CASE(wrong_input) {
  BOOST_CHECK_EXCEPTION(RNNCell<>({.hidden_size = 2}), ArgumentError,
                        says("[rnn_cell] input_size must be positive"));
  BOOST_CHECK_EXCEPTION(GRUCell<>({.input_size = 2}), ArgumentError,
                        says("[gru_cell] hidden_size must be positive"));
  BOOST_CHECK_EXCEPTION(LSTMCell<>({.input_size = 2, .hidden_size = 2, .proj_size = 2}),
                        ArgumentError, says("[lstm_cell] proj_size 2 must be below hidden_size 2"));
  LSTMCell<double> cell({.input_size = 3, .hidden_size = 4, .proj_size = 2});
  cell.set_name("decoder");
  Tape<double> tape, other;
  const auto make = [&](std::size_t rows, std::size_t columns) {
    return tape.constant(zeros<double>({rows, columns}));
  };
  const auto x = make(5, 3), h = make(5, 2), c = make(5, 4), wide = make(5, 4), few = make(2, 4);
  const std::size_t size = tape.size();
  BOOST_CHECK_EXCEPTION(cell(wide), ShapeError,
                        says("[lstm_cell] input (5, 4) must have shape (B, 3) (in decoder)"));
  BOOST_CHECK_EXCEPTION(cell(x, {wide, c}), ShapeError,
                        says("[lstm_cell] initial h (5, 4) must have shape (5, 2) (in decoder)"));
  BOOST_CHECK_EXCEPTION(cell(x, {h, few}), ShapeError,
                        says("[lstm_cell] initial c (2, 4) must have shape (5, 4) (in decoder)"));
  const auto elsewhere = other.constant(zeros<double>({5, 2}));
  BOOST_CHECK_THROW(cell(x, {elsewhere, c}), tapestry::StaleVariable);
  BOOST_TEST(tape.size() == size);
  BOOST_TEST(cell(x, {h, c}).h.shape().str() == "(5, 2)");
}
