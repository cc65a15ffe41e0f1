// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <initializer_list>
#include <vector>

#include "tapestry/optim/optimizer.hpp"
#include "tapestry/optim/rules.hpp"

namespace tapestry::optim {

/// Options of AdamW, with the defaults of torch.optim.AdamW.
struct AdamWOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;          ///< decay of the mean of the gradient, in [0, 1)
  double beta2 = 0.999;        ///< decay of the mean of its square, in [0, 1)
  double epsilon = 1e-8;       ///< added to the denominator
  double weight_decay = 1e-2;  ///< shrinks the value by learning_rate * weight_decay of it
};

/// AdamW as in PyTorch, see `AdamWRule`: Adam whose weight decay acts on the value and not on the
/// gradient, so that it is the same for all parameters, however large their gradients are. Each
/// parameter counts its own steps: one without a gradient is not stepped, nor does it shrink.
template <class T = float>
class AdamW final : public Optimizer<T> {
 public:
  /// T is found from lists of parameters: `AdamW adamw({&weight, &bias}, {...})`. Groups may have a
  /// learning rate and a weight decay of their own: see `ParameterGroup`.
  /// Throws ArgumentError for what `Optimizer` refuses, an option that is negative or not finite,
  /// and a beta outside [0, 1).
  explicit AdamW(const std::vector<ParameterGroup<T>>& groups, AdamWOptions options = {})
      : Optimizer<T>("AdamW", groups, options.learning_rate, options.weight_decay,
                     AdamWRule::memories),
        options_(options) {
    detail::check_below_one("AdamW", "beta1", options.beta1);
    detail::check_below_one("AdamW", "beta2", options.beta2);
    detail::check_not_negative("AdamW", "epsilon", options.epsilon);
  }
  explicit AdamW(const ParameterList<T>& parameters, AdamWOptions options = {})
      : AdamW(std::vector<ParameterGroup<T>>{{parameters}}, options) {}
  explicit AdamW(std::initializer_list<Parameter<T>*> parameters, AdamWOptions options = {})
      : AdamW(ParameterList<T>(parameters), options) {}

 private:
  void update(const Step<T>& step) override {
    step.apply(AdamWRule{.rate = step.learning_rate,
                         .decay = step.weight_decay,
                         .beta1 = options_.beta1,
                         .beta2 = options_.beta2,
                         .epsilon = options_.epsilon,
                         .correction1 = 1 - std::pow(options_.beta1, step.count),
                         .correction2 = 1 - std::pow(options_.beta2, step.count)});
  }

  AdamWOptions options_;
};

TAPESTRY_EXTERN_TYPES(class AdamW)

}  // namespace tapestry::optim
