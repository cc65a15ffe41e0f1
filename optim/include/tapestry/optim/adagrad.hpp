// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>
#include <vector>

#include "tapestry/optim/optimizer.hpp"
#include "tapestry/optim/rules.hpp"

namespace tapestry::optim {

/// Options of Adagrad, with the defaults of torch.optim.Adagrad.
struct AdagradOptions {
  double learning_rate = 1e-2;
  double learning_rate_decay = 0;  ///< lr_decay in PyTorch
  double weight_decay = 0;         ///< adds weight_decay * value to the gradient
  double initial_accumulator_value = 0;
  double epsilon = 1e-10;  ///< added to the denominator
};

/// Adagrad as in PyTorch: see `AdagradRule`. The sum starts from `initial_accumulator_value`, and
/// the rate in step t is learning_rate / (1 + (t - 1) learning_rate_decay). Each parameter counts
/// its own steps.
template <class T = float>
class Adagrad final : public Optimizer<T> {
 public:
  /// T is found from lists of parameters: `Adagrad adagrad({&weight, &bias}, {...})`. Groups may
  /// have a learning rate and a weight decay of their own: see `ParameterGroup`. Throws
  /// ArgumentError for what `Optimizer` refuses, and an option that is negative or not finite.
  explicit Adagrad(const std::vector<ParameterGroup<T>>& groups, AdagradOptions options = {})
      : Optimizer<T>("Adagrad", groups, options.learning_rate, options.weight_decay,
                     AdagradRule::memories),
        options_(options) {
    detail::check_not_negative("Adagrad", "learning_rate_decay", options.learning_rate_decay);
    detail::check_not_negative("Adagrad", "initial_accumulator_value",
                               options.initial_accumulator_value);
    detail::check_not_negative("Adagrad", "epsilon", options.epsilon);
    this->start_from("sum", options.initial_accumulator_value);
  }
  explicit Adagrad(const ParameterList<T>& parameters, AdagradOptions options = {})
      : Adagrad(std::vector<ParameterGroup<T>>{{parameters}}, options) {}
  explicit Adagrad(std::initializer_list<Parameter<T>*> parameters, AdagradOptions options = {})
      : Adagrad(ParameterList<T>(parameters), options) {}

 private:
  void update(const Step<T>& step) override {
    const double slowing = 1 + (step.count - 1) * options_.learning_rate_decay;
    step.apply(AdagradRule{.rate = step.learning_rate / slowing,
                           .decay = step.weight_decay,
                           .epsilon = options_.epsilon});
  }

  AdagradOptions options_;
};

TAPESTRY_EXTERN_TYPES(class Adagrad)

}  // namespace tapestry::optim
