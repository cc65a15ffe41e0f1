// SPDX-License-Identifier: MIT
// What Adam and AdamW share: all but the weight decay.
#pragma once

#include <cmath>
#include <cstdint>

#include "check.hpp"
#include "for_parts.hpp"
#include "kernels/update_kernels.hpp"

namespace tapestry::optim {

template <class Options>
void check_adam(const char* op, const Options& options) {
  check_below_one(op, "beta1", options.beta1);
  check_below_one(op, "beta2", options.beta2);
  check_not_negative(op, "epsilon", options.epsilon);
}

/// Step number `steps` of a parameter, without weight decay.
template <class T, class Options>
AdamTask<T> adam_task(Parameter<T>& parameter, T* mean, T* square, std::uint64_t steps, double rate,
                      const Options& options) {
  const auto count = static_cast<double>(steps);
  return {
      .size = parameter.size(),
      .grad = parameter.grad().data(),
      .value = parameter.storage().data(),
      .mean = mean,
      .square = square,
      .rate = static_cast<T>(rate / (1.0 - std::pow(options.beta1, count))),
      .root = static_cast<T>(std::sqrt(1.0 - std::pow(options.beta2, count))),
      .epsilon = static_cast<T>(options.epsilon),
      .decay = T{0},
      .keep = T{1},
      .beta1 = static_cast<T>(options.beta1),
      .beta2 = static_cast<T>(options.beta2),
      .rest1 = static_cast<T>(1.0 - options.beta1),  // 1 - beta2 loses digits in float
      .rest2 = static_cast<T>(1.0 - options.beta2),
  };
}

template <class T>
void run(const AdamTask<T>& task) {
  for_parts(task.size, [&](std::size_t first, std::size_t count) {
    update_kernels<T>().adam(task.part(first, count));
  });
}

}  // namespace tapestry::optim
