// SPDX-License-Identifier: MIT
#include "tapestry/optim/schedule.hpp"

#include <algorithm>
#include <numbers>
#include <utility>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry::optim {
namespace {

void check_positive(const char* op, const char* name, std::uint64_t value) {
  if (value == 0) throw ArgumentError(op, std::string(name) + " must be positive, got 0");
}

void check_schedule(const char* op, const Schedule& schedule) {
  if (!schedule) throw ArgumentError(op, "the schedule is empty");
}

/// What a scheduler refers to. Throws ArgumentError when it is gone, or may be another.
template <class T>
Optimizer<T>& optimizer_of(const char* op, const tapestry::detail::Link<Optimizer<T>>& link) {
  if (link.unsure())
    throw ArgumentError(op,
                        "this scheduler is a copy, and its optimizer has been copied too: say "
                        "which is its own with bind(optimizer)");
  Optimizer<T>* optimizer = link.get();
  if (!optimizer || optimizer->groups() == 0)
    throw ArgumentError(op,
                        "the optimizer of this scheduler no longer exists, or one of the two "
                        "was moved from");
  return *optimizer;
}

bool is_rate(double value) { return detail::LearningRate::is_state({value}); }

}  // namespace

Schedule constant() {
  return [](std::uint64_t) { return 1.0; };
}

Schedule step_decay(StepDecayOptions options) {
  check_positive("step_decay", "every", options.every);
  detail::check_not_negative("step_decay", "factor", options.factor);
  return [options](std::uint64_t step) {
    return std::pow(options.factor, static_cast<double>(step / options.every));
  };
}

Schedule cosine(CosineOptions options) {
  check_positive("cosine", "steps", options.steps);
  detail::check_not_negative("cosine", "floor", options.floor);
  return [options](std::uint64_t step) {
    if (step >= options.steps) return options.floor;
    const double part = static_cast<double>(step) / static_cast<double>(options.steps);
    return options.floor + (1 - options.floor) * (1 + std::cos(std::numbers::pi * part)) / 2;
  };
}

Schedule exponential(double factor) {
  detail::check_not_negative("exponential", "factor", factor);
  return [factor](std::uint64_t step) { return std::pow(factor, static_cast<double>(step)); };
}

Schedule warm_up(std::uint64_t steps, Schedule then) {
  check_schedule("warm_up", then);
  return [steps, then = std::move(then)](std::uint64_t step) {
    if (step >= steps) return then(step - steps);
    return static_cast<double>(step + 1) / static_cast<double>(steps);
  };
}

template <class T>
LRScheduler<T>::LRScheduler(Optimizer<T>& optimizer, Schedule schedule)
    : optimizer_(optimizer), schedule_(std::move(schedule)) {
  check_schedule("LRScheduler", schedule_);
  for (std::size_t g = 0; g < optimizer.groups(); ++g)
    initial_.push_back({optimizer.learning_rate(g)});
  set_rates(0);
}

template <class T>
void LRScheduler<T>::step() {
  set_rates(steps_ + 1);
  ++steps_;
}

template <class T>
void LRScheduler<T>::bind(Optimizer<T>& optimizer) {
  if (optimizer.groups() != initial_.size())
    throw ArgumentError("LRScheduler",
                        "bind: an optimizer of " + std::to_string(optimizer.groups()) +
                            " groups in place of one of " + std::to_string(initial_.size()));
  optimizer_ = tapestry::detail::Link<Optimizer<T>>(optimizer);
}

template <class T>
double LRScheduler<T>::factor() const {
  check_schedule("LRScheduler", schedule_);
  return schedule_(steps_);
}

template <class T>
void LRScheduler<T>::set_rates(std::uint64_t step) {
  Optimizer<T>& optimizer = optimizer_of("LRScheduler", optimizer_);
  const double factor = schedule_(step);
  for (const detail::LearningRate& initial : initial_)
    if (!is_rate(factor) || !is_rate(initial.value * factor))
      throw ArgumentError("LRScheduler", "the schedule gives the factor " + number_text(factor) +
                                             " for step " + std::to_string(step) +
                                             ", which makes no learning rate of " +
                                             number_text(initial.value));
  for (std::size_t g = 0; g < initial_.size(); ++g)
    optimizer.set_learning_rate(g, initial_[g].value * factor);
}

template <class T>
ReduceLROnPlateau<T>::ReduceLROnPlateau(Optimizer<T>& optimizer, PlateauOptions options)
    : optimizer_(optimizer), options_(options) {
  constexpr const char* op = "ReduceLROnPlateau";
  detail::check_below_one(op, "factor", options.factor);
  detail::check_below_one(op, "threshold", options.threshold);
  detail::check_not_negative(op, "min_learning_rate", options.min_learning_rate);
}

template <class T>
bool ReduceLROnPlateau<T>::step(double metric) {
  constexpr double least_change = 1e-8;
  Optimizer<T>& optimizer = optimizer_of("ReduceLROnPlateau", optimizer_);
  const bool better = metric < best_ * (1 - options_.threshold);
  if (better) best_ = metric;
  bad_steps_ = better ? 0 : bad_steps_ + 1;
  if (bad_steps_ <= options_.patience) return false;

  bad_steps_ = 0;
  bool changed = false;
  for (std::size_t g = 0; g < optimizer.groups(); ++g) {
    const double rate = optimizer.learning_rate(g);
    const double lower = std::max(rate * options_.factor, options_.min_learning_rate);
    if (rate - lower <= least_change) continue;
    optimizer.set_learning_rate(g, lower);
    changed = true;
  }
  return changed;
}

TAPESTRY_INSTANTIATE_TYPES(class LRScheduler, class ReduceLROnPlateau)

}  // namespace tapestry::optim
