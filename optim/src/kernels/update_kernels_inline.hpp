// SPDX-License-Identifier: MIT
// Included once for each architecture.
#pragma once

#include <cmath>

#include "kernels/update_kernels.hpp"

namespace tapestry::optim {

template <class T, tapestry::detail::Architecture architecture>
struct UpdateKernelsFor {
  static T root_of(T x) {
    if constexpr (sizeof(T) == sizeof(float))
      return __builtin_sqrtf(x);
    else
      return __builtin_sqrt(x);
  }

  static void adam(const AdamTask<T>& task) {
    const AdamTask<T> t = task;
    for (std::size_t i = 0; i < t.size; ++i) {
      const T g = t.grad[i] + t.decay * t.value[i];
      t.mean[i] = t.beta1 * t.mean[i] + t.rest1 * g;
      t.square[i] = t.beta2 * t.square[i] + t.rest2 * g * g;
      const T kept = t.keep * t.value[i];
      t.value[i] = kept - t.rate * t.mean[i] / (root_of(t.square[i]) / t.root + t.epsilon);
    }
  }

  static void sgd(const SgdTask<T>& task) {
    const SgdTask<T> t = task;
    if (!t.direction) {
      for (std::size_t i = 0; i < t.size; ++i)
        t.value[i] -= t.rate * (t.grad[i] + t.decay * t.value[i]);
      return;
    }
    for (std::size_t i = 0; i < t.size; ++i) {
      const T g = t.grad[i] + t.decay * t.value[i];
      t.direction[i] = t.keep * t.direction[i] + t.add * g;
      t.value[i] -= t.rate * (t.grad_share * g + t.direction_share * t.direction[i]);
    }
  }

  template <bool momentum, bool centered>
  static void rmsprop_rule(const RmspropTask<T>& task) {
    const RmspropTask<T> t = task;
    for (std::size_t i = 0; i < t.size; ++i) {
      const T g = t.grad[i] + t.decay * t.value[i];
      t.square[i] = t.alpha * t.square[i] + t.rest * g * g;
      T variance = t.square[i];
      if constexpr (centered) {
        t.mean[i] = t.alpha * t.mean[i] + t.rest * g;
        variance -= t.mean[i] * t.mean[i];
        variance = variance < 0 ? T{0} : variance;  // a NaN stays
      }
      T direction = g / (root_of(variance) + t.epsilon);
      if constexpr (momentum) direction = t.direction[i] = t.keep * t.direction[i] + direction;
      t.value[i] -= t.rate * direction;
    }
  }

  static void rmsprop(const RmspropTask<T>& t) {
    if (t.direction)
      t.mean ? rmsprop_rule<true, true>(t) : rmsprop_rule<true, false>(t);
    else
      t.mean ? rmsprop_rule<false, true>(t) : rmsprop_rule<false, false>(t);
  }

  static void adagrad(const AdagradTask<T>& task) {
    const AdagradTask<T> t = task;
    for (std::size_t i = 0; i < t.size; ++i) {
      const T g = t.grad[i] + t.decay * t.value[i];
      t.sum[i] += g * g;
      t.value[i] -= t.rate * g / (root_of(t.sum[i]) + t.epsilon);
    }
  }

  /// In double and in lanes, which always give the same result.
  static double sum_of_squares(const T* x, std::size_t n) {
    constexpr std::size_t lanes = 16;
    double sums[lanes] = {};
    const std::size_t whole = n - n % lanes;
    for (std::size_t i = 0; i < whole; i += lanes)
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        const auto value = static_cast<double>(x[i + lane]);
        sums[lane] += value * value;
      }
    for (std::size_t i = whole; i < n; ++i) {
      const auto value = static_cast<double>(x[i]);
      sums[i - whole] += value * value;
    }
    double total = 0;
    for (const double sum : sums) total += sum;
    return total;
  }

  static void scale(T* x, std::size_t n, T factor) {
    for (std::size_t i = 0; i < n; ++i) x[i] *= factor;
  }

  static constexpr UpdateKernels<T> table{&adam, &sgd, &rmsprop, &adagrad, &sum_of_squares, &scale};
};

template <class T, tapestry::detail::Architecture architecture>
const UpdateKernels<T>& update_kernels_for() {
  return UpdateKernelsFor<T, architecture>::table;
}

}  // namespace tapestry::optim
