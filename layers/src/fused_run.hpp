// SPDX-License-Identifier: MIT
#pragma once

#include "fused/sequence.hpp"
#include "layer_run.hpp"
#include "tapestry/layers/dropout.hpp"

namespace tapestry::layers {

/// A stack of recurrent layers as one fused op for each layer and direction.
template <class T, class State>
class FusedRun : public LayerRun<T, State> {
 public:
  using Base = LayerRun<T, State>;

  FusedRun(typename Base::Layer& layer, detail::TapeState<T>& tape, const Variable<T>& x,
           const State* initial)
      : Base(layer, tape, x.shape()[1], initial), sequence_(x) {}

  void run_layers() {
    this->for_each_layer([this](std::size_t l) {
      if (l > 0) sequence_ = dropout(sequence_, this->options_.dropout, this->layer_.training());
      run_layer(l);
    });
  }

  /// (T, B, D·H).
  [[nodiscard]] const Variable<T>& output() const { return sequence_; }

 private:
  void run_layer(std::size_t l) {
    if (!this->options_.bidirectional) {
      sequence_ = run_direction(l, Direction::forward);
      return;
    }
    std::array<Variable<T>, 2> both;
    for (const Direction direction : {Direction::forward, Direction::reverse}) {
      const Scope<T> scope = this->direction_scope(direction);
      both[direction == Direction::forward ? 0 : 1] = run_direction(l, direction);
    }
    sequence_ = concatenate(std::span<const Variable<T>>(both), -1);
  }

  Variable<T> run_direction(std::size_t l, Direction direction) {
    RecurrentWeights<T>& parameters = this->layer_.weights(l, direction);
    const auto watched = [this](Parameter<T>& p) {
      return present(p) ? Variable<T>(this->tape_, this->tape_.watch(p)) : Variable<T>();
    };
    const SequenceWeights<T> weights{watched(parameters.weight_ih), watched(parameters.weight_hh),
                                     watched(parameters.bias_ih), watched(parameters.bias_hh)};
    const auto result = this->layer_.sequence(sequence_, weights, this->first_state(parameters),
                                              direction == Direction::reverse);
    this->keep_last(result.last);
    return result.output;
  }

  Variable<T> sequence_;  // what the last layer computed
};

}  // namespace tapestry::layers
