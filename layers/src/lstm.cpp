// SPDX-License-Identifier: MIT
#include "tapestry/layers/lstm.hpp"

#include "recurrence.hpp"

namespace tapestry::layers {
namespace {

template <class T>
StateParts<T, 2> lstm_step(const StepWeights<T>& w, const Variable<T>& x,
                           const StateParts<T, 2>& state) {
  const auto& [h, c] = state;
  const auto from_x = w.input(x);
  const auto gates = split(from_x + w.hidden(h), 4, -1);
  const auto i = sigmoid(gates[0]).named("i");
  const auto f = sigmoid(gates[1]).named("f");
  const auto g = tanh(gates[2]).named("g");
  const auto o = sigmoid(gates[3]).named("o");
  const auto next_c = (f * c + i * g).named("c");
  return {(o * tanh(next_c)).named("h"), next_c};
}

}  // namespace

template <class T>
LSTM<T>::LSTM(const RecurrentOptions& options) : Recurrent<T, CellState<T>>("lstm", 4, options) {}

template <class T>
Recurrence<T, CellState<T>> LSTM<T>::run(const Variable<T>& x, const CellState<T>* initial) {
  const auto result = run_stack<T, 2>(*this, "lstm", x, parts_of(initial), lstm_step<T>);
  return {result.output, {result.state[0], result.state[1]}};
}

template class LSTM<float>;
template class LSTM<double>;

}  // namespace tapestry::layers
