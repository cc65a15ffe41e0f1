// SPDX-License-Identifier: MIT
#include "tapestry/optim/adam.hpp"

#include <cmath>
#include <utility>

#include "check.hpp"
#include "for_parts.hpp"
#include "kernels/update_kernels.hpp"

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
  const AdamTask<T> task{
      .size = parameter.size(),
      .grad = parameter.grad().data(),
      .value = parameter.value().data(),
      .mean = this->memory(0, position),
      .square = this->memory(1, position),
      .rate = static_cast<T>(this->learning_rate() / mean_correction),
      .root = static_cast<T>(std::sqrt(square_correction)),
      .epsilon = static_cast<T>(options_.epsilon),
      .decay = static_cast<T>(options_.weight_decay),
      .beta1 = static_cast<T>(options_.beta1),
      .beta2 = static_cast<T>(options_.beta2),
      .rest1 = static_cast<T>(1.0 - options_.beta1),  // 1 - beta2 loses digits in float
      .rest2 = static_cast<T>(1.0 - options_.beta2),
  };
  for_parts(task.size, [&](std::size_t first, std::size_t count) {
    update_kernels<T>().adam(task.part(first, count));
  });
}

template class Adam<float>;
template class Adam<double>;

}  // namespace tapestry::optim
