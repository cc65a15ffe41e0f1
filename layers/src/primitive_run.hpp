// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "layer_run.hpp"
#include "tapestry/layers/dropout.hpp"

namespace tapestry::layers {

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

/// A stack of recurrent layers in primitive ops: the equations, step by step.
template <class T, class State>
class PrimitiveRun : public LayerRun<T, State> {
 public:
  using Base = LayerRun<T, State>;
  using typename Base::Parts;

  PrimitiveRun(typename Base::Layer& layer, detail::TapeState<T>& tape, const Variable<T>& x,
               const State* initial, const Lengths& lengths)
      : Base(layer, tape, x.shape()[1], initial), running_(tape, x.shape()[0], lengths) {
    for (std::size_t t = 0; t < x.shape()[0]; ++t)
      sequence_.push_back(running_.pick(t, select(x, 0, static_cast<std::int64_t>(t)), T{0}));
  }

  void run_layers() {
    this->for_each_layer([this](std::size_t l) {
      if (l > 0) drop_between_layers();
      run_layer(l);
    });
  }

  /// (T, B, D·H), or of the layer's own output.
  Variable<T> output() {
    const std::size_t own = this->layer_.output_size();
    if (own > 0) compute_output();
    const std::size_t width = own > 0 ? own : this->layer_.directions() * this->cell_.state_size();
    if (sequence_.empty()) return filled(this->tape_, {0, this->batch_, width}, T{0}, "output");
    for (std::size_t t = 0; t < sequence_.size(); ++t)
      sequence_[t] = running_.pick(t, sequence_[t], T{0});
    return stack(sequence_);
  }

 private:
  Scope<T> step_scope(std::size_t t) {
    return {this->tape_, "step", ScopeKind::step, static_cast<std::int64_t>(t)};
  }

  void drop_between_layers() {
    for (std::size_t t = 0; t < sequence_.size(); ++t) {
      const Scope<T> scope = step_scope(t);
      sequence_[t] = dropout(sequence_[t], this->options_.dropout, this->layer_.training());
    }
  }

  void run_layer(std::size_t l) {
    if (!this->options_.bidirectional) return run_direction(l, Direction::forward, sequence_);
    std::vector<Variable<T>> forward = sequence_, reverse = sequence_;
    for (const Direction direction : {Direction::forward, Direction::reverse}) {
      const Scope<T> scope = this->direction_scope(direction);
      run_direction(l, direction, direction == Direction::forward ? forward : reverse);
    }
    for (std::size_t t = 0; t < sequence_.size(); ++t) {
      const Scope<T> scope = step_scope(t);
      sequence_[t] = concatenate({forward[t], reverse[t]}, -1);
    }
  }

  /// Replaces the inputs in `sequence` by the hidden states, and keeps the last state.
  void run_direction(std::size_t l, Direction direction, std::vector<Variable<T>>& sequence) {
    RecurrentWeights<T>& parameters = this->layer_.weights(l, direction);
    Parts state = zeros_for_none(this->first_state(parameters));
    const StepWeights<T> weights(this->tape_, this->cell_, parameters, draw_masks(parameters));
    const std::size_t steps = sequence.size();
    for (std::size_t i = 0; i < steps; ++i) {
      const std::size_t t = direction == Direction::forward ? i : steps - 1 - i;
      const Scope<T> scope = step_scope(t);
      const Parts next = this->layer_.step(weights, sequence[t], state);
      for (std::size_t k = 0; k < State::parts; ++k) state[k] = running_.pick(t, next[k], state[k]);
      sequence[t] = state[0];
    }
    this->keep_last(state);
  }

  Parts zeros_for_none(Parts state) {
    for (std::size_t k = 0; k < State::parts; ++k)
      if (!state[k].valid())
        state[k] =
            filled(this->tape_, {this->batch_, widths_of(this->cell_)[k]}, T{0}, initial_names[k]);
    return state;
  }

  StepMasks<T> draw_masks(const RecurrentWeights<T>& parameters) {
    const auto draw = [&](double rate, const Parameter<T>& weight, const char* name) {
      if (!this->layer_.training() || rate == 0) return Variable<T>();
      const Shape shape{this->batch_, weight.shape()[1]};
      return dropout(filled(this->tape_, shape, T{1}, "ones"), rate).named(name);
    };
    const VariationalDropout& rates = this->options_.variational_dropout;
    return {draw(rates.input, parameters.weight_ih, "input mask"),
            draw(rates.state, parameters.weight_hh, "state mask")};
  }

  void compute_output() {
    const Scope<T> outer(this->tape_, "output", ScopeKind::module, -1);
    for (std::size_t t = 0; t < sequence_.size(); ++t) {
      const Scope<T> scope = step_scope(t);
      sequence_[t] = this->layer_.output(sequence_[t]).named("y");
    }
  }

  Running<T> running_;
  std::vector<Variable<T>> sequence_;  // what the last layer computed
};

}  // namespace tapestry::layers
