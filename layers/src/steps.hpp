// SPDX-License-Identifier: MIT
// A cell run step by step in its own equations, on the tape: the definition of what the fused op
// computes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/layers/cell.hpp"
#include "tapestry/layers/recurrent_state.hpp"
#include "tapestry/layers/recurrent_weights.hpp"

namespace tapestry::layers {

template <class T>
using States = std::array<Variable<T>, most_states>;

/// What initial states are called on a tape.
inline constexpr std::array<const char*, most_states> initial_names{"h0", "c0", "state0", "state0"};

/// A constant with the same number everywhere.
template <class T>
Variable<T> filled(detail::TapeState<T>& tape, const Shape& shape, T value, const char* name) {
  const std::uint32_t index = tape.add_leaf(shape, Role::constant, false, name);
  std::fill_n(tape.entries[index].data, shape.size(), value);
  return {tape, index};
}

/// The parameters of a layer: each use is a node of its own on the tape.
template <class T>
class WatchedWeights final : public ParameterSource<T> {
 public:
  WatchedWeights(detail::TapeState<T>& tape, RecurrentWeights<T>& weights)
      : tape_(tape), weights_(weights) {}

  [[nodiscard]] Variable<T> use(std::string_view name) const override {
    Parameter<T>* parameter = weights_.find(name);
    if (!parameter)
      throw ArgumentError(name,
                          "the step asks for this parameter now, and did not when the layer "
                          "was made; a step must do the same each time");
    return {tape_, tape_.watch(*parameter)};
  }

 private:
  detail::TapeState<T>& tape_;
  RecurrentWeights<T>& weights_;
};

/// Parameters that are inputs of an op.
template <class T>
class GivenWeights final : public ParameterSource<T> {
 public:
  GivenWeights(const std::vector<std::string>& names, std::span<const Variable<T>> variables)
      : names_(names), variables_(variables) {}

  [[nodiscard]] Variable<T> use(std::string_view name) const override {
    const auto found = std::ranges::find(names_, name);
    return variables_[static_cast<std::size_t>(found - names_.begin())];
  }

 private:
  const std::vector<std::string>& names_;
  std::span<const Variable<T>> variables_;
};

/// Which sequences have not ended at each step.
template <class T>
class Running {
 public:
  Running(detail::TapeState<T>& tape, std::size_t steps, const Lengths& lengths) : at_(steps) {
    const std::size_t first_end =
        lengths.empty() ? steps : *std::min_element(lengths.begin(), lengths.end());
    for (std::size_t t = first_end; t < steps; ++t) {
      at_[t] = filled(tape, {lengths.size(), 1}, T{0}, "running");
      T* running = tape.entries[at_[t].index()].data;
      for (std::size_t b = 0; b < lengths.size(); ++b) running[b] = t < lengths[b] ? T{1} : T{0};
    }
  }

  /// `x` (B, *) where the sequence runs at step t, `otherwise` where it has ended.
  Variable<T> pick(std::size_t t, const Variable<T>& x, const auto& otherwise) const {
    return at_[t].valid() ? where(at_[t], x, otherwise) : x;
  }

 private:
  std::vector<Variable<T>> at_;  // (B, 1): 1 or 0; empty handles where all sequences run
};

/// Throws ShapeError when a state after a step has another shape than before it.
template <class T>
void check_next(const CellShape& cell, std::span<const Variable<T>> before,
                std::span<const Variable<T>> after) {
  for (std::size_t k = 0; k < cell.states.size(); ++k)
    if (!(after[k].shape() == before[k].shape()))
      throw ShapeError(cell.name, "step gives state '" + cell.states[k] + "' of shape " +
                                      after[k].shape().str() + " after one of shape " +
                                      before[k].shape().str() + "; it must keep the shape");
}

template <class T>
Scope<T> step_scope(detail::TapeState<T>& tape, std::size_t t) {
  return {tape, "step", ScopeKind::step, static_cast<std::int64_t>(t)};
}

/// One layer and direction. Replaces the inputs in `sequence`, (B, *) at each step, by outputs, and
/// the initial states by the last; states that are empty handles start as zeros.
template <class T>
void run_steps(detail::TapeState<T>& tape, const CellShape& cell, const Equations<T>& equations,
               const ParameterSource<T>& source, const Running<T>& running, bool reverse,
               std::size_t batch, std::vector<Variable<T>>& sequence, States<T>& state) {
  const std::size_t states = cell.states.size();
  for (std::size_t k = 0; k < states; ++k)
    if (!state[k].valid())
      state[k] = filled(tape, {batch, cell.state_size(k)}, T{0}, initial_names[k]);
  const StepWeights<T> weights(cell, source);
  States<T> next;
  for (std::size_t n = 0; n < sequence.size(); ++n) {
    const std::size_t t = reverse ? sequence.size() - 1 - n : n;
    const Scope<T> scope = step_scope(tape, t);
    equations.step(weights, sequence[t], std::span<const Variable<T>>(state).first(states),
                   std::span(next).first(states));
    check_next<T>(cell, state, next);
    for (std::size_t k = 0; k < states; ++k) state[k] = running.pick(t, next[k], state[k]);
    sequence[t] = state[0];
  }
}

}  // namespace tapestry::layers
