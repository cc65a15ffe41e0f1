// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "tapestry/autodiff/array.hpp"

namespace tapestry::detail {

/// Singular values of a matrix, descending.
std::vector<double> singular_values(const Array<double>& matrix);

/// The largest absolute value of an eigenvalue of a square matrix.
double spectral_radius(const Array<double>& matrix);

}  // namespace tapestry::detail
