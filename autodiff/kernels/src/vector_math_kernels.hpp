// SPDX-License-Identifier: MIT
// Included once for each architecture.
#pragma once

#include "tapestry/kernels/detail/batch_loop.hpp"
#include "tapestry/kernels/detail/batch_math.hpp"
#include "tapestry/kernels/detail/vector_math.hpp"

namespace tapestry::detail {

template <class T, Architecture architecture>
struct VectorMathKernels {
  using Batch = BatchOf<T, architecture>;

  static void exp(const T* x, T* y, std::size_t n) {
    for_each_batch<Batch>(n, [=](const auto& at) { at.store(y, batch_exp(at.load(x))); });
  }
  static void tanh(const T* x, T* y, std::size_t n) {
    for_each_batch<Batch>(n, [=](const auto& at) { at.store(y, batch_tanh(at.load(x))); });
  }
  static void sigmoid(const T* x, T* y, std::size_t n) {
    for_each_batch<Batch>(n, [=](const auto& at) { at.store(y, batch_sigmoid(at.load(x))); });
  }

  static constexpr VectorMath<T> table{&exp, &tanh, &sigmoid};
};

template <class T, Architecture architecture>
const VectorMath<T>& vector_math_for() {
  return VectorMathKernels<T, architecture>::table;
}

}  // namespace tapestry::detail
