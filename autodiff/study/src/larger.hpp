// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

namespace tapestry::detail {

/// The larger one; NaN if one of them is, where std::max would lose it.
inline double larger(double a, double b) { return std::isnan(b) || b > a ? b : a; }

}  // namespace tapestry::detail
