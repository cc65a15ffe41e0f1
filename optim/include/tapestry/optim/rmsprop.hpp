// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>
#include <vector>

#include "tapestry/optim/optimizer.hpp"
#include "tapestry/optim/rules.hpp"

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

/// RMSprop as in PyTorch: see `RMSpropRule`. Where rounding makes s - a^2 negative it counts as 0;
/// PyTorch has NaN there. With `centered`, a gradient that hardly changes makes that difference
/// vanish, and only `epsilon` bounds the step.
template <class T = float>
class RMSprop final : public Optimizer<T> {
 public:
  /// T is found from lists of parameters: `RMSprop rmsprop({&weight, &bias}, {...})`. Groups may
  /// have a learning rate and a weight decay of their own: see `ParameterGroup`. Throws
  /// ArgumentError for what `Optimizer` refuses, an option that is negative or not finite, and an
  /// alpha outside [0, 1).
  explicit RMSprop(const std::vector<ParameterGroup<T>>& groups, RMSpropOptions options = {})
      : Optimizer<T>("RMSprop", groups, options.learning_rate, options.weight_decay,
                     RMSpropRule::memories),
        options_(options) {
    detail::check_below_one("RMSprop", "alpha", options.alpha);
    detail::check_not_negative("RMSprop", "epsilon", options.epsilon);
    detail::check_not_negative("RMSprop", "momentum", options.momentum);
    if (options.momentum == 0) this->leave_out("momentum_buffer");
    if (!options.centered) this->leave_out("grad_avg");
  }
  explicit RMSprop(const ParameterList<T>& parameters, RMSpropOptions options = {})
      : RMSprop(std::vector<ParameterGroup<T>>{{parameters}}, options) {}
  explicit RMSprop(std::initializer_list<Parameter<T>*> parameters, RMSpropOptions options = {})
      : RMSprop(ParameterList<T>(parameters), options) {}

 private:
  void update(const Step<T>& step) override {
    step.apply(RMSpropRule{.rate = step.learning_rate,
                           .decay = step.weight_decay,
                           .alpha = options_.alpha,
                           .epsilon = options_.epsilon,
                           .momentum = options_.momentum,
                           .centered = options_.centered});
  }

  RMSpropOptions options_;
};

TAPESTRY_EXTERN_TYPES(class RMSprop)

}  // namespace tapestry::optim
