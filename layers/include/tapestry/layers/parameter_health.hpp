// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "tapestry/autodiff/parameter_list.hpp"

namespace tapestry {

/// How a parameter fares in training. Norms are Euclidean.
struct ParameterHealth {
  std::string name;
  std::size_t size = 0;
  double norm = 0;
  double gradient_norm = 0;
  std::size_t not_finite = 0;  ///< elements of value and gradient that are infinite or NaN

  /// ||change in the update|| / ||value before it||: about 10⁻³ is usual. NaN when no update was
  /// watched.
  double update_ratio = std::numeric_limits<double>::quiet_NaN();
};

/// The health of parameters after backward. When `update` is given, it is called, once: it makes
/// the optimizer's step, and what that changes is measured.
template <class T>
std::vector<ParameterHealth> parameter_health(const ParameterList<T>& parameters,
                                              const std::function<void()>& update = {});

}  // namespace tapestry
