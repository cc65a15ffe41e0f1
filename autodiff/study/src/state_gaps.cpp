// SPDX-License-Identifier: MIT
#include "state_gaps.hpp"

#include <algorithm>
#include <unordered_map>

#include "record.hpp"
#include "tapestry/autodiff/states.hpp"

namespace tapestry::detail {
namespace {

class GapFinder {
 public:
  GapFinder(const Graph& graph, const std::vector<StatePositions>& states)
      : graph_(graph), states_(states), furthest_(graph.size(), no_state) {
    for (std::size_t i = 0; i < states.size(); ++i)
      for (const std::uint32_t part : states[i].parts)
        state_of_[part] = static_cast<std::int64_t>(i);
    find_furthest();
  }

  void visit_all(const std::function<void(const StateGap&)>& visit) const {
    for (std::size_t i = 0; i + 2 < states_.size(); ++i)
      for (const std::uint32_t part : states_[i].parts)
        if (furthest_[part] > static_cast<std::int64_t>(i) + 1) {
          visit(follow(i, part));
          break;
        }
  }

 private:
  static constexpr std::int64_t no_state = -1;

  /// The state that a value is a part of.
  [[nodiscard]] std::int64_t state_of(std::uint32_t at) const {
    const auto found = state_of_.find(at);
    return found == state_of_.end() ? no_state : found->second;
  }

  /// The last state that comes next on some way from each value.
  void find_furthest() {
    for (auto at = static_cast<std::uint32_t>(graph_.size()); at-- > 0;) {
      const std::int64_t own = state_of(at);
      const std::int64_t next = own == no_state ? furthest_[at] : own;
      if (next == no_state) continue;
      for (const GraphEdge& edge : graph_.inputs(at))
        if (edge.differentiable) furthest_[edge.from] = std::max(furthest_[edge.from], next);
    }
  }

  /// The way from a part of state `from` to the first state after the next one.
  [[nodiscard]] StateGap follow(std::size_t from, std::uint32_t part) const {
    std::unordered_map<std::uint32_t, std::uint32_t> before{{part, part}};
    for (std::uint32_t at = part + 1; at < graph_.size(); ++at) {
      bool reached = false;
      for (const GraphEdge& edge : graph_.inputs(at)) {
        const bool passes = edge.differentiable && before.contains(edge.from) &&
                            (edge.from == part || state_of(edge.from) == no_state);
        if (passes && !reached) reached = before.try_emplace(at, edge.from).second;
      }
      if (reached && state_of(at) > static_cast<std::int64_t>(from) + 1)
        return gap_along(from, at, before);
    }
    return {from, from + 2, part, states_[from].time};
  }

  /// Where the way leaves the steps of the two first states.
  [[nodiscard]] StateGap gap_along(
      std::size_t from, std::uint32_t end,
      const std::unordered_map<std::uint32_t, std::uint32_t>& before) const {
    const auto time = [&](std::uint32_t at) { return time_of(graph_, graph_[at].scope); };
    std::uint32_t value = end;
    for (std::uint32_t at = end; before.at(at) != at;) {
      const bool later = time(at) != states_[from].time && time(at) != states_[from + 1].time;
      at = before.at(at);
      if (later) value = at;
    }
    const bool own = state_of(value) == static_cast<std::int64_t>(from) || time(value) == no_step;
    return {from, static_cast<std::size_t>(state_of(end)), value,
            own ? states_[from].time : time(value)};
  }

  const Graph& graph_;
  const std::vector<StatePositions>& states_;
  std::unordered_map<std::uint32_t, std::int64_t> state_of_;
  std::vector<std::int64_t> furthest_;
};

}  // namespace

void for_each_gap(const Graph& graph, const std::vector<StatePositions>& states,
                  const std::function<void(const StateGap&)>& visit) {
  GapFinder(graph, states).visit_all(visit);
}

}  // namespace tapestry::detail
