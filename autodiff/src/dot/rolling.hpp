// SPDX-License-Identifier: MIT
// Time steps that repeat each other, drawn as one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tapestry/autodiff/graph.hpp"

namespace tapestry::detail {

/// Steps one after another that do the same.
struct Roll {
  std::uint32_t scope = 0;  // of the first, which stands for all
  std::size_t count = 0;
  std::int64_t last = 0;  // number of the last one
};

/// A value that the next step of a roll takes from the one before.
struct RollLink {
  std::uint32_t from = 0;  // both in the first step
  std::uint32_t to = 0;
};

struct Rolling {
  std::vector<std::uint32_t> stands_in;  // for each node, the one that is drawn in its place
  std::vector<Roll> rolls;
  std::vector<RollLink> links;
};

/// Finds runs of at least three steps. Steps are the same if their nodes are, one by one, apart
/// from numbers in names and positions of slices, and take their inputs from places that move on
/// with the step: the step before, or one step of another loop.
[[nodiscard]] Rolling roll_steps(const Graph& graph);

/// What a roll adds to the label of its step: " … 48  ⟳ ×48"; empty for other scopes.
[[nodiscard]] std::string roll_label(const std::vector<Roll>& rolls, std::uint32_t scope);

}  // namespace tapestry::detail
