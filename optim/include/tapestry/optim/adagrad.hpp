// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <initializer_list>
#include <vector>

#include "tapestry/optim/optimizer.hpp"

namespace tapestry::optim {

/// Options of Adagrad, with the defaults of torch.optim.Adagrad.
struct AdagradOptions {
  double learning_rate = 1e-2;
  double learning_rate_decay = 0;  ///< lr_decay in PyTorch
  double weight_decay = 0;         ///< adds weight_decay * value to the gradient
  double initial_accumulator_value = 0;
  double epsilon = 1e-10;  ///< added to the denominator
};

/// Adagrad as in PyTorch. With value p, gradient g and the sum s, in step t = 1, 2, ...:
///
///     g += weight_decay p
///     s += g^2                                (from initial_accumulator_value)
///     p -= learning_rate / (1 + (t - 1) learning_rate_decay) g / (sqrt(s) + epsilon)
///
/// Each parameter counts its own steps. Files hold s as "sum".
/// Source: Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning and
/// stochastic optimization", in the form of torch.optim.Adagrad.
template <class T = float>
class Adagrad final : public Optimizer<T> {
 public:
  /// T is found from lists of parameters: `Adagrad adagrad({&weight, &bias}, {...})`. Groups may
  /// have a learning rate and a weight decay of their own: see `ParameterGroup`. Throws
  /// ArgumentError for what `Optimizer` refuses, and an option that is negative or not finite.
  explicit Adagrad(const std::vector<ParameterGroup<T>>& groups, AdagradOptions options = {});
  explicit Adagrad(const ParameterList<T>& parameters, AdagradOptions options = {})
      : Adagrad(std::vector<ParameterGroup<T>>{{parameters}}, options) {}
  explicit Adagrad(std::initializer_list<Parameter<T>*> parameters, AdagradOptions options = {})
      : Adagrad(ParameterList<T>(parameters), options) {}

 private:
  void update(std::size_t position, Parameter<T>& parameter) override;

  AdagradOptions options_;
};

extern template class Adagrad<float>;
extern template class Adagrad<double>;

}  // namespace tapestry::optim
