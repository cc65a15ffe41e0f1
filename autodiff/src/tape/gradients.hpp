// SPDX-License-Identifier: MIT
// Gradients as variables, for whoever builds on them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/gradient.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

/// What is differentiated: sum_i sum(seeds[i] * variables[i]). An empty handle as seed stands for
/// 1, and its variable must be a scalar.
template <class T>
struct Roots {
  std::vector<Variable<T>> variables;
  std::vector<Variable<T>> seeds;
};

/// The gradients of `roots` with respect to each of `x`, zeros where there is no path. What they
/// depend on must have been checked.
template <class T>
std::vector<Variable<T>> seeded_gradients(TapeState<T>& state, std::string_view op,
                                          const Roots<T>& roots, std::span<const Variable<T>> x,
                                          GradientOptions options);

/// Throws StaleVariable, and GradientError when an `x` needs no gradient; returns the tape.
template <class T>
TapeState<T>& check_sources(std::string_view op, const Variable<T>& y,
                            std::span<const Variable<T>> x);

/// Throws StaleVariable, and ShapeError when `seed` is not shaped like `y`.
template <class T>
void check_seed(std::string_view op, const Variable<T>& y, const Variable<T>& seed);

}  // namespace tapestry::detail
