// SPDX-License-Identifier: MIT
// The loop over layers and time steps that the recurrent layers have in common.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

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

/// Throws ShapeError unless x is (T, B, I) and the initial state (L, B, H), StaleVariable when they
/// are of different tapes.
template <class T, std::size_t n>
void check_operands(const RecurrentOptions& options, const char* kind, const Variable<T>& x,
                    const std::optional<StateParts<T, n>>& initial) {
  if (x.shape().rank() != 3 || x.shape()[2] != options.input_size)
    throw ShapeError(kind, "input " + x.shape().str() + " must have shape (T, B, " +
                               std::to_string(options.input_size) + ")");
  const Shape expected{options.num_layers, x.shape()[1], options.hidden_size};
  for (std::size_t k = 0; initial && k < n; ++k) {
    const Variable<T>& part = (*initial)[k];
    if (&part.state(kind) != &x.state(kind)) x.state(kind).throw_foreign(kind);
    if (!(part.shape() == expected))
      throw ShapeError(kind, std::string("initial ") + state_names[k] + " " + part.shape().str() +
                                 " must have shape " + expected.str());
  }
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

/// Runs layer `l` over `sequence`, which holds its input at each step (B, I) and then its hidden
/// state at each step (B, H); returns the last state.
template <class T, std::size_t n, class Step>
StateParts<T, n> run_layer(RecurrentLayer<T>& layer, std::size_t l,
                           std::vector<Variable<T>>& sequence, StateParts<T, n> state,
                           const Step& step) {
  detail::TapeState<T>& tape = state[0].state(layer.name());
  const RecurrentOptions& options = layer.options();
  const StepWeights<T> weights(tape, layer.weights(l), options.bias);
  for (std::size_t t = 0; t < sequence.size(); ++t) {
    const Scope<T> scope(tape, "step", ScopeKind::step, static_cast<std::int64_t>(t));
    if (l > 0) sequence[t] = dropout(sequence[t], options.dropout, layer.training());
    state = step(weights, sequence[t], state);
    sequence[t] = state[0];
  }
  return state;
}

/// Runs a stack over x (T, B, I) from `initial` (each (L, B, H); zeros if there is none). `step`
/// computes a layer's next state: step(StepWeights, x (B, I), state) -> state.
template <class T, std::size_t n, class Step>
RunResult<T, n> run_stack(RecurrentLayer<T>& layer, const char* kind, const Variable<T>& x,
                          const std::optional<StateParts<T, n>>& initial, const Step& step) {
  detail::TapeState<T>& tape = x.state(kind);
  const LayerScope<T> scope(tape, layer);
  return detail::attempt(tape, [&] {
    const RecurrentOptions& options = layer.options();
    check_operands(options, kind, x, initial);
    const std::size_t steps = x.shape()[0];
    const std::size_t batch = x.shape()[1];
    std::vector<Variable<T>> sequence;
    for (std::size_t t = 0; t < steps; ++t) sequence.push_back(select(x, 0, static_cast<int>(t)));
    std::array<std::vector<Variable<T>>, n> last;
    for (std::size_t l = 0; l < options.num_layers; ++l) {
      const Scope<T> layer_scope(tape, "layer", ScopeKind::layer, static_cast<std::int64_t>(l));
      StateParts<T, n> state;
      for (std::size_t k = 0; k < n; ++k)
        state[k] = initial ? select((*initial)[k], 0, static_cast<int>(l))
                           : zeros(tape, {batch, options.hidden_size}, k == 0 ? "h0" : "c0");
      state = run_layer<T, n>(layer, l, sequence, state, step);
      for (std::size_t k = 0; k < n; ++k) last[k].push_back(state[k]);
    }
    RunResult<T, n> result;
    result.output =
        steps > 0 ? stack(sequence) : zeros(tape, {0, batch, options.hidden_size}, "output");
    for (std::size_t k = 0; k < n; ++k) result.state[k] = stack(last[k]);
    return result;
  });
}

}  // namespace tapestry::layers
