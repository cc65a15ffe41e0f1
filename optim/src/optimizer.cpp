// SPDX-License-Identifier: MIT
#include "tapestry/optim/optimizer.hpp"

#include <algorithm>
#include <functional>
#include <string>

#include "tapestry/autodiff/error.hpp"

namespace tapestry::optim {

template <class T>
Optimizer<T>::Optimizer(const char* name, const std::vector<ParameterGroup<T>>& groups,
                        double learning_rate, double weight_decay,
                        std::span<const char* const> memories)
    : name_(name) {
  detail::check_not_negative(name_, "learning_rate", learning_rate);
  detail::check_not_negative(name_, "weight_decay", weight_decay);
  for (const ParameterGroup<T>& group : groups) {
    const std::string which = " of group " + std::to_string(groups_.size());
    const double rate = group.learning_rate.value_or(learning_rate);
    const double decay = group.weight_decay.value_or(weight_decay);
    detail::check_not_negative(name_, "learning_rate" + which, rate);
    detail::check_not_negative(name_, "weight_decay" + which, decay);
    for (Parameter<T>* parameter : group.parameters) {
      parameters_.push_back(parameter);
      group_of_.push_back(groups_.size());
      shapes_.push_back(parameter->shape());
    }
    groups_.push_back({{rate}, decay});
  }
  if (parameters_.empty()) throw ArgumentError(name_, "the list of parameters is empty");
  check_distinct(parameters_);
  link(parameters_);
  steps_.resize(parameters_.size());
  for (const char* memory : memories) {
    std::vector<Array<T>>& arrays = memories_.emplace_back(Memory{memory, {}}).arrays;
    for (const Parameter<T>* parameter : parameters_)
      arrays.emplace_back(std::as_const(*parameter).value().shape(), T{0});
  }
}

template <class T>
typename Optimizer<T>::Memory& Optimizer<T>::memory(std::string_view name) {
  for (Memory& memory : memories_)
    if (memory.name == name) return memory;
  std::string has = memories_.empty() ? "none" : "";
  for (const Memory& memory : memories_)
    has += (has.empty() ? "'" : ", '") + std::string(memory.name) + "'";
  throw ArgumentError(name_, "the rule asks for the memory '" + std::string(name) +
                                 "', and the optimizer has " + has);
}

template <class T>
void Optimizer<T>::leave_out(const char* name) {
  memory(name).arrays.clear();
}

template <class T>
void Optimizer<T>::start_from(const char* name, double value) {
  for (Array<T>& array : memory(name).arrays) array.fill(static_cast<T>(value));
}

template <class T>
Optimizer<T>& Optimizer<T>::operator=(const Optimizer& other) {
  if (this == &other) return *this;
  auto links = other.links_;
  const auto same = [](const auto& a, const auto& b) { return a.get() == b.get(); };
  const bool is_same = std::ranges::equal(links_, links, same);
  // Where the parameters were copied as well, those of this optimizer are the copies.
  const bool copied = std::ranges::any_of(links, [](const auto& link) { return link.unsure(); });
  const bool keeps_own = is_same || (copied && shapes_ == other.shapes_);
  auto group_of = other.group_of_;
  auto groups = other.groups_;
  auto shapes = other.shapes_;
  auto steps = other.steps_;
  auto memories = other.memories_;
  if (!keeps_own) parameters_ = other.parameters_;
  if (!keeps_own) links_ = std::move(links);
  tapestry::detail::Followed<Optimizer>::operator=(other);
  name_ = other.name_;
  group_of_ = std::move(group_of);
  groups_ = std::move(groups);
  shapes_ = std::move(shapes);
  steps_ = std::move(steps);
  memories_ = std::move(memories);
  return *this;
}

template <class T>
void Optimizer<T>::link(const ParameterList<T>& parameters) {
  std::vector<tapestry::detail::Link<Parameter<T>>> links;
  links.reserve(parameters.size());
  for (Parameter<T>* parameter : parameters) links.emplace_back(*parameter);
  links_ = std::move(links);
}

template <class T>
const ParameterList<T>& Optimizer<T>::parameters() const {
  if (links_.empty())
    throw ArgumentError(name_, "this optimizer was moved from; use the one it was moved into");
  bool moved = false;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const Parameter<T>* parameter = links_[i].get();
    const auto which = [&] { return "parameter " + std::to_string(i) + " of this optimizer "; };
    if (links_[i].unsure())
      throw ArgumentError(name_,
                          "this optimizer is a copy, and its parameters have been copied "
                          "too: say which are its own with bind(parameters(model))");
    if (!parameter) throw ArgumentError(name_, which() + "no longer exists; make a new optimizer");
    if (parameter->is_moved_from())
      throw ArgumentError(name_, which() + "was moved from; assign to it, or make a new optimizer");
    moved |= parameter != parameters_[i];
  }
  if (!moved) return parameters_;
  ParameterList<T> now;
  for (const auto& link : links_) now.push_back(link.get());
  parameters_ = std::move(now);
  return parameters_;
}

