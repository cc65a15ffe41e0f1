// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <initializer_list>
#include <vector>

#include "tapestry/optim/optimizer.hpp"

namespace tapestry::optim {

/// Options of SGD, with the names and defaults of torch.optim.SGD.
struct SGDOptions {
  double learning_rate = 1e-3;
  double momentum = 0;      ///< share of the previous direction that is kept
  double dampening = 0;     ///< share of the gradient that is left out of the momentum
  bool nesterov = false;    ///< look ahead along the momentum
  double weight_decay = 0;  ///< adds weight_decay * value to the gradient
};

/// Stochastic gradient descent as in PyTorch. With value p, gradient g and direction b:
///
///     g += weight_decay p
///     b  = momentum b + (1 - dampening) g     (b = g in the first step)
///     g  = nesterov ? g + momentum b : b      (only with momentum)
///     p -= learning_rate g
///
/// Files hold b as "momentum_buffer".
/// Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep
/// learning", in the form of torch.optim.SGD, where the learning rate is outside of b.
template <class T = float>
class SGD final : public Optimizer<T> {
 public:
  /// T is found from lists of parameters: `SGD sgd({&weight, &bias}, {...})`. Groups may have a
  /// learning rate and a weight decay of their own: see `ParameterGroup`.
  /// Throws ArgumentError for what `Optimizer` refuses, an option that is negative or not finite,
  /// and `nesterov` without momentum or with dampening.
  explicit SGD(const std::vector<ParameterGroup<T>>& groups, SGDOptions options = {});
  explicit SGD(const ParameterList<T>& parameters, SGDOptions options = {})
      : SGD(std::vector<ParameterGroup<T>>{{parameters}}, options) {}
  explicit SGD(std::initializer_list<Parameter<T>*> parameters, SGDOptions options = {})
      : SGD(ParameterList<T>(parameters), options) {}

 private:
  void update(std::size_t position, Parameter<T>& parameter) override;

  SGDOptions options_;
};

extern template class SGD<float>;
extern template class SGD<double>;

}  // namespace tapestry::optim
