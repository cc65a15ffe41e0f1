// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "tapestry/kernels/detail/architecture.hpp"

namespace tapestry::detail {

/// Functions of arrays: y[i] = f(x[i]) for i < n, at any alignment; y may be x.
template <class T>
struct VectorMath {
  using Function = void (*)(const T* x, T* y, std::size_t n);
  Function exp;
  Function tanh;
  Function sigmoid;
};

/// Those compiled for an architecture, which must run on this machine.
template <class T>
const VectorMath<T>& vector_math(Architecture architecture = best_architecture());

/// The same, for the files that are compiled for it.
template <class T, Architecture architecture>
const VectorMath<T>& vector_math_for();

}  // namespace tapestry::detail
