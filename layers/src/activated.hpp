// SPDX-License-Identifier: MIT
#pragma once

#include "tapestry/autodiff/ops.hpp"
#include "tapestry/layers/rnn.hpp"

namespace tapestry::layers {

/// An activation function that goes by name, of x.
template <class T>
Variable<T> activated(Activation activation, const Variable<T>& x) {
  switch (activation) {
    case Activation::tanh:
      return tanh(x);
    case Activation::relu:
      return relu(x);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::identity:
      break;
  }
  return x;
}

}  // namespace tapestry::layers
