// SPDX-License-Identifier: MIT
#include "tapestry/layers/linear.hpp"

#include <cmath>
#include <string>

#include "check.hpp"
#include "fused/linear.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/layers/init.hpp"

namespace tapestry::layers {

template <class T>
Linear<T>::Linear(std::size_t input_size, std::size_t output_size, LinearOptions options)
    : Layer("linear"), has_bias_(options.bias) {
  check_size("linear", "input_size", input_size);
  check_size("linear", "output_size", output_size);
  tapestry::detail::check_size("linear", {output_size, input_size});
  const double bound = 1 / std::sqrt(static_cast<double>(input_size));
  weight_ = Parameter<T>(uniform<T>({output_size, input_size}, bound), "weight");
  if (has_bias_) bias_ = Parameter<T>(uniform<T>({output_size}, bound), "bias");
}

template <class T>
Variable<T> Linear<T>::operator()(const Variable<T>& x) {
  detail::TapeState<T>& state = x.state("linear");
  const LayerScope<T> scope(state, *this);
  return detail::attempt(state, [&] {
    const std::size_t inputs = weight_.shape()[1];
    if (x.shape().rank() == 0 || x.shape().back() != inputs)
      throw ShapeError("linear", "input " + x.shape().str() + " does not end in " +
                                     std::to_string(inputs) + " features");
    const Variable<T> weight(state, state.watch(weight_));
    return has_bias_ ? fused_linear(x, weight, Variable<T>(state, state.watch(bias_)))
                     : matmul(x, weight, {.transpose_b = true});
  });
}

TAPESTRY_INSTANTIATE_TYPES(class Linear)

}  // namespace tapestry::layers
