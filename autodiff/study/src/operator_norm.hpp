// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "view.hpp"

namespace tapestry::detail {

/// How much the norm of a cotangent can grow on its way back to a source.
struct PathBounds {
  std::vector<double> by_node;  // of the view; 1 for sources
  bool proven = true;           // false when some factors are estimates
};

/// The bounds: for each node the largest product of the spectral norms of the partial derivatives
/// on a path from a source.
template <class T>
PathBounds path_bounds(const View<T>& view);

/// An upper bound for the largest singular value of a matrix, given as its rows; it exceeds the
/// value by at most a few per cent.
double spectral_norm_bound(const std::vector<std::vector<double>>& rows);

}  // namespace tapestry::detail
