// SPDX-License-Identifier: MIT
// The equations of one time step: of the layers, of the cells, and of what fused ops mean.
//
// `w` holds the weights of one cell: `w.input(x)` is W_ih x + b_ih and `w.hidden(h)` W_hh h + b_hh,
// for each row of x (B, I) and h (B, H); the rest of it stands for options of the LSTM.
#pragma once

#include "tapestry/autodiff/ops.hpp"
#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

/// Some of the gates that lie one after another in the rows of the weights; all when `count` is 0.
struct GateRange {
  std::size_t first = 0;
  std::size_t count = 0;
};

/// h' = f(...), for an activation f.
template <class T, class Weights, class Activate>
StateParts<T, 1> rnn_step(const Weights& w, const Variable<T>& x, const StateParts<T, 1>& state,
                          const Activate& f) {
  const auto from_x = w.input(x);
  return {f(from_x + w.hidden(state[0])).named("h")};
}

template <class T, class Weights>
StateParts<T, 2> lstm_step(const Weights& w, const Variable<T>& x, const StateParts<T, 2>& state) {
  const auto& [h, c] = state;
  const auto from_x = w.input(x);
  const auto gates = split(from_x + w.hidden(h), 4, -1);
  const auto i = sigmoid(w.peep(gates[0], c, 0)).named("i");
  const auto f = sigmoid(w.peep(gates[1], c, 1)).named("f");
  const auto g = tanh(gates[2]).named("g");
  const auto next_c = (f * c + i * g).named("c");
  const auto o = sigmoid(w.peep(gates[3], next_c, 2)).named("o");
  return {w.projected(o * tanh(w.normed_cell(next_c))).named("h"), next_c};
}

/// With the reset gate after the matrix product.
template <class T, class Weights>
StateParts<T, 1> gru_step(const Weights& w, const Variable<T>& x, const StateParts<T, 1>& state) {
  const auto& h = state[0];
  const auto from_x = split(w.input(x), 3, -1);
  const auto from_h = split(w.hidden(h), 3, -1);
  const auto r = sigmoid(from_x[0] + from_h[0]).named("r");
  const auto z = sigmoid(from_x[1] + from_h[1]).named("z");
  const auto n = tanh(from_x[2] + r * from_h[2]).named("n");
  return {((1 - z) * n + z * h).named("h")};
}

/// With the reset gate before the matrix product; `w.hidden` also takes some of the gates.
template <class T, class Weights>
StateParts<T, 1> gru_step_reset_before(const Weights& w, const Variable<T>& x,
                                       const StateParts<T, 1>& state) {
  const auto& h = state[0];
  const auto from_x = split(w.input(x), 3, -1);
  const auto from_h = split(w.hidden(h, GateRange{0, 2}), 2, -1);
  const auto r = sigmoid(from_x[0] + from_h[0]).named("r");
  const auto z = sigmoid(from_x[1] + from_h[1]).named("z");
  const auto n = tanh(from_x[2] + w.hidden(r * h, GateRange{2, 1})).named("n");
  return {((1 - z) * n + z * h).named("h")};
}

}  // namespace tapestry::layers
