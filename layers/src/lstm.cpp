// SPDX-License-Identifier: MIT
#include "tapestry/layers/lstm.hpp"

#include <algorithm>
#include <cmath>

#include "fused/lstm.hpp"
#include "recurrence.hpp"

namespace tapestry::layers {
namespace {

CellOptions cell_of(const char* kind, const auto& o) {
  if (o.proj_size > 0 && o.proj_size >= o.hidden_size)
    throw ArgumentError(kind, "proj_size " + std::to_string(o.proj_size) +
                                  " must be below hidden_size " + std::to_string(o.hidden_size));
  if (o.forget_bias && !o.bias) throw ArgumentError(kind, "forget_bias needs bias");
  if (o.forget_bias && !std::isfinite(*o.forget_bias))
    throw ArgumentError(kind, "forget_bias must be finite");
  return {.kind = kind,
          .gates = 4,
          .norm_gates = 4,
          .hidden_size = o.hidden_size,
          .proj_size = o.proj_size,
          .has_cell = true,
          .bias = o.bias,
          .layer_norm = o.layer_norm,
          .peephole = o.peephole};
}

template <class T>
void set_forget_bias(RecurrentWeights<T>& weights, std::optional<double> value) {
  if (!value) return;
  const std::size_t size = weights.bias_ih.size() / 4;
  std::fill_n(weights.bias_ih.storage().data() + size, size, static_cast<T>(*value));
  std::fill_n(weights.bias_hh.storage().data() + size, size, T{0});
}

}  // namespace

template <class T>
LSTM<T>::LSTM(const LSTMOptions& o)
    : Recurrent<T, CellState<T>>(cell_of("lstm", o), RecurrentOptions::of(o)) {
  for (std::size_t l = 0; l < o.num_layers; ++l) {
    set_forget_bias(this->weights(l), o.forget_bias);
    if (o.bidirectional) set_forget_bias(this->weights(l, Direction::reverse), o.forget_bias);
  }
}

template <class T>
auto LSTM<T>::step(const StepWeights<T>& weights, const Variable<T>& x, const Parts& state) const
    -> Parts {
  return lstm_step(weights, x, state);
}

template <class T>
auto LSTM<T>::sequence(const Variable<T>& x, const SequenceWeights<T>& weights,
                       const Parts& initial, bool reverse) const -> SequenceResult<T, 2> {
  const auto [output, h, c] = fused_lstm(x, weights, initial[0], initial[1], reverse);
  return {output, {h, c}};
}

template <class T>
LSTMCell<T>::LSTMCell(const LSTMCellOptions& o)
    : RecurrentCell<T, CellState<T>>(cell_of("lstm_cell", o), o.input_size) {
  set_forget_bias(this->weights(), o.forget_bias);
}

template <class T>
auto LSTMCell<T>::step(const StepWeights<T>& weights, const Variable<T>& x,
                       const Parts& state) const -> Parts {
  return lstm_step(weights, x, state);
}

template class LSTM<float>;
template class LSTM<double>;
template class LSTMCell<float>;
template class LSTMCell<double>;

}  // namespace tapestry::layers
