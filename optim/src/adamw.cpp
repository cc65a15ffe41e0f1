// SPDX-License-Identifier: MIT
#include "tapestry/optim/adamw.hpp"

#include "adam_step.hpp"

namespace tapestry::optim {

template <class T>
AdamW<T>::AdamW(const std::vector<ParameterGroup<T>>& groups, AdamWOptions options)
    : Optimizer<T>("AdamW", groups, options.learning_rate, options.weight_decay,
                   {"exp_avg", "exp_avg_sq"}),
      options_(options) {
  check_adam("AdamW", options_);
}

template <class T>
void AdamW<T>::update(std::size_t position, Parameter<T>& parameter) {
  const double rate = this->rate_of(position);
  AdamTask<T> task = adam_task(parameter, this->memory(0, position), this->memory(1, position),
                               this->steps(position), rate, options_);
  task.keep = static_cast<T>(1.0 - rate * this->decay_of(position));
  run(task);
}

template class AdamW<float>;
template class AdamW<double>;

}  // namespace tapestry::optim
