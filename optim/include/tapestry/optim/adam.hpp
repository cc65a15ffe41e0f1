// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <initializer_list>
#include <vector>

#include "tapestry/optim/optimizer.hpp"
#include "tapestry/optim/rules.hpp"

namespace tapestry::optim {

/// Options of Adam, with the defaults of torch.optim.Adam.
struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;       ///< decay of the mean of the gradient, in [0, 1)
  double beta2 = 0.999;     ///< decay of the mean of its square, in [0, 1)
  double epsilon = 1e-8;    ///< added to the denominator
  double weight_decay = 0;  ///< adds weight_decay * value to the gradient
};

/// Adam as in PyTorch: see `AdamRule`. Each parameter counts its own steps: one without a gradient
/// is not stepped.
template <class T = float>
class Adam final : public Optimizer<T> {
 public:
  /// T is found from lists of parameters: `Adam adam({&weight, &bias}, {...})`. Groups may have a
  /// learning rate and a weight decay of their own: see `ParameterGroup`.
  /// Throws ArgumentError for what `Optimizer` refuses, an option that is negative or not finite,
  /// and a beta outside [0, 1).
  explicit Adam(const std::vector<ParameterGroup<T>>& groups, AdamOptions options = {})
      : Optimizer<T>("Adam", groups, options.learning_rate, options.weight_decay,
                     AdamRule::memories),
        options_(options) {
    detail::check_below_one("Adam", "beta1", options.beta1);
    detail::check_below_one("Adam", "beta2", options.beta2);
    detail::check_not_negative("Adam", "epsilon", options.epsilon);
  }
  explicit Adam(const ParameterList<T>& parameters, AdamOptions options = {})
      : Adam(std::vector<ParameterGroup<T>>{{parameters}}, options) {}
  explicit Adam(std::initializer_list<Parameter<T>*> parameters, AdamOptions options = {})
      : Adam(ParameterList<T>(parameters), options) {}

 private:
  void update(const Step<T>& step) override {
    step.apply(AdamRule{.rate = step.learning_rate,
                        .decay = step.weight_decay,
                        .beta1 = options_.beta1,
                        .beta2 = options_.beta2,
                        .epsilon = options_.epsilon,
                        .correction1 = 1 - std::pow(options_.beta1, step.count),
                        .correction2 = 1 - std::pow(options_.beta2, step.count)});
  }

  AdamOptions options_;
};

TAPESTRY_EXTERN_TYPES(class Adam)

}  // namespace tapestry::optim
