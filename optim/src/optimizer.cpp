// SPDX-License-Identifier: MIT
#include "tapestry/optim/optimizer.hpp"

#include <algorithm>
#include <functional>
#include <string>

#include "check.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::optim {

template <class T>
Optimizer<T>::Optimizer(const char* name, const std::vector<ParameterGroup<T>>& groups,
                        double learning_rate, double weight_decay,
                        const std::vector<const char*>& memories)
    : name_(name) {
  check_not_negative(name_, "learning_rate", learning_rate);
  check_not_negative(name_, "weight_decay", weight_decay);
  for (const ParameterGroup<T>& group : groups) {
    const std::string which = " of group " + std::to_string(groups_.size());
    const double rate = group.learning_rate.value_or(learning_rate);
    const double decay = group.weight_decay.value_or(weight_decay);
    check_not_negative(name_, "learning_rate" + which, rate);
    check_not_negative(name_, "weight_decay" + which, decay);
    for (Parameter<T>* parameter : group.parameters) {
      parameters_.push_back(parameter);
      group_of_.push_back(groups_.size());
    }
    groups_.push_back({{rate}, decay});
  }
  if (parameters_.empty()) throw ArgumentError(name_, "the list of parameters is empty");
  check_distinct();
  steps_.resize(parameters_.size());
  shapes_.reserve(parameters_.size());
  for (const Parameter<T>* parameter : parameters_) shapes_.push_back(parameter->shape());
  for (const char* memory : memories) {
    std::vector<Array<T>>& arrays = memories_.emplace_back(Memory{memory, {}}).arrays;
    for (const Parameter<T>* parameter : parameters_)
      arrays.emplace_back(parameter->value().shape(), T{0});
  }
}

template <class T>
double Optimizer<T>::learning_rate(std::size_t group) const {
  check_group(group);
  return groups_[group].learning_rate.value;
}

template <class T>
void Optimizer<T>::set_learning_rate(double learning_rate) {
  check_not_negative(name_, "learning_rate", learning_rate);
  for (Group& group : groups_) group.learning_rate.value = learning_rate;
}

template <class T>
void Optimizer<T>::set_learning_rate(std::size_t group, double learning_rate) {
  check_group(group);
  check_not_negative(name_, "learning_rate", learning_rate);
  groups_[group].learning_rate.value = learning_rate;
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

/// A parameter listed twice would be updated twice in a step.
template <class T>
void Optimizer<T>::check_distinct() const {
  std::vector<const Parameter<T>*> sorted(parameters_.begin(), parameters_.end());
  std::sort(sorted.begin(), sorted.end(), std::less<>{});
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return;
  const auto first = std::find(parameters_.begin(), parameters_.end(), *twice);
  const auto second = std::find(first + 1, parameters_.end(), *twice);
  const auto position = static_cast<std::size_t>(first - parameters_.begin());
  const std::size_t group = group_of_[position];
  const std::size_t other = group_of_[static_cast<std::size_t>(second - parameters_.begin())];
  throw ArgumentError(name_, label_of(**first, position) +
                                 (group == other ? " is in the list twice"
                                                 : " is in groups " + std::to_string(group) +
                                                       " and " + std::to_string(other)));
}

template <class T>
void Optimizer<T>::check_group(std::size_t group) const {
  if (group >= groups_.size())
    throw IndexError(name_, "there is no group " + std::to_string(group) + " among " +
                                std::to_string(groups_.size()));
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
