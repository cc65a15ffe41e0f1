// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include "graph/items.hpp"
#include "tapestry/autodiff/graph.hpp"

namespace tapestry::detail {

/// The graph of items that were collected for `roots`.
template <class T>
Graph graph_of(const TapeState<T>& state, const Items<T>& items, std::span<const Variable<T>> roots,
               const SnapshotOptions& options);

}  // namespace tapestry::detail
