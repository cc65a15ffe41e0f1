// SPDX-License-Identifier: MIT
#include "path_set.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "tapestry/autodiff/error.hpp"

namespace tapestry::detail {

template <class T>
const Numbers<T>& PathSet<T>::checked_seed(std::string_view op) const {
  record().check(op);
  if (seed.empty() && record().to_shape().size() != 0)
    throw GradientError(op, "'" + record().to_label() + "' has shape " + record().to_shape().str() +
                                ": paths(...).seeded(array of that shape) tells how its elements "
                                "are weighted");
  return seed;
}

template <class T>
Arrows PathSet<T>::arrows() const {
  Arrows arrows;
  arrows.size = view.size();
  for (const auto& edge : view.edges()) arrows.ends.push_back({edge.from, edge.to});
  arrows.sources.assign(view.sources().begin(), view.sources().end());
  arrows.sink = view.sink();
  return arrows;
}

template <class T>
const PathCount& PathSet<T>::count() const {
  if (!count_) count_ = count_paths(arrows());
  return *count_;
}

template <class T>
const Numbers<T>& PathSet<T>::gradient() const {
  const Numbers<T>& from = checked_seed("paths");
  if (!gradient_) gradient_ = gradient_of(record(), record().everything(), from);
  return *gradient_;
}

template <class T>
const Numbers<T>& PathSet<T>::total() const {
  const Numbers<T>& from = checked_seed("paths");
  if (!total_) total_ = gradient_of(record(), view.kept(), from);
  return *total_;
}

template <class T>
double PathSet<T>::share(const Numbers<T>& x) const {
  const double whole = dot(gradient(), gradient());
  return whole > 0 ? dot(x, gradient()) / whole : std::numeric_limits<double>::quiet_NaN();
}

template <class T>
const std::vector<double>& PathSet<T>::weights() const {
  record().check("paths");
  if (!weights_.empty() || view.edges().empty()) return weights_;
  weights_.resize(view.edges().size());
  for (std::uint32_t place = 0; place < view.size(); ++place) {
    const auto edges = view.in(place);
    if (edges.empty()) continue;
    const std::vector<Numbers<T>> results = view.vjp_into(place, {T{1}});
    for (std::size_t k = 0; k < edges.size(); ++k)
      weights_[edges[k]] = results[k].empty() ? 0.0 : static_cast<double>(results[k][0]);
  }
  return weights_;
}

template <class T>
Numbers<T> PathSet<T>::transport(std::span<const std::uint32_t> edges) const {
  Numbers<T> cotangent = checked_seed("paths");
  for (std::size_t k = edges.size(); k-- > 0 && !cotangent.empty();)
    cotangent = view.vjp(edges[k], cotangent);
  return cotangent;
}

template <class T>
Array<T> edge_jacobian(const View<T>& view, std::uint32_t edge) {
  const Record<T>& record = view.record();
  Shape shape = record.shape(view.node(view.edges()[edge].to));
  const Shape by = record.shape(view.node(view.edges()[edge].from));
  const std::size_t rows = shape.size();
  for (const std::size_t extent : by) shape.push_back(extent);
  Numbers<T> elements(shape.size());
  for (std::size_t j = 0; j < rows; ++j) {
    Numbers<T> one(rows);
    one[j] = T{1};
    const Numbers<T> row = view.vjp(edge, one);
    std::ranges::copy(row, elements.begin() + static_cast<std::ptrdiff_t>(j * by.size()));
  }
  return to_array(elements, shape);
}

TAPESTRY_INSTANTIATE_TYPES(struct PathSet)
TAPESTRY_INSTANTIATE(edge_jacobian)

}  // namespace tapestry::detail
