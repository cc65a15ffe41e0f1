// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

struct GradientOptions {
  /// Record the backward pass, so that the gradients can be differentiated again.
  bool differentiable = false;
};

/// Gradients of `y` with respect to each of `x`, which may be leaves or intermediate results, as
/// variables of the same tape shaped like the `x`; zeros where `y` does not depend on one.
/// Gradients that are kept elsewhere (`Variable::grad`, `Parameter::grad`) are left alone. Without
/// `differentiable` the results are constants. Throws GradientError when `y` is not a scalar or
/// depends on nothing that needs a gradient, or an `x` needs none; StaleVariable.
template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, std::span<const Variable<T>> x,
                                   GradientOptions options = {});

/// The same for `y` of any shape: gradients of sum(seed * y). Recorded gradients depend on `seed`,
/// too, and can be differentiated with respect to it. Throws ShapeError when it is not shaped like
/// `y`.
template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, std::span<const Variable<T>> x,
                                   const Variable<T>& seed, GradientOptions options = {});

namespace detail {

template <std::size_t n, class T>
std::array<Variable<T>, n> as_list(std::vector<Variable<T>> results) {
  std::array<Variable<T>, n> list;
  for (std::size_t i = 0; i < n; ++i) list[i] = std::move(results[i]);
  return list;
}

}  // namespace detail

/// The same for a list in braces: `const auto [dx, dw] = gradients(loss, {x, w});`.
template <class T, std::size_t n>
std::array<Variable<T>, n> gradients(const Variable<T>& y, const Variable<T> (&x)[n],
                                     GradientOptions options = {}) {
  return detail::as_list<n>(gradients(y, std::span<const Variable<T>>(x), options));
}
template <class T, std::size_t n>
std::array<Variable<T>, n> gradients(const Variable<T>& y, const Variable<T> (&x)[n],
                                     const Variable<T>& seed, GradientOptions options = {}) {
  return detail::as_list<n>(gradients(y, std::span<const Variable<T>>(x), seed, options));
}

}  // namespace tapestry
