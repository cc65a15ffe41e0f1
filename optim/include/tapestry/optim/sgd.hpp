// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>
#include <vector>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/optim/optimizer.hpp"
#include "tapestry/optim/rules.hpp"

namespace tapestry::optim {

/// Options of SGD, with the names and defaults of torch.optim.SGD.
struct SGDOptions {
  double learning_rate = 1e-3;
  double momentum = 0;      ///< share of the previous direction that is kept
  double dampening = 0;     ///< share of the gradient that is left out of the momentum
  bool nesterov = false;    ///< look ahead along the momentum
  double weight_decay = 0;  ///< adds weight_decay * value to the gradient
};

/// Stochastic gradient descent as in PyTorch: see `SGDRule`.
template <class T = float>
class SGD final : public Optimizer<T> {
 public:
  /// T is found from lists of parameters: `SGD sgd({&weight, &bias}, {...})`. Groups may have a
  /// learning rate and a weight decay of their own: see `ParameterGroup`.
  /// Throws ArgumentError for what `Optimizer` refuses, an option that is negative or not finite,
  /// and `nesterov` without momentum or with dampening.
  explicit SGD(const std::vector<ParameterGroup<T>>& groups, SGDOptions options = {})
      : Optimizer<T>("SGD", groups, options.learning_rate, options.weight_decay, SGDRule::memories),
        options_(options) {
    detail::check_not_negative("SGD", "momentum", options.momentum);
    detail::check_not_negative("SGD", "dampening", options.dampening);
    if (options.nesterov && (options.momentum == 0 || options.dampening != 0))
      throw ArgumentError("SGD", "nesterov needs momentum and no dampening, got momentum " +
                                     number_text(options.momentum) + " and dampening " +
                                     number_text(options.dampening));
    if (options.momentum == 0) this->leave_out("momentum_buffer");
  }
  explicit SGD(const ParameterList<T>& parameters, SGDOptions options = {})
      : SGD(std::vector<ParameterGroup<T>>{{parameters}}, options) {}
  explicit SGD(std::initializer_list<Parameter<T>*> parameters, SGDOptions options = {})
      : SGD(ParameterList<T>(parameters), options) {}

 private:
  void update(const Step<T>& step) override {
    step.apply(SGDRule{.rate = step.learning_rate,
                       .decay = step.weight_decay,
                       .momentum = options_.momentum,
                       .share = step.count > 1 ? 1 - options_.dampening : 1,
                       .nesterov = options_.nesterov});
  }

  SGDOptions options_;
};

TAPESTRY_EXTERN_TYPES(class SGD)

}  // namespace tapestry::optim