template <class T>
void Optimizer<T>::bind(const ParameterList<T>& parameters) {
  if (parameters.size() != shapes_.size())
    throw ArgumentError(name_, "bind: " + std::to_string(parameters.size()) +
                                   " parameters in place of " + std::to_string(shapes_.size()));
  for (std::size_t i = 0; i < shapes_.size(); ++i)
    if (parameters[i]->shape() != shapes_[i])
      throw ShapeError(name_, "bind: " + detail::label_of(*parameters[i], i) + " has shape " +
                                  parameters[i]->shape().str() + ", not " + shapes_[i].str());
  check_distinct(parameters);
  ParameterList<T> list = parameters;
  link(list);
  parameters_ = std::move(list);
}

template <class T>
double Optimizer<T>::learning_rate(std::size_t group) const {
  check_group(group);
  return groups_[group].learning_rate.value;
}

template <class T>
void Optimizer<T>::set_learning_rate(double learning_rate) {
  check_group(0);
  detail::check_not_negative(name_, "learning_rate", learning_rate);
  for (Group& group : groups_) group.learning_rate.value = learning_rate;
}

template <class T>
void Optimizer<T>::set_learning_rate(std::size_t group, double learning_rate) {
  check_group(group);
  detail::check_not_negative(name_, "learning_rate", learning_rate);
  groups_[group].learning_rate.value = learning_rate;
}

template <class T>
void Optimizer<T>::step() {
  const ParameterList<T>& list = parameters();
  check_shapes();
  for (std::size_t i = 0; i < list.size(); ++i) {
    Parameter<T>& parameter = *list[i];
    if (!detail::is_trained(parameter)) continue;
    update(Step<T>(*this, i, parameter));
    ++steps_[i];
    parameter.touch();
  }
}

template <class T>
void Optimizer<T>::zero_grad() {
  for (Parameter<T>* parameter : parameters()) parameter->zero_grad();
}

/// A parameter listed twice would be updated twice in a step.
template <class T>
void Optimizer<T>::check_distinct(const ParameterList<T>& parameters) const {
  std::vector<const Parameter<T>*> sorted(parameters.begin(), parameters.end());
  std::sort(sorted.begin(), sorted.end(), std::less<>{});
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return;
  const auto first = std::find(parameters.begin(), parameters.end(), *twice);
  const auto second = std::find(first + 1, parameters.end(), *twice);
  const auto position = static_cast<std::size_t>(first - parameters.begin());
  const std::size_t group = group_of_[position];
  const std::size_t other = group_of_[static_cast<std::size_t>(second - parameters.begin())];
  throw ArgumentError(name_, detail::label_of(**first, position) +
                                 (group == other ? " is in the list twice"
                                                 : " is in groups " + std::to_string(group) +
                                                       " and " + std::to_string(other)));
}

template <class T>
void Optimizer<T>::check_group(std::size_t group) const {
  if (group >= groups_.size())
    throw IndexError(name_, "there is no group " + std::to_string(group) + " among " +
                                std::to_string(groups_.size()) +
                                (groups_.empty() ? ", since it was moved from" : ""));
}

template <class T>
void Optimizer<T>::check_shapes() const {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter<T>& parameter = *parameters_[i];
    if (!detail::is_trained(parameter)) continue;
    if (parameter.shape() != shapes_[i])
      throw ShapeError(name_, detail::label_of(parameter, i) + " has shape " +
                                  parameter.shape().str() + ", it was " + shapes_[i].str() +
                                  " when the optimizer was made");
    const Shape grad_shape(parameter.grad().shape());
    if (grad_shape != shapes_[i])
      throw ShapeError(name_, detail::label_of(parameter, i) + " of shape " + shapes_[i].str() +
                                  " has a gradient of shape " + grad_shape.str());
  }
}

template <class T>
Step<T>::Step(Optimizer<T>& optimizer, std::size_t position, Parameter<T>& parameter)
    : learning_rate(optimizer.groups_[optimizer.group_of_[position]].learning_rate.value),
      weight_decay(optimizer.groups_[optimizer.group_of_[position]].weight_decay),
      count(static_cast<double>(optimizer.steps_[position] + 1)),
      optimizer_(optimizer),
      position_(position),
      parameter_(parameter) {}

TAPESTRY_INSTANTIATE_TYPES(class Step, class Optimizer)

}  // namespace tapestry::optim
