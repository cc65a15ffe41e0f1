// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <limits>
#include <string>
#include <vector>

#include "tapestry/autodiff/parameter_list.hpp"

namespace tapestry {

/// The health of a parameter in training. Norms are Euclidean.
struct ParameterHealth {
  std::string name;
  std::size_t size = 0;
  double norm = 0;
  double gradient_norm = 0;
  std::size_t not_finite = 0;  ///< how many elements of value and gradient are infinite or NaN

  /// ||change in the update|| / ||value before the update||; about 10⁻³ is usual. NaN when no
  /// `update` was given.
  double update_ratio = std::numeric_limits<double>::quiet_NaN();
};

/// The health of parameters after backward. If `update` is given, it is called once. It shall make
/// the optimizer's step, and the change is measured.
template <class T>
std::vector<ParameterHealth> parameter_health(const ParameterList<T>& parameters,
                                              const std::function<void()>& update = {});

/// A table, as in a health report.
std::ostream& operator<<(std::ostream& out, const std::vector<ParameterHealth>& parameters);

}  // namespace tapestry
