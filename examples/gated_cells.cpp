// SPDX-License-Identifier: MIT
// LSTM and GRU step by step ("Deep Dive on RNNs"): their equations written out with the weights of
// a layer give what the layer gives, and its gates can be read. Three gates and a candidate cost
// four times the parameters of an RNN.
#include <tapestry/study.hpp>
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include "claims.hpp"
#include "text.hpp"

namespace tp = tapestry;

namespace {

using Variable = tp::Variable<double>;
constexpr std::size_t steps = 4;
constexpr std::size_t inputs = 2;
constexpr std::size_t hidden = 3;

/// W x + b of each gate: the rows of the weights, cut into parts of H.
std::vector<Variable> parts(const Variable& x, const Variable& weight, const Variable& bias) {
  const auto rows = matmul(x, weight, {.transpose_b = true}) + bias;
  std::vector<Variable> gates;
  for (std::size_t k = 0; k < weight.shape()[0]; k += hidden)
    gates.push_back(
        slice(rows, -1, static_cast<std::int64_t>(k), static_cast<std::int64_t>(k + hidden)));
  return gates;
}

/// The weights of a layer on a tape.
struct Weights {
  Variable w_x, w_h, b_x, b_h;

  Weights(tp::Tape<double>& tape, tp::layers::RecurrentWeights<double>& of)
      : w_x(tape.watch(of.weight_ih)),
        w_h(tape.watch(of.weight_hh)),
        b_x(tape.watch(of.bias_ih)),
        b_h(tape.watch(of.bias_hh)) {}
};

/// h at each step, by the equations of the LSTM.
std::vector<Variable> lstm_by_hand(const Variable& x, const Variable& zero, const Weights& w) {
  Variable h = zero;
  Variable c = zero;
  std::vector<Variable> states;
  for (std::size_t t = 0; t < steps; ++t) {
    const auto u = parts(select(x, 0, static_cast<std::int64_t>(t)), w.w_x, w.b_x);
    const auto v = parts(h, w.w_h, w.b_h);
    const auto i = sigmoid(u[0] + v[0]);  // input gate: how much is stored
    const auto f = sigmoid(u[1] + v[1]);  // forget gate: how much is kept
    const auto g = tanh(u[2] + v[2]);     // the candidate
    const auto o = sigmoid(u[3] + v[3]);  // output gate: how much is shown
    c = f * c + i * g;
    h = o * tanh(c);
    states.push_back(h);
  }
  return states;
}

/// h at each step, by the equations of the GRU.
std::vector<Variable> gru_by_hand(const Variable& x, const Variable& zero, const Weights& w) {
  Variable h = zero;
  std::vector<Variable> states;
  for (std::size_t t = 0; t < steps; ++t) {
    const auto u = parts(select(x, 0, static_cast<std::int64_t>(t)), w.w_x, w.b_x);
    const auto v = parts(h, w.w_h, w.b_h);
    const auto r = sigmoid(u[0] + v[0]);   // reset gate
    const auto z = sigmoid(u[1] + v[1]);   // update gate: how much stays as it is
    const auto n = tanh(u[2] + r * v[2]);  // the candidate
    h = (1 - z) * n + z * h;
    states.push_back(h);
  }
  return states;
}

/// Compares a layer with its equations, prints its gates for the first unit, draws two steps of it.
template <class Layer>
void study(const std::string& name, Layer layer, const auto& by_hand,
           const std::vector<std::string>& gates, Claims& claims) {
  tp::Tape<double> tape;
  tp::Generator random(5);
  tp::Array<double> x = tp::Array<double>::from_shape({steps, 1, inputs});
  for (double& value : x) value = random.normal();
  tp::Array<double> zero = tp::Array<double>::from_shape({1, hidden});
  zero.fill(0);
  const auto sequence = tape.constant(x, "x");
  const auto result = layer(sequence);
  const auto states = by_hand(sequence, tape.constant(zero), Weights(tape, layer.weights(0)));
  double difference = 0;
  for (std::size_t t = 0; t < steps; ++t)
    for (std::size_t k = 0; k < hidden; ++k)
      difference =
          std::max(difference, std::abs(states[t].value()(0, k) - result.output.value()(t, 0, k)));

  std::cout << column(name + ", unit 0, t =", 16);
  for (std::size_t t = 0; t < steps; ++t) std::cout << column(std::to_string(t + 1), -8);
  std::cout << '\n';
  for (const std::string& gate : gates) {
    const tp::Array<double> values = result.gate(gate);
    std::cout << column(gate, -16);
    for (std::size_t t = 0; t < steps; ++t) std::cout << column(fixed(values(t, 0, 0), 4), -8);
    std::cout << '\n';
  }
  const auto two_steps = layer(slice(sequence, 0, 0, 2)).output.named("output");
  tp::save_dot(two_steps, "gated_cells_" + name + ".dot");
  claims.check(difference < 1e-14, "the equations of the " + name + " give what the layer gives");
}

template <class Layer>
std::size_t size_of(Layer layer) {
  return tp::count_parameters(layer);
}

}  // namespace

int main() {
  Claims claims;
  tp::seed(3);
  study("LSTM", tp::layers::LSTM<double>({.input_size = inputs, .hidden_size = hidden}),
        lstm_by_hand, {"i", "f", "g", "o", "c", "h"}, claims);
  study("GRU", tp::layers::GRU<double>({.input_size = inputs, .hidden_size = hidden}), gru_by_hand,
        {"r", "z", "n", "h"}, claims);

  const std::size_t rnn = size_of(tp::layers::RNN<>({.input_size = 64, .hidden_size = 128}));
  const std::size_t gru = size_of(tp::layers::GRU<>({.input_size = 64, .hidden_size = 128}));
  const std::size_t lstm = size_of(tp::layers::LSTM<>({.input_size = 64, .hidden_size = 128}));
  std::cout << "Parameters, 64 inputs and 128 units: RNN " << rnn << ", GRU " << gru << ", LSTM "
            << lstm << '\n';
  claims.check(gru == 3 * rnn && lstm == 4 * rnn, "RNN : GRU : LSTM = 1 : 3 : 4");
  return claims.exit_code();
}
