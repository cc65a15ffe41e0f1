// SPDX-License-Identifier: MIT
#include "tapestry/optim/optimizer.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "check.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::optim {
namespace {

/// A parameter listed twice would be updated twice in a step.
template <class T>
void check_distinct(const char* name, const ParameterList<T>& parameters) {
  std::vector<const Parameter<T>*> sorted(parameters.begin(), parameters.end());
  std::sort(sorted.begin(), sorted.end(), std::less<>{});
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return;
  const auto first = std::find(parameters.begin(), parameters.end(), *twice);
  const auto position = static_cast<std::size_t>(first - parameters.begin());
  throw ArgumentError(name, label_of(**first, position) + " is in the list twice");
}

}  // namespace

template <class T>
Optimizer<T>::Optimizer(const char* name, ParameterList<T> parameters, double learning_rate,
                        const std::vector<const char*>& memories)
    : name_(name), parameters_(std::move(parameters)), steps_(parameters_.size()) {
  if (parameters_.empty()) throw ArgumentError(name_, "the list of parameters is empty");
  check_distinct(name_, parameters_);
  set_learning_rate(learning_rate);
  shapes_.reserve(parameters_.size());
  for (const Parameter<T>* parameter : parameters_) shapes_.push_back(parameter->shape());
  for (const char* memory : memories) {
    std::vector<Array<T>>& arrays = memories_.emplace_back(Memory{memory, {}}).arrays;
    for (const Parameter<T>* parameter : parameters_)
      arrays.emplace_back(parameter->value().shape(), T{0});
  }
}

template <class T>
void Optimizer<T>::set_learning_rate(double learning_rate) {
  check_not_negative(name_, "learning_rate", learning_rate);
  learning_rate_.value = learning_rate;
}

template <class T>
void Optimizer<T>::step() {
  check_shapes();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Parameter<T>& parameter = *parameters_[i];
    if (!is_trained(parameter)) continue;
    ++steps_[i];
    update(i, parameter);
    parameter.touch();
  }
}

template <class T>
void Optimizer<T>::zero_grad() {
  for (Parameter<T>* parameter : parameters_) parameter->zero_grad();
}

template <class T>
void Optimizer<T>::check_shapes() const {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter<T>& parameter = *parameters_[i];
    if (!is_trained(parameter)) continue;
    if (parameter.shape() != shapes_[i])
      throw ShapeError(name_, label_of(parameter, i) + " has shape " + parameter.shape().str() +
                                  ", it was " + shapes_[i].str() + " when the optimizer was made");
    const Shape grad_shape(parameter.grad().shape());
    if (grad_shape != shapes_[i])
      throw ShapeError(name_, label_of(parameter, i) + " of shape " + shapes_[i].str() +
                                  " has a gradient of shape " + grad_shape.str());
  }
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace tapestry::optim
