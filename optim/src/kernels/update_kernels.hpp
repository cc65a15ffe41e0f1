// SPDX-License-Identifier: MIT
// The rules of the optimizers and of clipping on arrays: written as plain loops, which the compiler
// vectorises for each architecture. Products and sums are rounded one by one on all of them.
#pragma once

#include <cstddef>

#include "tapestry/kernels/detail/architecture.hpp"

namespace tapestry::optim {

/// One step of Adam or AdamW for `size` numbers; the letters are those of `Adam`.
template <class T>
struct AdamTask {
  std::size_t size;
  const T* grad;
  T* value;
  T* mean;
  T* square;
  T rate;  // learning_rate / (1 - beta1^t)
  T root;  // sqrt(1 - beta2^t)
  T epsilon;
  T decay;
  T keep;  // share of the value that remains: AdamW decays it directly
  T beta1;
  T beta2;
  T rest1;  // 1 - beta1
  T rest2;  // 1 - beta2

  [[nodiscard]] AdamTask part(std::size_t first, std::size_t count) const {
    AdamTask t = *this;
    t.size = count;
    t.grad += first, t.value += first, t.mean += first, t.square += first;
    return t;
  }
};

/// One step of SGD: along grad_share g + direction_share b, with b = keep b + add g.
template <class T>
struct SgdTask {
  std::size_t size;
  const T* grad;
  T* value;
  T* direction;  // null without momentum; then the step is along g
  T rate;
  T decay;
  T keep;
  T add;
  T grad_share;
  T direction_share;

  [[nodiscard]] SgdTask part(std::size_t first, std::size_t count) const {
    SgdTask t = *this;
    t.size = count;
    t.grad += first, t.value += first;
    if (t.direction) t.direction += first;
    return t;
  }
};

/// One step of RMSprop.
template <class T>
struct RmspropTask {
  std::size_t size;
  const T* grad;
  T* value;
  T* square;
  T* direction;  // null without momentum
  T* mean;       // null unless centered
  T rate;
  T epsilon;
  T decay;
  T keep;
  T alpha;
  T rest;  // 1 - alpha

  [[nodiscard]] RmspropTask part(std::size_t first, std::size_t count) const {
    RmspropTask t = *this;
    t.size = count;
    t.grad += first, t.value += first, t.square += first;
    if (t.direction) t.direction += first;
    if (t.mean) t.mean += first;
    return t;
  }
};

/// One step of Adagrad.
template <class T>
struct AdagradTask {
  std::size_t size;
  const T* grad;
  T* value;
  T* sum;
  T rate;  // learning_rate / (1 + (t - 1) learning_rate_decay)
  T epsilon;
  T decay;

  [[nodiscard]] AdagradTask part(std::size_t first, std::size_t count) const {
    AdagradTask t = *this;
    t.size = count;
    t.grad += first, t.value += first, t.sum += first;
    return t;
  }
};

template <class T>
struct UpdateKernels {
  void (*adam)(const AdamTask<T>&);
  void (*sgd)(const SgdTask<T>&);
  void (*rmsprop)(const RmspropTask<T>&);
  void (*adagrad)(const AdagradTask<T>&);
  double (*sum_of_squares)(const T* x, std::size_t n);
  void (*scale)(T* x, std::size_t n, T factor);
};

/// Those compiled for an architecture, which must run on this machine.
template <class T>
const UpdateKernels<T>& update_kernels(
    tapestry::detail::Architecture architecture = tapestry::detail::best_architecture());

/// The same, for the files that are compiled for it.
template <class T, tapestry::detail::Architecture architecture>
const UpdateKernels<T>& update_kernels_for();

}  // namespace tapestry::optim
