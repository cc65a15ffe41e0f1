// SPDX-License-Identifier: MIT
#include "operator_norm.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tapestry::detail {
namespace {

using Matrix = std::vector<std::vector<double>>;

constexpr double infinity = std::numeric_limits<double>::infinity();

// Beyond this a Jacobian is not written out.
constexpr std::size_t most_rows = 256;
constexpr std::size_t most_elements = std::size_t{1} << 22;

/// A Aᵀ, or Aᵀ A if that is smaller.
Matrix gram(const Matrix& a) {
  const std::size_t n = a.size();
  const std::size_t m = a[0].size();
  Matrix g(std::min(n, m), std::vector<double>(std::min(n, m)));
  if (n <= m) {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j) {
        double total = 0;
        for (std::size_t k = 0; k < m; ++k) total += a[i][k] * a[j][k];
        g[i][j] = g[j][i] = total;
      }
    return g;
  }
  for (const std::vector<double>& row : a)
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < m; ++j) g[i][j] += row[i] * row[j];
  return g;
}

Matrix squared(const Matrix& a) {
  const std::size_t n = a.size();
  Matrix s(n, std::vector<double>(n));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t j = 0; j < n; ++j) s[i][j] += a[i][k] * a[k][j];
  return s;
}

double frobenius(const Matrix& a) {
  double total = 0;
  for (const std::vector<double>& row : a)
    for (const double x : row) total += x * x;
  return std::sqrt(total);
}

/// Largest factor by which an edge stretches a vector, as power iteration finds it, and a margin.
template <class T>
double estimated_norm(const View<T>& view, std::uint32_t edge, std::size_t size) {
  constexpr int iterations = 30;
  constexpr double margin = 1.2;
  Numbers<T> y(size);
  for (std::size_t k = 0; k < size; ++k)
    y[k] = static_cast<T>(1 + 0.5 * std::sin(1.7 * static_cast<double>(k)));
  double stretch = 0;
  for (int i = 0; i < iterations; ++i) {
    const double length = detail::norm(y);
    if (!std::isfinite(length)) return infinity;
    if (length == 0) return 0;
    for (T& element : y) element = static_cast<T>(static_cast<double>(element) / length);
    const Numbers<T> x = view.vjp(edge, y);
    stretch = detail::norm(x);
    y = view.jvp(edge, x);
  }
  return margin * stretch;
}

}  // namespace

/// The spectral norm of G = A Aᵀ is at most |G^m|^(1/m) by the Frobenius norm, which comes closer
/// with each squaring of the matrix.
double spectral_norm_bound(const std::vector<std::vector<double>>& rows) {
  if (rows.empty() || rows[0].empty()) return 0;
  double largest = 0;
  for (const std::vector<double>& row : rows)
    for (const double x : row) {
      if (!std::isfinite(x)) return infinity;
      largest = std::max(largest, std::abs(x));
    }
  if (largest == 0) return 0;
  Matrix scaled = rows;  // squares neither overflow nor vanish
  for (std::vector<double>& row : scaled)
    for (double& x : row) x /= largest;
  Matrix g = gram(scaled);
  const int squarings = g.size() == 1 ? 0 : g.size() <= 64 ? 6 : 2;
  double log_norm = 0;
  double power = 1;
  for (int i = 0;; ++i) {
    const double size = frobenius(g);
    log_norm += std::log(size) / power;
    if (i == squarings) break;
    for (std::vector<double>& row : g)
      for (double& x : row) x /= size;
    g = squared(g);
    power *= 2;
  }
  return largest * std::exp(log_norm / 2) * (1 + 1e-9);
}

namespace {

/// The norms of the edges that end at a node, from their Jacobians, row by row.
template <class T>
std::vector<double> proven_norms(const View<T>& view, std::uint32_t place, std::size_t rows) {
  const auto edges = view.in(place);
  std::vector<Matrix> jacobians(edges.size());
  for (std::size_t i = 0; i < rows; ++i) {
    Numbers<T> one(rows);
    one[i] = T{1};
    const std::vector<Numbers<T>> results = view.vjp_into(place, one);
    for (std::size_t k = 0; k < edges.size(); ++k)
      if (!results[k].empty()) jacobians[k].emplace_back(results[k].begin(), results[k].end());
  }
  std::vector<double> norms(edges.size());
  std::ranges::transform(jacobians, norms.begin(), spectral_norm_bound);
  return norms;
}

}  // namespace

template <class T>
PathBounds path_bounds(const View<T>& view) {
  const auto size_of = [&](std::uint32_t place) {
    return view.record().shape(view.node(place)).size();
  };
  const double rounding = 1 + 1e3 * static_cast<double>(std::numeric_limits<T>::epsilon());
  PathBounds bounds;
  bounds.by_node.assign(view.size(), 0.0);
  for (const std::uint32_t source : view.sources()) bounds.by_node[source] = 1;
  for (std::uint32_t place = 0; place < view.size(); ++place) {
    const auto edges = view.in(place);
    if (edges.empty()) continue;
    const std::size_t rows = size_of(place);
    std::size_t columns = 0;
    for (const std::uint32_t edge : edges) columns += size_of(view.edges()[edge].from);
    const bool small = rows <= most_rows && rows * columns <= most_elements;
    std::vector<double> norms;
    if (small) norms = proven_norms(view, place, rows);
    bounds.proven = bounds.proven && small;
    for (std::size_t k = 0; k < edges.size(); ++k) {
      const double norm = small ? norms[k] : estimated_norm(view, edges[k], rows);
      const double before = bounds.by_node[view.edges()[edges[k]].from];
      bounds.by_node[place] = std::max(bounds.by_node[place], norm * rounding * before);
    }
  }
  return bounds;
}

TAPESTRY_INSTANTIATE(path_bounds)

}  // namespace tapestry::detail
