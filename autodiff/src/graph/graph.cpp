// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/graph.hpp"

#include <algorithm>

#include "graph/data.hpp"

namespace tapestry {

Graph::Graph() {
  auto data = std::make_shared<Data>();
  data->scopes.emplace_back();
  data->first_edge.push_back(0);
  data_ = std::move(data);
}

std::size_t Graph::size() const { return data_->nodes.size(); }
std::span<const GraphNode> Graph::nodes() const { return data_->nodes; }
std::span<const GraphEdge> Graph::edges() const { return data_->edges; }
std::span<const std::uint32_t> Graph::roots() const { return data_->roots; }
std::span<const GraphScope> Graph::scopes() const { return data_->scopes; }
std::size_t Graph::parameter_count() const { return data_->parameters; }

std::span<const GraphEdge> Graph::inputs(std::size_t position) const {
  const std::size_t first = data_->first_edge[position];
  return edges().subspan(first, data_->first_edge[position + 1] - first);
}

std::optional<std::size_t> Graph::find(std::uint32_t id) const {
  using Place = std::pair<std::uint32_t, std::uint32_t>;
  const auto found = std::ranges::lower_bound(data_->places, id, {}, &Place::first);
  if (found == data_->places.end() || found->first != id) return std::nullopt;
  return found->second;
}

GraphData Graph::value(std::size_t position) const { return data_->at(data_->values, position); }
GraphData Graph::gradient(std::size_t position) const {
  return data_->at(data_->gradients, position);
}

}  // namespace tapestry
