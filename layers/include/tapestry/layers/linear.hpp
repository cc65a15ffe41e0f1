// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/variable.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry::layers {

struct LinearOptions {
  bool bias = true;
};

/// y = x Wᵀ + b, as torch.nn.Linear.
///
/// x (..., I), W = weight (O, I), b = bias (O), y (..., O). The initial values of both are uniform
/// in [-1/√I, 1/√I).
template <class T = float>
class Linear : public Layer {
 public:
  using value_type = T;

  /// Throws ArgumentError when a size is 0.
  Linear(std::size_t input_size, std::size_t output_size, LinearOptions options = {});

  /// Throws ShapeError when the last axis of x is not I.
  Variable<T> operator()(const Variable<T>& x);

  [[nodiscard]] Parameter<T>& weight() { return weight_; }

  /// Empty when there is no bias.
  [[nodiscard]] Parameter<T>& bias() { return bias_; }

  void visit(auto&& part) {
    part("weight", weight_);
    if (has_bias_) part("bias", bias_);
  }

 private:
  Parameter<T> weight_;
  Parameter<T> bias_;
  bool has_bias_;
};

TAPESTRY_EXTERN_TYPES(class Linear)

}  // namespace tapestry::layers
