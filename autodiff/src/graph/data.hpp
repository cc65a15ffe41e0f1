// SPDX-License-Identifier: MIT
// What a Graph holds, for those that make one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tapestry/autodiff/graph.hpp"

namespace tapestry {

struct Graph::Data {
  struct Numbers {
    GraphData summary;  // without its elements
    std::size_t first = 0;
    std::size_t count = 0;
  };

  std::vector<GraphNode> nodes;
  std::vector<GraphEdge> edges;
  std::vector<std::size_t> first_edge;  // of each node, and one past the last
  std::vector<std::pair<std::uint32_t, std::uint32_t>> places;  // id and position, by id
  std::vector<std::uint32_t> roots;
  std::vector<GraphScope> scopes;
  std::size_t parameters = 0;
  std::unordered_map<std::uint32_t, Numbers> values;  // by position
  std::unordered_map<std::uint32_t, Numbers> gradients;
  std::vector<double> elements;
  std::unordered_set<std::string> texts;  // never moves what it holds

  [[nodiscard]] GraphData at(const std::unordered_map<std::uint32_t, Numbers>& numbers,
                             std::size_t position) const {
    const auto found = numbers.find(static_cast<std::uint32_t>(position));
    if (found == numbers.end()) return {};
    GraphData data = found->second.summary;
    data.elements = std::span(elements).subspan(found->second.first, found->second.count);
    return data;
  }
};

}  // namespace tapestry
