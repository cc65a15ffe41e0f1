// SPDX-License-Identifier: MIT
#include "tapestry/layers/gru.hpp"

#include "fused/gru.hpp"
#include "recurrence.hpp"

namespace tapestry::layers {
namespace {

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
  return reset_after_ ? gru_step(weights, x, state) : gru_step_reset_before(weights, x, state);
}

template <class T>
auto GRU<T>::sequence(const Variable<T>& x, const SequenceWeights<T>& weights, const Parts& initial,
                      bool reverse) const -> SequenceResult<T, 1> {
  const auto [output, h] = fused_gru(x, weights, initial[0], reverse);
  return {output, {h}};
}

template <class T>
GRUCell<T>::GRUCell(const GRUCellOptions& o)
    : RecurrentCell<T, HiddenState<T>>(cell_of("gru_cell", o), o.input_size),
      reset_after_(o.reset_after) {}

template <class T>
auto GRUCell<T>::step(const StepWeights<T>& weights, const Variable<T>& x, const Parts& state) const
    -> Parts {
  return reset_after_ ? gru_step(weights, x, state) : gru_step_reset_before(weights, x, state);
}

template class GRU<float>;
template class GRU<double>;
template class GRUCell<float>;
template class GRUCell<double>;

}  // namespace tapestry::layers
