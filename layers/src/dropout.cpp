// SPDX-License-Identifier: MIT
#include "tapestry/layers/dropout.hpp"

#include <string>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/ops.hpp"

namespace tapestry::layers {

template <class T>
Dropout<T>::Dropout(double p) : Layer("dropout"), probability_(p) {
  if (!(p >= 0 && p <= 1))
    throw ArgumentError("dropout", "p must lie in [0, 1], not " + fixed_text(p));
}

template <class T>
Variable<T> Dropout<T>::operator()(const Variable<T>& x) const {
  const LayerScope<T> scope(x.state("dropout"), *this);
  return dropout(x, probability_, training());
}

TAPESTRY_INSTANTIATE_TYPES(class Dropout)

}  // namespace tapestry::layers
