// SPDX-License-Identifier: MIT
#include "tapestry/optim/adagrad.hpp"

#include <algorithm>

#include "check.hpp"
#include "for_parts.hpp"
#include "kernels/update_kernels.hpp"

namespace tapestry::optim {
namespace {

constexpr const char* op = "Adagrad";

void check(const AdagradOptions& options) {
  check_not_negative(op, "learning_rate_decay", options.learning_rate_decay);
  check_not_negative(op, "initial_accumulator_value", options.initial_accumulator_value);
  check_not_negative(op, "epsilon", options.epsilon);
}

}  // namespace

template <class T>
Adagrad<T>::Adagrad(const std::vector<ParameterGroup<T>>& groups, AdagradOptions options)
    : Optimizer<T>(op, groups, options.learning_rate, options.weight_decay, {"sum"}),
      options_(options) {
  check(options_);
  for (std::size_t i = 0; i < this->parameters().size(); ++i)
    std::fill_n(this->memory(0, i), this->parameters()[i]->size(),
                static_cast<T>(options_.initial_accumulator_value));
}

template <class T>
void Adagrad<T>::update(std::size_t position, Parameter<T>& parameter) {
  const auto before = static_cast<double>(this->steps(position) - 1);
  const double slowing = 1.0 + before * options_.learning_rate_decay;
  const AdagradTask<T> task{
      .size = parameter.size(),
      .grad = parameter.grad().data(),
      .value = parameter.storage().data(),
      .sum = this->memory(0, position),
      .rate = static_cast<T>(this->rate_of(position) / slowing),
      .epsilon = static_cast<T>(options_.epsilon),
      .decay = static_cast<T>(this->decay_of(position)),
  };
  for_parts(task.size, [&](std::size_t first, std::size_t count) {
    update_kernels<T>().adagrad(task.part(first, count));
  });
}

template class Adagrad<float>;
template class Adagrad<double>;

}  // namespace tapestry::optim
