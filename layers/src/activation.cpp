// SPDX-License-Identifier: MIT
#include "tapestry/layers/activation.hpp"

#include "tapestry/autodiff/ops.hpp"

namespace tapestry::layers {

template <class T>
void ActivationFunction::check(const std::string& op, const char* option) const {
  if (!functions_ || function<T>()) return;
  const bool other = functions_->single || functions_->twice;
  throw ArgumentError(op, std::string(option) + (other ? " is a function of the other scalar type"
                                                       : " is an empty function"));
}

template <class T>
Variable<T> ActivationFunction::operator()(const Variable<T>& x) const {
  if (!functions_) {
    if (name_ == Activation::tanh) return tanh(x);
    if (name_ == Activation::relu) return relu(x);
    return name_ == Activation::sigmoid ? sigmoid(x) : x;
  }
  detail::TapeState<T>& tape = x.state("activation");
  return detail::attempt(tape, [&] {
    const Variable<T> y = function<T>()(x);
    if (&y.state("activation") != &tape) tape.throw_foreign("activation");
    if (!(y.shape() == x.shape()))
      throw ShapeError("activation", "gave " + y.shape().str() + " for " + x.shape().str() +
                                         "; it must keep the shape");
    return y;
  });
}

template Variable<float> ActivationFunction::operator()(const Variable<float>&) const;
template Variable<double> ActivationFunction::operator()(const Variable<double>&) const;
template void ActivationFunction::check<float>(const std::string&, const char*) const;
template void ActivationFunction::check<double>(const std::string&, const char*) const;

}  // namespace tapestry::layers
