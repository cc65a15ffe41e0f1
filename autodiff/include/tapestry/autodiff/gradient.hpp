// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

struct GradientOptions {
  /// Record the backward pass, so that the gradients can be differentiated again.
  bool differentiable = false;
};

/// Gradients of `y` by each of `x`, which may be leaves or intermediate results, as variables of
/// the same tape shaped like the `x`; zeros where `y` does not depend on one. Gradients that are
/// kept elsewhere (`Variable::grad`, `Parameter::grad`) are left alone. Without `differentiable`
/// the results are constants. Throws GradientError when `y` is not a scalar or depends on nothing
/// that needs a gradient, or an `x` needs none; StaleVariable.
template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, std::span<const Variable<T>> x,
                                   GradientOptions options = {});

/// The same for a list in braces: `const auto [dx, dw] = gradients(loss, {x, w});`.
template <class T, std::size_t n>
std::array<Variable<T>, n> gradients(const Variable<T>& y, const Variable<T> (&x)[n],
                                     GradientOptions options = {}) {
  std::vector<Variable<T>> results = gradients(y, std::span<const Variable<T>>(x), options);
  std::array<Variable<T>, n> array;
  for (std::size_t i = 0; i < n; ++i) array[i] = std::move(results[i]);
  return array;
}

}  // namespace tapestry
