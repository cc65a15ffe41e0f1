// SPDX-License-Identifier: MIT
#include "tapestry/optim/adam.hpp"

#include "adam_step.hpp"

namespace tapestry::optim {

template <class T>
Adam<T>::Adam(const std::vector<ParameterGroup<T>>& groups, AdamOptions options)
    : Optimizer<T>("Adam", groups, options.learning_rate, options.weight_decay,
                   {"exp_avg", "exp_avg_sq"}),
      options_(options) {
  check_adam("Adam", options_);
}

template <class T>
void Adam<T>::update(std::size_t position, Parameter<T>& parameter) {
  const double rate = this->rate_of(position);
  AdamTask<T> task = adam_task(parameter, this->memory(0, position), this->memory(1, position),
                               this->steps(position), rate, options_);
  task.decay = static_cast<T>(this->decay_of(position));
  run(task);
}

template class Adam<float>;
template class Adam<double>;

}  // namespace tapestry::optim
