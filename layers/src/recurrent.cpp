// SPDX-License-Identifier: MIT
#include "tapestry/layers/recurrent.hpp"

#include <algorithm>
#include <cmath>

#include "check.hpp"
#include "tapestry/layers/init.hpp"

namespace tapestry::layers {

template <class T>
RecurrentLayer<T>::RecurrentLayer(const char* name, std::size_t gates,
                                  const RecurrentOptions& options)
    : Layer(name), options_(options) {
  check_size(name, "input_size", options.input_size);
  check_size(name, "hidden_size", options.hidden_size);
  check_size(name, "num_layers", options.num_layers);
  if (!(options.dropout >= 0 && options.dropout <= 1))
    throw ArgumentError(name, "dropout must lie in [0, 1], not " + std::to_string(options.dropout));
  const std::size_t rows = gates * options.hidden_size;
  const double bound = 1 / std::sqrt(static_cast<double>(options.hidden_size));
  for (std::size_t l = 0; l < options.num_layers; ++l) {
    const std::size_t inputs = l == 0 ? options.input_size : options.hidden_size;
    RecurrentWeights<T>& w = weights_.emplace_back();
    const auto make = [&](const Shape& shape, const std::string& what) {
      return Parameter<T>(uniform<T>(shape, bound), what + "_l" + std::to_string(l));
    };
    w.weight_ih = make({rows, inputs}, "weight_ih");
    w.weight_hh = make({rows, options.hidden_size}, "weight_hh");
    if (!options.bias) continue;
    w.bias_ih = make({rows}, "bias_ih");
    w.bias_hh = make({rows}, "bias_hh");
  }
}

namespace {

/// A carried array as a constant on the tape of x.
template <class T>
Variable<T> on_tape(const Variable<T>& x, const Array<T>& carried, const char* name) {
  detail::TapeState<T>& state = x.state("carry");
  const Shape shape(carried.shape());
  const Variable<T> constant(state, state.add_leaf(shape, Role::constant, false, name));
  std::copy_n(carried.data(), shape.size(), state.entries[constant.index()].data);
  return constant;
}

template <class T>
HiddenState<T> on_tape(const Variable<T>& x, const HiddenCarry<T>& carry) {
  return {on_tape(x, carry.h, "h0")};
}
template <class T>
CellState<T> on_tape(const Variable<T>& x, const CellCarry<T>& carry) {
  return {on_tape(x, carry.h, "h0"), on_tape(x, carry.c, "c0")};
}

}  // namespace

template <class T, class StateType>
Recurrence<T, StateType> Recurrent<T, StateType>::operator()(const Variable<T>& x,
                                                             const Carry& carry) {
  if (carry.empty()) return run(x, nullptr);
  return detail::attempt(x.state(this->name()), [&] {
    const StateType state = on_tape(x, carry);
    return run(x, &state);
  });
}

template class RecurrentLayer<float>;
template class RecurrentLayer<double>;
template class Recurrent<float, HiddenState<float>>;
template class Recurrent<double, HiddenState<double>>;
template class Recurrent<float, CellState<float>>;
template class Recurrent<double, CellState<double>>;

}  // namespace tapestry::layers
