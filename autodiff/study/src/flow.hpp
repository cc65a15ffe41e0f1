// SPDX-License-Identifier: MIT
#pragma once

#include "record.hpp"
#include "tapestry/study/flow.hpp"

namespace tapestry {

template <class T>
struct GradientFlow<T>::Data {
  explicit Data(std::shared_ptr<const detail::Record<T>> of) : record(std::move(of)) {}

  std::shared_ptr<const detail::Record<T>> record;
  std::vector<double> by_node;
  std::vector<double> by_edge;
  double total = 0;

  /// What arrives at a node, or leaves it, along edges.
  [[nodiscard]] double sum(std::span<const std::uint32_t> edges) const {
    double flow = 0;
    for (const std::uint32_t edge : edges) flow += by_edge[edge];
    return flow;
  }
};

namespace detail {

/// The tangents of all nodes when the sources move along `direction`.
template <class T>
std::vector<Numbers<T>> tangents(const Record<T>& record, const Numbers<T>& direction);

}  // namespace detail
}  // namespace tapestry
