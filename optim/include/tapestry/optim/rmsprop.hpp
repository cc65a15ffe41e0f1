// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <initializer_list>
#include <vector>

#include "tapestry/optim/optimizer.hpp"

namespace tapestry::optim {

/// Options of RMSprop, with the names and defaults of torch.optim.RMSprop.
struct RMSpropOptions {
  double learning_rate = 1e-2;
  double alpha = 0.99;      ///< decay of the mean of the squared gradient, in [0, 1)
  double epsilon = 1e-8;    ///< added to the denominator
  double weight_decay = 0;  ///< adds weight_decay * value to the gradient
  double momentum = 0;      ///< share of the previous direction that is kept
  bool centered = false;    ///< divide by the deviation of the gradient from its mean
};

/// RMSprop as in PyTorch. With value p, gradient g, means s and a, and direction b:
///
///     g += weight_decay p
///     s  = alpha s + (1 - alpha) g^2
///     a  = alpha a + (1 - alpha) g            (only centered; otherwise a = 0)
///     b  = momentum b + g / (sqrt(s - a^2) + epsilon)
///     p -= learning_rate b
///
/// Where rounding makes s - a^2 negative it counts as 0; PyTorch has NaN there. With `centered`, a
/// gradient that hardly changes makes that difference vanish, and only `epsilon` bounds the step.
/// Files hold s as "square_avg", a as "grad_avg" and, with momentum, b as "momentum_buffer".
/// Source: Tieleman and Hinton 2012, Coursera, "Neural networks for machine learning", lecture 6.5;
/// centered: Graves 2013, "Generating sequences with recurrent neural networks", equations 38
/// to 41.
template <class T = float>
class RMSprop final : public Optimizer<T> {
 public:
  /// T is found from lists of parameters: `RMSprop rmsprop({&weight, &bias}, {...})`. Groups may
  /// have a learning rate and a weight decay of their own: see `ParameterGroup`. Throws
  /// ArgumentError for what `Optimizer` refuses, an option that is negative or not finite, and an
  /// alpha outside [0, 1).
  explicit RMSprop(const std::vector<ParameterGroup<T>>& groups, RMSpropOptions options = {});
  explicit RMSprop(const ParameterList<T>& parameters, RMSpropOptions options = {})
      : RMSprop(std::vector<ParameterGroup<T>>{{parameters}}, options) {}
  explicit RMSprop(std::initializer_list<Parameter<T>*> parameters, RMSpropOptions options = {})
      : RMSprop(ParameterList<T>(parameters), options) {}

 private:
  void update(std::size_t position, Parameter<T>& parameter) override;

  RMSpropOptions options_;
};

extern template class RMSprop<float>;
extern template class RMSprop<double>;

}  // namespace tapestry::optim
