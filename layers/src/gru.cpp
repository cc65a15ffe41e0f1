// SPDX-License-Identifier: MIT
#include "tapestry/layers/gru.hpp"

#include "recurrence.hpp"

namespace tapestry::layers {
namespace {

template <class T>
StateParts<T, 1> gru_step(const StepWeights<T>& w, const Variable<T>& x,
                          const StateParts<T, 1>& state, bool reset_after) {
  const auto& h = state[0];
  const auto from_x = split(w.input(x), 3, -1);
  const auto from_h = reset_after ? split(w.hidden(h), 3, -1) : split(w.hidden(h, {0, 2}), 2, -1);
  const auto r = sigmoid(from_x[0] + from_h[0]).named("r");
  const auto z = sigmoid(from_x[1] + from_h[1]).named("z");
  const auto reset = reset_after ? r * from_h[2] : w.hidden(r * h, {2, 1});
  const auto n = tanh(from_x[2] + reset).named("n");
  return {((1 - z) * n + z * h).named("h")};
}

CellOptions cell_of(const char* kind, const auto& o) {
  return {.kind = kind,
          .gates = 3,
          .norm_gates = 2,
          .hidden_size = o.hidden_size,
          .bias = o.bias,
          .layer_norm = o.layer_norm};
}

}  // namespace

template <class T>
GRU<T>::GRU(const GRUOptions& o)
    : Recurrent<T, HiddenState<T>>(cell_of("gru", o), RecurrentOptions::of(o)),
      reset_after_(o.reset_after) {}

template <class T>
auto GRU<T>::step(const StepWeights<T>& weights, const Variable<T>& x, const Parts& state) const
    -> Parts {
  return gru_step(weights, x, state, reset_after_);
}

template <class T>
GRUCell<T>::GRUCell(const GRUCellOptions& o)
    : RecurrentCell<T, HiddenState<T>>(cell_of("gru_cell", o), o.input_size),
      reset_after_(o.reset_after) {}

template <class T>
auto GRUCell<T>::step(const StepWeights<T>& weights, const Variable<T>& x, const Parts& state) const
    -> Parts {
  return gru_step(weights, x, state, reset_after_);
}

template class GRU<float>;
template class GRU<double>;
template class GRUCell<float>;
template class GRUCell<double>;

}  // namespace tapestry::layers
