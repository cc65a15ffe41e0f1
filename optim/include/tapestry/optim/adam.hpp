// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <initializer_list>
#include <vector>

#include "tapestry/optim/optimizer.hpp"

namespace tapestry::optim {

/// Options of Adam, with the defaults of torch.optim.Adam.
struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;       ///< decay of the mean of the gradient, in [0, 1)
  double beta2 = 0.999;     ///< decay of the mean of its square, in [0, 1)
  double epsilon = 1e-8;    ///< added to the denominator
  double weight_decay = 0;  ///< adds weight_decay * value to the gradient
};

/// Adam as in PyTorch. With value p, gradient g and moments m, v, in step t = 1, 2, ...:
///
///     g += weight_decay p
///     m  = beta1 m + (1 - beta1) g
///     v  = beta2 v + (1 - beta2) g^2
///     p -= learning_rate / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
///
/// Each parameter counts its own steps: one without a gradient is not stepped. Files hold m as
/// "exp_avg" and v as "exp_avg_sq".
/// Source: Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 1.
template <class T = float>
class Adam final : public Optimizer<T> {
 public:
  /// T is found from lists of parameters: `Adam adam({&weight, &bias}, {...})`. Groups may have a
  /// learning rate and a weight decay of their own: see `ParameterGroup`.
  /// Throws ArgumentError for what `Optimizer` refuses, an option that is negative or not finite,
  /// and a beta outside [0, 1).
  explicit Adam(const std::vector<ParameterGroup<T>>& groups, AdamOptions options = {});
  explicit Adam(const ParameterList<T>& parameters, AdamOptions options = {})
      : Adam(std::vector<ParameterGroup<T>>{{parameters}}, options) {}
  explicit Adam(std::initializer_list<Parameter<T>*> parameters, AdamOptions options = {})
      : Adam(ParameterList<T>(parameters), options) {}

 private:
  void update(std::size_t position, Parameter<T>& parameter) override;

  AdamOptions options_;
};

extern template class Adam<float>;
extern template class Adam<double>;

}  // namespace tapestry::optim
