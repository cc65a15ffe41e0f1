// SPDX-License-Identifier: MIT
#include "tapestry/layers/layer_norm.hpp"

#include <cmath>
#include <string>

#include "check.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/layers/init.hpp"

namespace tapestry::layers {

template <class T>
LayerNorm<T>::LayerNorm(std::size_t size, LayerNormOptions options)
    : Layer("layer_norm"), size_(size), options_(options) {
  check_size("layer_norm", "size", size);
  if (!(options.epsilon >= 0 && std::isfinite(options.epsilon)))
    throw ArgumentError("layer_norm", "epsilon must be finite and not negative, not " +
                                          fixed_text(options.epsilon));
  if (!options.affine) return;
  weight_ = Parameter<T>(constant<T>({size}, 1), "weight");
  bias_ = Parameter<T>(constant<T>({size}, 0), "bias");
}

template <class T>
Variable<T> LayerNorm<T>::operator()(const Variable<T>& x) {
  detail::TapeState<T>& state = x.state("layer_norm");
  const LayerScope<T> scope(state, *this);
  return detail::attempt(state, [&] {
    if (x.shape().rank() == 0 || x.shape().back() != size_)
      throw ShapeError("layer_norm", "input " + x.shape().str() + " does not end in " +
                                         std::to_string(size_) + " features");
    const Variable<T> centred = x - mean(x, -1, true);
    const Variable<T> variance = mean(square(centred), -1, true);
    const Variable<T> y = centred / sqrt(variance + static_cast<T>(options_.epsilon));
    if (!options_.affine) return y;
    return y * Variable<T>(state, state.watch(weight_)) + Variable<T>(state, state.watch(bias_));
  });
}

TAPESTRY_INSTANTIATE_TYPES(class LayerNorm)

}  // namespace tapestry::layers
