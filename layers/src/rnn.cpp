// SPDX-License-Identifier: MIT
#include "tapestry/layers/rnn.hpp"

#include <cmath>
#include <string>

#include "activated.hpp"
#include "check.hpp"
#include "fused/rnn.hpp"
#include "recurrence.hpp"
#include "tapestry/layers/init.hpp"

namespace tapestry::layers {
namespace {

template <class T>
Variable<T> activate(const ActivationFunction<T>& function, const Variable<T>& x) {
  if (const auto name = function.name()) return activated(*name, x);
  detail::TapeState<T>& tape = x.state("activation");
  return detail::attempt(tape, [&] {
    const Variable<T> y = function.function()(x);
    if (&y.state("activation") != &tape) tape.throw_foreign("activation");
    if (!(y.shape() == x.shape()))
      throw ShapeError("activation", "gave " + y.shape().str() + " for " + x.shape().str() +
                                         "; it must keep the shape");
    return y;
  });
}

template <class T>
void check_function(const char* kind, const char* option, const ActivationFunction<T>& function) {
  if (!function.name() && !function.function())
    throw ArgumentError(kind, std::string(option) + " is an empty function");
}

template <class T>
CellOptions cell_of(const char* kind, const auto& o) {
  check_function<T>(kind, "activation", o.activation);
  return {.kind = kind, .hidden_size = o.hidden_size, .bias = o.bias, .layer_norm = o.layer_norm};
}

template <class T>
bool is_identity(const ActivationFunction<T>& function) {
  return function.name() == Activation::identity;
}

}  // namespace

template <class T>
RNN<T>::RNN(const RNNOptions<T>& o)
    : Recurrent<T, HiddenState<T>>(cell_of<T>("rnn", o), RecurrentOptions::of(o)),
      activation_(o.activation),
      output_activation_(o.output_activation) {
  check_function<T>("rnn", "output_activation", o.output_activation);
  if (o.output_size == 0) {
    if (!is_identity<T>(o.output_activation))
      throw ArgumentError("rnn", "output_activation needs output_size");
    return;
  }
  const std::size_t inputs = this->directions() * o.hidden_size;
  check_size("rnn", "output_size", o.output_size);
  tapestry::detail::check_size("rnn", {o.output_size, inputs});
  const double bound = 1 / std::sqrt(static_cast<double>(inputs));
  weight_ho_ = Parameter<T>(uniform<T>({o.output_size, inputs}, bound), "weight_ho");
  if (o.bias) bias_ho_ = Parameter<T>(uniform<T>({o.output_size}, bound), "bias_ho");
}

template <class T>
auto RNN<T>::step(const StepWeights<T>& weights, const Variable<T>& x, const Parts& state) const
    -> Parts {
  return rnn_step(weights, x, state, [&](const auto& v) { return activate(activation_, v); });
}

template <class T>
auto RNN<T>::sequence(const Variable<T>& x, const SequenceWeights<T>& weights, const Parts& initial,
                      bool reverse) const -> SequenceResult<T, 1> {
  const auto [output, h] = fused_rnn(x, weights, *activation_.name(), initial[0], reverse);
  return {output, {h}};
}

template <class T>
bool RNN<T>::has_sequence() const {
  return activation_.name() && !present(weight_ho_);
}

template <class T>
std::size_t RNN<T>::output_size() const {
  return present(weight_ho_) ? weight_ho_.shape()[0] : 0;
}

template <class T>
Variable<T> RNN<T>::output(const Variable<T>& h) {
  detail::TapeState<T>& tape = h.state("rnn");
  const auto watch = [&](Parameter<T>& p) { return Variable<T>(tape, tape.watch(p)); };
  const auto product = matmul(h, watch(weight_ho_), {.transpose_b = true});
  return activate(output_activation_, present(bias_ho_) ? product + watch(bias_ho_) : product);
}

template <class T>
RNNCell<T>::RNNCell(const RNNCellOptions<T>& o)
    : RecurrentCell<T, HiddenState<T>>(cell_of<T>("rnn_cell", o), o.input_size),
      activation_(o.activation) {}

template <class T>
auto RNNCell<T>::step(const StepWeights<T>& weights, const Variable<T>& x, const Parts& state) const
    -> Parts {
  return rnn_step(weights, x, state, [&](const auto& v) { return activate(activation_, v); });
}

template class RNN<float>;
template class RNN<double>;
template class RNNCell<float>;
template class RNNCell<double>;

}  // namespace tapestry::layers
