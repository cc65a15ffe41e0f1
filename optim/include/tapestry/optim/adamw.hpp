// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <initializer_list>
#include <vector>

#include "tapestry/optim/optimizer.hpp"

namespace tapestry::optim {

/// Options of AdamW, with the defaults of torch.optim.AdamW.
struct AdamWOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;          ///< decay of the mean of the gradient, in [0, 1)
  double beta2 = 0.999;        ///< decay of the mean of its square, in [0, 1)
  double epsilon = 1e-8;       ///< added to the denominator
  double weight_decay = 1e-2;  ///< shrinks the value by learning_rate * weight_decay of it
};

/// AdamW as in PyTorch: Adam whose weight decay acts on the value and not on the gradient, so that
/// it is the same for all parameters, however large their gradients are. In step t = 1, 2, ...:
///
///     p -= learning_rate weight_decay p
///     m  = beta1 m + (1 - beta1) g
///     v  = beta2 v + (1 - beta2) g^2
///     p -= learning_rate / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
///
/// Each parameter counts its own steps: one without a gradient is not stepped, nor does it shrink.
/// Files hold m as "exp_avg" and v as "exp_avg_sq".
/// Source: Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2, in the
/// form of torch.optim.AdamW.
template <class T = float>
class AdamW final : public Optimizer<T> {
 public:
  /// T is found from lists of parameters: `AdamW adamw({&weight, &bias}, {...})`. Groups may have a
  /// learning rate and a weight decay of their own: see `ParameterGroup`.
  /// Throws ArgumentError for what `Optimizer` refuses, an option that is negative or not finite,
  /// and a beta outside [0, 1).
  explicit AdamW(const std::vector<ParameterGroup<T>>& groups, AdamWOptions options = {});
  explicit AdamW(const ParameterList<T>& parameters, AdamWOptions options = {})
      : AdamW(std::vector<ParameterGroup<T>>{{parameters}}, options) {}
  explicit AdamW(std::initializer_list<Parameter<T>*> parameters, AdamWOptions options = {})
      : AdamW(ParameterList<T>(parameters), options) {}

 private:
  void update(std::size_t position, Parameter<T>& parameter) override;

  AdamWOptions options_;
};

extern template class AdamW<float>;
extern template class AdamW<double>;

}  // namespace tapestry::optim
