// SPDX-License-Identifier: MIT
#include "tapestry/layers/gru.hpp"

#include "recurrence.hpp"

namespace tapestry::layers {
namespace {

template <class T>
StateParts<T, 1> gru_step(const StepWeights<T>& w, const Variable<T>& x,
                          const StateParts<T, 1>& state) {
  const auto& h = state[0];
  const auto from_x = split(w.input(x), 3, -1);
  const auto from_h = split(w.hidden(h), 3, -1);
  const auto r = sigmoid(from_x[0] + from_h[0]).named("r");
  const auto z = sigmoid(from_x[1] + from_h[1]).named("z");
  const auto n = tanh(from_x[2] + r * from_h[2]).named("n");
  return {((1 - z) * n + z * h).named("h")};
}

}  // namespace

template <class T>
GRU<T>::GRU(const RecurrentOptions& options) : Recurrent<T, HiddenState<T>>("gru", 3, options) {}

template <class T>
Recurrence<T, HiddenState<T>> GRU<T>::run(const Variable<T>& x, const HiddenState<T>* initial) {
  const auto result = run_stack<T, 1>(*this, "gru", x, parts_of(initial), gru_step<T>);
  return {result.output, {result.state[0]}};
}

template class GRU<float>;
template class GRU<double>;

}  // namespace tapestry::layers
