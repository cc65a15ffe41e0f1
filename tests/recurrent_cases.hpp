// SPDX-License-Identifier: MIT
// Random configurations of recurrent layers, for comparison with PyTorch. Inputs, weights and
// cotangents follow from the seed, by the same formula as in
// reference/make_recurrent_reference.py.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tapestry/autodiff.hpp"
#include "tapestry/layers/gru.hpp"
#include "tapestry/layers/lstm.hpp"
#include "tapestry/layers/rnn.hpp"

namespace tapestry::test {

struct RecurrentCase {
  std::uint64_t seed = 0;
  std::string kind;  // rnn_tanh, rnn_relu, lstm, lstm_proj, gru
  std::size_t steps = 1;
  std::size_t batch = 1;
  std::size_t input_size = 1;
  std::size_t hidden_size = 1;
  std::size_t proj_size = 0;
  std::size_t num_layers = 1;
  bool bias = true;
  bool bidirectional = false;
  bool state = false;       // an initial one is given
  layers::Lengths lengths;  // empty: none are given

  [[nodiscard]] std::size_t places() const { return num_layers * (bidirectional ? 2 : 1); }
};

/// Where the random numbers of each tensor start.
inline constexpr std::uint64_t parameter_tensors = 20, cotangent_tensors = 400;

/// Multiples of 2^-23 in [-1, 1) from the generator SplitMix64; exact in float, too.
template <class T>
Array<T> case_numbers(std::uint64_t seed, std::uint64_t tensor, const Shape& shape) {
  Array<T> array(xt::dynamic_shape<std::size_t>(shape.begin(), shape.end()));
  std::uint64_t state = (seed * 1000 + tensor) << 32;
  for (T& value : array) {
    state += 0x9E3779B97F4A7C15u;
    std::uint64_t z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    value = static_cast<T>((z ^ (z >> 31)) >> 40) * T(0x1p-23) - 1;
  }
  return array;
}

/// Result and gradients by PyTorch's names: "output", "h_n", "c_n", "grad/input", "grad/h_0", ...
template <class T>
using CaseResults = std::map<std::string, Array<T>>;

template <class T>
std::vector<Variable<T>> state_parts(const layers::HiddenState<T>& state) {
  return {state.h};
}
template <class T>
std::vector<Variable<T>> state_parts(const layers::CellState<T>& state) {
  return {state.h, state.c};
}

template <class State, class T>
State state_from(const std::vector<Variable<T>>& parts) {
  if constexpr (State::parts == 2)
    return {parts.at(0), parts.at(1)};
  else
    return {parts.at(0)};
}

template <class T, class Layer>
auto call(Layer& layer, const RecurrentCase& c, const Variable<T>& x,
          const std::vector<Variable<T>>& initial) {
  if (initial.empty()) return c.lengths.empty() ? layer(x) : layer(x, c.lengths);
  const auto state = state_from<typename Layer::State>(initial);
  return c.lengths.empty() ? layer(x, state) : layer(x, state, c.lengths);
}

template <class Layer>
auto run_case(Layer layer, const RecurrentCase& c) {
  using T = typename Layer::value_type;
  constexpr std::size_t parts = Layer::State::parts;
  std::uint64_t tensor = parameter_tensors;
  for (auto* p : parameters(layer)) p->value() = case_numbers<T>(c.seed, tensor++, p->shape()) / 2;
  Tape<T> tape;
  const Shape input{c.steps, c.batch, c.input_size};
  std::map<std::string, Variable<T>> leaves{
      {"input", tape.variable(case_numbers<T>(c.seed, 0, input))}};
  std::vector<Variable<T>> initial;
  for (std::size_t k = 0; c.state && k < parts; ++k) {
    const std::size_t width = k == 0 && c.proj_size > 0 ? c.proj_size : c.hidden_size;
    initial.push_back(tape.variable(case_numbers<T>(c.seed, 1 + k, {c.places(), c.batch, width})));
    leaves[k == 0 ? "h_0" : "c_0"] = initial.back();
  }
  const auto [output, state] = call(layer, c, leaves.at("input"), initial);
  std::vector<Variable<T>> outputs = state_parts(state);
  outputs.insert(outputs.begin(), output);
  CaseResults<T> results;
  std::vector<Array<T>> cotangents;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    results[std::vector<std::string>{"output", "h_n", "c_n"}[k]] = outputs[k].value();
    cotangents.push_back(case_numbers<T>(c.seed, cotangent_tensors + k, outputs[k].shape()));
  }
  tape.backward(outputs, cotangents);
  for (const auto& [name, leaf] : leaves) results["grad/" + name] = leaf.grad();
  for (const auto& [name, p] : named_parameters(layer)) results["grad/" + name] = p->grad();
  return results;
}

template <class T>
CaseResults<T> run_case(const RecurrentCase& c) {
  if (c.kind == "gru")
    return run_case(layers::GRU<T>({.input_size = c.input_size,
                                    .hidden_size = c.hidden_size,
                                    .num_layers = c.num_layers,
                                    .bias = c.bias,
                                    .bidirectional = c.bidirectional}),
                    c);
  if (c.kind.starts_with("lstm"))
    return run_case(layers::LSTM<T>({.input_size = c.input_size,
                                     .hidden_size = c.hidden_size,
                                     .num_layers = c.num_layers,
                                     .bias = c.bias,
                                     .bidirectional = c.bidirectional,
                                     .proj_size = c.proj_size}),
                    c);
  const auto activation =
      c.kind == "rnn_relu" ? layers::Activation::relu : layers::Activation::tanh;
  return run_case(layers::RNN<T>({.input_size = c.input_size,
                                  .hidden_size = c.hidden_size,
                                  .num_layers = c.num_layers,
                                  .activation = activation,
                                  .bias = c.bias,
                                  .bidirectional = c.bidirectional}),
                  c);
}

}  // namespace tapestry::test
