// SPDX-License-Identifier: MIT
#include "tapestry/optim/rmsprop.hpp"

#include "check.hpp"
#include "for_parts.hpp"
#include "kernels/update_kernels.hpp"

namespace tapestry::optim {
namespace {

constexpr const char* op = "RMSprop";

void check(const RMSpropOptions& options) {
  check_below_one(op, "alpha", options.alpha);
  check_not_negative(op, "epsilon", options.epsilon);
  check_not_negative(op, "momentum", options.momentum);
}

/// The order that `update` relies on.
std::vector<const char*> memories(const RMSpropOptions& options) {
  std::vector<const char*> names{"square_avg"};
  if (options.momentum != 0) names.push_back("momentum_buffer");
  if (options.centered) names.push_back("grad_avg");
  return names;
}

}  // namespace

template <class T>
RMSprop<T>::RMSprop(const std::vector<ParameterGroup<T>>& groups, RMSpropOptions options)
    : Optimizer<T>(op, groups, options.learning_rate, options.weight_decay, memories(options)),
      options_(options) {
  check(options_);
}

template <class T>
void RMSprop<T>::update(std::size_t position, Parameter<T>& parameter) {
  const bool has_momentum = options_.momentum != 0;
  const RmspropTask<T> task{
      .size = parameter.size(),
      .grad = parameter.grad().data(),
      .value = parameter.storage().data(),
      .square = this->memory(0, position),
      .direction = has_momentum ? this->memory(1, position) : nullptr,
      .mean = options_.centered ? this->memory(has_momentum ? 2 : 1, position) : nullptr,
      .rate = static_cast<T>(this->rate_of(position)),
      .epsilon = static_cast<T>(options_.epsilon),
      .decay = static_cast<T>(this->decay_of(position)),
      .keep = static_cast<T>(options_.momentum),
      .alpha = static_cast<T>(options_.alpha),
      .rest = static_cast<T>(1.0 - options_.alpha),
  };
  for_parts(task.size, [&](std::size_t first, std::size_t count) {
    update_kernels<T>().rmsprop(task.part(first, count));
  });
}

template class RMSprop<float>;
template class RMSprop<double>;

}  // namespace tapestry::optim
