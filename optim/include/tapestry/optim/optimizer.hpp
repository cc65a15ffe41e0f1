// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <vector>

#include "tapestry/autodiff/parameter_list.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry::optim {

/// What all optimizers share: the parameters, the learning rate and the loop over them. A new
/// optimizer derives from it and gives `update`, the rule for one parameter.
///
/// The optimizer refers to the parameters and does not own them: the model must outlive it and
/// stay at its address.
template <class T = float>
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// Updates every parameter that has a gradient and requires one; the others, and what the
  /// optimizer remembers of them, stay as they are. Allocates nothing. Throws ShapeError, before
  /// anything has changed, when a parameter or its gradient has changed shape.
  void step();

  /// Forgets the gradients of all parameters.
  void zero_grad();

  [[nodiscard]] double learning_rate() const { return learning_rate_; }

  /// Throws ArgumentError when `learning_rate` is negative or not finite.
  void set_learning_rate(double learning_rate);

  [[nodiscard]] const ParameterList<T>& parameters() const { return parameters_; }

 protected:
  /// `name` (a literal) begins the error texts. Throws ArgumentError when the list is empty or
  /// names a parameter twice, or when the learning rate is negative or not finite.
  Optimizer(const char* name, ParameterList<T> parameters, double learning_rate);

  Optimizer(const Optimizer&) = default;
  Optimizer& operator=(const Optimizer&) = default;

  /// Changes the value of `parameter`, which stands at `position` in the list and has a gradient
  /// of its shape. Must not throw.
  virtual void update(std::size_t position, Parameter<T>& parameter) = 0;

 private:
  void check_shapes() const;

  const char* name_;
  ParameterList<T> parameters_;
  std::vector<Shape> shapes_;  // when the optimizer was made; its state has these shapes
  double learning_rate_;
};

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace tapestry::optim
