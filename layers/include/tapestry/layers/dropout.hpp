// SPDX-License-Identifier: MIT
#pragma once

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/variable.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry::layers {

/// Dropout (Srivastava et al. 2014), as torch.nn.Dropout. In training, each element becomes 0 with
/// probability p, and is divided by 1 - p otherwise. In evaluation nothing changes.
///
/// x (...), y (...). Random numbers come from `default_generator()`.
template <class T = float>
class Dropout : public Layer {
 public:
  using value_type = T;

  /// Throws ArgumentError when p is outside [0, 1].
  explicit Dropout(double p = 0.5);

  Variable<T> operator()(const Variable<T>& x) const;

  [[nodiscard]] double probability() const { return probability_; }

  void visit(auto&&) {}

 private:
  double probability_;
};

TAPESTRY_EXTERN_TYPES(class Dropout)

}  // namespace tapestry::layers
