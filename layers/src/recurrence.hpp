// SPDX-License-Identifier: MIT
// The loop over layers and time steps that the recurrent layers have in common.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "check.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

/// The `n` parts of a state: h, or h and c. Each is (B, H) within a step, (L, B, H) for a stack.
template <class T, std::size_t n>
using StateParts = std::array<Variable<T>, n>;

inline constexpr std::array<const char*, 2> state_names{"h", "c"};

/// The products of one layer's weights at one time step. Each use of a parameter is a node of its
/// own on the tape.
template <class T>
class StepWeights {
 public:
  StepWeights(detail::TapeState<T>& state, RecurrentWeights<T>& weights, bool bias)
      : state_(state), weights_(weights), bias_(bias) {}

  /// W_ih x + b_ih, for each row of x (B, I): (B, G·H).
  Variable<T> input(const Variable<T>& x) const {
    return affine(x, weights_.weight_ih, weights_.bias_ih);
  }

  /// W_hh h + b_hh, for each row of h (B, H): (B, G·H).
  Variable<T> hidden(const Variable<T>& h) const {
    return affine(h, weights_.weight_hh, weights_.bias_hh);
  }

 private:
  Variable<T> affine(const Variable<T>& x, Parameter<T>& weight, Parameter<T>& bias) const {
    const Variable<T> product = matmul(x, watch(weight), {.transpose_b = true});
    return bias_ ? product + watch(bias) : product;
  }
  Variable<T> watch(Parameter<T>& parameter) const { return {state_, state_.watch(parameter)}; }

  detail::TapeState<T>& state_;
  RecurrentWeights<T>& weights_;
  bool bias_;
};

template <class T>
Variable<T> zeros(detail::TapeState<T>& state, const Shape& shape, const char* name) {
  const std::uint32_t index = state.add_leaf(shape, Role::constant, false, name);
  std::fill_n(state.entries[index].data, shape.size(), T{0});
  return {state, index};
}

/// Throws ShapeError unless x is (T, B, I).
template <class T>
void check_input(const RecurrentLayer<T>& layer, const char* kind, const Variable<T>& x) {
  const std::size_t inputs = layer.sizes().input_size;
  if (x.shape().rank() != 3 || x.shape()[2] != inputs)
    throw_at_place(x.state(kind), ShapeError(kind, "input " + x.shape().str() + " must have shape " +
                                                       "(T, B, " + std::to_string(inputs) + ")"));
}

template <class T>
std::optional<StateParts<T, 1>> parts_of(const HiddenState<T>* state) {
  if (!state) return std::nullopt;
  return StateParts<T, 1>{state->h};
}
template <class T>
std::optional<StateParts<T, 2>> parts_of(const CellState<T>* state) {
  if (!state) return std::nullopt;
  return StateParts<T, 2>{state->h, state->c};
}

template <class T, std::size_t n>
struct RunResult {
  Variable<T> output;
  StateParts<T, n> state;
};

/// Runs a stack over x (T, B, I) from `initial` (each (L, B, H); zeros if there is none). `step` computes a
/// layer's next state: step(StepWeights, x (B, I), state) -> state.
template <class T, std::size_t n, class Step>
RunResult<T, n> run_stack(RecurrentLayer<T>& layer, const char* kind, const Variable<T>& x,
                          const std::optional<StateParts<T, n>>& initial, const Step& step) {
  detail::TapeState<T>& tape = x.state(kind);
  const LayerScope<T> scope(tape, layer);
  check_input(layer, kind, x);
  const RecurrentSizes& sizes = layer.sizes();
  const std::size_t steps = x.shape()[0];
  const std::size_t batch = x.shape()[1];
  const Shape stacked{sizes.num_layers, batch, sizes.hidden_size};
  for (std::size_t k = 0; initial && k < n; ++k)
    if (!((*initial)[k].shape() == stacked))
      throw_at_place(tape, ShapeError(kind, std::string("initial ") + state_names[k] + " " +
                                                (*initial)[k].shape().str() + " must have shape " +
                                                stacked.str()));
  std::vector<Variable<T>> sequence;  // of the layer below, then of this one
  for (std::size_t t = 0; t < steps; ++t) sequence.push_back(select(x, 0, static_cast<int>(t)));
  std::array<std::vector<Variable<T>>, n> last;
  for (std::size_t l = 0; l < sizes.num_layers; ++l) {
    const Scope<T> layer_scope(tape, "layer", ScopeKind::layer, static_cast<std::int64_t>(l));
    const StepWeights<T> weights(tape, layer.weights(l), sizes.bias);
    StateParts<T, n> state;
    for (std::size_t k = 0; k < n; ++k)
      state[k] = initial ? select((*initial)[k], 0, static_cast<int>(l))
                         : zeros(tape, {batch, sizes.hidden_size}, k == 0 ? "h0" : "c0");
    for (std::size_t t = 0; t < steps; ++t) {
      const Scope<T> step_scope(tape, "step", ScopeKind::step, static_cast<std::int64_t>(t));
      if (l > 0) sequence[t] = dropout(sequence[t], sizes.dropout, layer.training());
      state = step(weights, sequence[t], state);
      sequence[t] = state[0];
    }
    for (std::size_t k = 0; k < n; ++k) last[k].push_back(state[k]);
  }
  RunResult<T, n> result;
  result.output = steps > 0 ? stack(sequence)
                            : zeros(tape, {0, batch, sizes.hidden_size}, "output");
  for (std::size_t k = 0; k < n; ++k) result.state[k] = stack(last[k]);
  return result;
}

}  // namespace tapestry::layers
