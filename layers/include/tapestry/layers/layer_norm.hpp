// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/variable.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry::layers {

struct LayerNormOptions {
  double epsilon = 1e-5;  ///< added to the variance
  bool affine = true;     ///< whether there are weight and bias
};

/// Layer normalisation over the last axis (Ba et al. 2016), as torch.nn.LayerNorm:
///
///   y = (x - mean(x)) / √(var(x) + ε) · weight + bias
///
/// x (..., F), weight (F), bias (F), y (..., F). The variance is the mean of the squared deviations
/// (divided by F, not F - 1). The weight starts at 1, the bias at 0.
template <class T = float>
class LayerNorm : public Layer {
 public:
  using value_type = T;

  /// Normalises over `size` features, F. Throws ArgumentError when the size is 0, or epsilon is
  /// negative or not finite.
  explicit LayerNorm(std::size_t size, LayerNormOptions options = {});

  /// Throws ShapeError when the last axis of x is not F.
  Variable<T> operator()(const Variable<T>& x);

  [[nodiscard]] Parameter<T>& weight() { return weight_; }
  [[nodiscard]] Parameter<T>& bias() { return bias_; }

  void visit(auto&& part) {
    if (!options_.affine) return;
    part("weight", weight_);
    part("bias", bias_);
  }

 private:
  std::size_t size_;
  LayerNormOptions options_;
  Parameter<T> weight_;
  Parameter<T> bias_;
};

TAPESTRY_EXTERN_TYPES(class LayerNorm)

}  // namespace tapestry::layers
