// SPDX-License-Identifier: MIT
#include "tapestry/optim/adam.hpp"

#include <cmath>
#include <utility>

#include "check.hpp"

namespace tapestry::optim {
namespace {

constexpr const char* op = "Adam";

void check(const AdamOptions& options) {
  check_below_one(op, "beta1", options.beta1);
  check_below_one(op, "beta2", options.beta2);
  check_not_negative(op, "epsilon", options.epsilon);
  check_not_negative(op, "weight_decay", options.weight_decay);
}

}  // namespace

template <class T>
Adam<T>::Adam(ParameterList<T> parameters, AdamOptions options)
    : Optimizer<T>(op, std::move(parameters), options.learning_rate, {"exp_avg", "exp_avg_sq"}),
      options_(options) {
  check(options_);
}

template <class T>
void Adam<T>::update(std::size_t position, Parameter<T>& parameter) {
  const auto steps = static_cast<double>(this->steps(position));
  const double mean_correction = 1.0 - std::pow(options_.beta1, steps);
  const double square_correction = 1.0 - std::pow(options_.beta2, steps);
  const T rate = static_cast<T>(this->learning_rate() / mean_correction);
  const T root = static_cast<T>(std::sqrt(square_correction));
  const T epsilon = static_cast<T>(options_.epsilon);
  const T decay = static_cast<T>(options_.weight_decay);
  const T beta1 = static_cast<T>(options_.beta1);
  const T beta2 = static_cast<T>(options_.beta2);
  const T rest1 = static_cast<T>(1.0 - options_.beta1);  // 1 - beta2 loses digits in float
  const T rest2 = static_cast<T>(1.0 - options_.beta2);

  const T* grad = parameter.grad().data();
  T* value = parameter.value().data();
  T* mean = this->memory(0, position);
  T* square = this->memory(1, position);
  const std::size_t size = parameter.size();
  for (std::size_t i = 0; i < size; ++i) {
    const T g = grad[i] + decay * value[i];
    mean[i] = beta1 * mean[i] + rest1 * g;
    square[i] = beta2 * square[i] + rest2 * g * g;
    value[i] -= rate * mean[i] / (std::sqrt(square[i]) / root + epsilon);
  }
}

template class Adam<float>;
template class Adam<double>;

}  // namespace tapestry::optim
