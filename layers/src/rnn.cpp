// SPDX-License-Identifier: MIT
#include "tapestry/layers/rnn.hpp"

#include "recurrence.hpp"

namespace tapestry::layers {
namespace {

template <class T>
Variable<T> activate(Activation activation, const Variable<T>& x) {
  switch (activation) {
    case Activation::tanh:
      return tanh(x);
    case Activation::relu:
      return relu(x);
    case Activation::identity:
      break;
  }
  return x;
}

}  // namespace

template <class T>
RNN<T>::RNN(const RNNOptions& o)
    : Recurrent<T, HiddenState<T>>("rnn", 1,
                                   {o.input_size, o.hidden_size, o.num_layers, o.bias, o.dropout}),
      activation_(o.activation) {}

template <class T>
Recurrence<T, HiddenState<T>> RNN<T>::run(const Variable<T>& x, const HiddenState<T>* initial) {
  const auto step = [this](const StepWeights<T>& w, const Variable<T>& input,
                           const StateParts<T, 1>& state) -> StateParts<T, 1> {
    const auto from_x = w.input(input);
    return {activate(activation_, from_x + w.hidden(state[0])).named("h")};
  };
  const auto result = run_stack<T, 1>(*this, "rnn", x, parts_of(initial), step);
  return {result.output, {result.state[0]}};
}

template class RNN<float>;
template class RNN<double>;

}  // namespace tapestry::layers
