// SPDX-License-Identifier: MIT
// LAPACK, through xtensor-blas. The only file that sees xlinalg.hpp, which clashes with cblas.h.
#include "linear_algebra.hpp"

#include <algorithm>
#include <complex>
#include <xtensor-blas/xlinalg.hpp>

namespace tapestry::detail {

std::vector<double> singular_values(const Array<double>& matrix) {
  const auto values = std::get<1>(xt::linalg::svd(matrix, false, false));
  return {values.begin(), values.end()};
}

double spectral_radius(const Array<double>& matrix) {
  double radius = 0;
  for (const std::complex<double> value : xt::linalg::eigvals(matrix))
    radius = std::max(radius, std::abs(value));
  return radius;
}

}  // namespace tapestry::detail
