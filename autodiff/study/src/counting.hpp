// SPDX-License-Identifier: MIT
// Sweeps over the structure of a graph, without its numbers: each is linear in its arrows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "record.hpp"
#include "tapestry/study/path_count.hpp"

namespace tapestry::detail {

struct ArrowEnds {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
};

/// A graph whose nodes are in topological order.
struct Arrows {
  std::size_t size = 0;         // nodes
  std::vector<ArrowEnds> ends;  // ascending by `to`
  std::vector<std::uint32_t> sources;
  std::uint32_t sink = none;  // when there is no path
};

/// The number of paths from the sources to the sink.
[[nodiscard]] PathCount count_paths(const Arrows& arrows);

/// Element n: that of the paths of n arrows. Takes as many additions as there are arrows, times the
/// number of arrows on the longest path.
[[nodiscard]] std::vector<PathCount> count_by_length(const Arrows& arrows);

struct PathLengths {
  std::size_t shortest = 0;
  std::size_t longest = 0;
  std::vector<std::size_t> to_sink_shortest;  // from each node
  std::vector<std::size_t> to_sink_longest;
};

/// How many arrows paths have. All zero when there is none.
[[nodiscard]] PathLengths path_lengths(const Arrows& arrows);

}  // namespace tapestry::detail
