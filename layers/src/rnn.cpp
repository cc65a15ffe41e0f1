// SPDX-License-Identifier: MIT
#include "tapestry/layers/rnn.hpp"

#include <cmath>
#include <string>

#include "check.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/layers/init.hpp"

namespace tapestry::layers {

template <class T>
RNN<T>::RNN(const RNNOptions<T>& o)
    : Recurrent<cells::RNN<T>, T>(o), output_activation_(o.output_activation) {
  o.output_activation.template check<T>("rnn", "output_activation");
  if (o.output_size == 0) {
    if (o.output_activation.name() != Activation::identity)
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
std::size_t RNN<T>::output_size() const {
  return weight_ho_.shape().rank() > 0 ? weight_ho_.shape()[0] : 0;
}

template <class T>
Variable<T> RNN<T>::output(const Variable<T>& h) {
  detail::TapeState<T>& tape = h.state("rnn");
  const auto watch = [&](Parameter<T>& p) { return Variable<T>(tape, tape.watch(p)); };
  const auto product = matmul(h, watch(weight_ho_), {.transpose_b = true});
  return output_activation_(bias_ho_.shape().rank() > 0 ? product + watch(bias_ho_) : product);
}

template class Recurrent<cells::RNN<float>, float>;
template class Recurrent<cells::RNN<double>, double>;
template class RNN<float>;
template class RNN<double>;
template class RecurrentCell<cells::RNN<float>, float, RNNCellOptions<float>>;
template class RecurrentCell<cells::RNN<double>, double, RNNCellOptions<double>>;

}  // namespace tapestry::layers
