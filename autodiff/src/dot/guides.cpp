// SPDX-License-Identifier: MIT
#include "dot/guides.hpp"

#include <algorithm>
#include <map>

namespace tapestry::detail {
namespace {

constexpr std::size_t most_guides = 64;  // from one step to the next

/// The boxes of a time step where it begins and ends.
struct StepEnds {
  std::uint32_t scope = 0;
  std::vector<std::uint32_t> first;
  std::vector<std::uint32_t> last;
};

/// The time steps that hold ops, by the scope that they are steps of, in order of computation.
std::map<std::uint32_t, std::vector<StepEnds>> find_loops(const Graph& graph,
                                                          const Drawing& drawing) {
  const std::size_t count = drawing.boxes.size();
  std::vector<std::uint32_t> step(count);
  for (std::size_t b = 0; b < count; ++b) step[b] = step_of(graph, drawing.boxes[b].scope);
  std::vector<bool> entered(count);
  std::vector<bool> left(count);
  for (const Arrow& arrow : drawing.arrows)
    if (step[arrow.from] == step[arrow.to] && !graph[drawing.boxes[arrow.from].node].op.empty())
      entered[arrow.to] = left[arrow.from] = true;

  std::map<std::uint32_t, std::vector<StepEnds>> loops;
  std::map<std::uint32_t, std::size_t> number;  // of each step in its loop
  for (std::uint32_t b = 0; b < count; ++b) {
    if (step[b] == 0 || graph[drawing.boxes[b].node].op.empty()) continue;
    std::vector<StepEnds>& steps = loops[graph.scopes()[step[b]].parent];
    const auto [place, added] = number.try_emplace(step[b], steps.size());
    if (added) steps.push_back({step[b], {}, {}});
    if (!entered[b]) steps[place->second].first.push_back(b);
    if (!left[b]) steps[place->second].last.push_back(b);
  }
  return loops;
}

/// Whether nothing in the steps depends on a later one, as is the case unless they were computed
/// in turns.
bool in_order(const Graph& graph, const Drawing& drawing, const std::vector<StepEnds>& steps) {
  std::map<std::uint32_t, std::size_t> number;
  for (std::size_t k = 0; k < steps.size(); ++k) number[steps[k].scope] = k + 1;
  const auto own = [&](std::uint32_t box) {
    const auto found = number.find(step_of(graph, drawing.boxes[box].scope));
    return found == number.end() ? 0 : found->second;
  };
  std::vector<std::size_t> latest(drawing.boxes.size());  // step that each box depends on
  std::uint32_t done = 0;
  for (const Arrow& arrow : drawing.arrows) {
    for (; done <= arrow.to; ++done) latest[done] = std::max(latest[done], own(done));
    if (own(arrow.to) != 0 && latest[arrow.from] > own(arrow.to)) return false;
    latest[arrow.to] = std::max(latest[arrow.to], latest[arrow.from]);
  }
  return true;
}

void add_step_guides(const Graph& graph, Drawing& drawing) {
  for (const auto& [scope, steps] : find_loops(graph, drawing)) {
    if (!in_order(graph, drawing, steps)) continue;
    for (std::size_t k = 1; k < steps.size(); ++k) {
      const auto& last = steps[k - 1].last;
      const auto& first = steps[k].first;
      const bool all = last.size() * first.size() <= most_guides;
      for (const std::uint32_t from : last)
        for (const std::uint32_t to : first)
          if (all || from == last.front() || to == first.front())
            drawing.guides.push_back({from, to});
    }
  }
}

bool is_inside(const Graph& graph, std::uint32_t scope, std::uint32_t outer) {
  return common_scope(graph, scope, outer) == outer;
}

/// Puts the leaves of each part of the model after what comes in from the part before.
void add_part_guides(const Graph& graph, Drawing& drawing) {
  std::vector<std::uint32_t> entry(graph.scopes().size(), no_box);  // the first box that feeds it
  for (const Arrow& arrow : drawing.arrows) {
    const std::uint32_t from = drawing.boxes[arrow.from].scope;
    if (graph[drawing.boxes[arrow.from].node].op.empty()) continue;
    for (std::uint32_t s = drawing.boxes[arrow.to].scope; !is_inside(graph, from, s);
         s = graph.scopes()[s].parent)
      if (entry[s] == no_box && !is_inside(graph, s, from)) entry[s] = arrow.from;
  }
  std::vector<bool> placed(drawing.boxes.size());
  for (const Arrow& arrow : drawing.arrows) {  // the first use of each leaf
    const Box& box = drawing.boxes[arrow.from];
    if (placed[arrow.from] || !graph[box.node].op.empty()) continue;
    placed[arrow.from] = true;
    if (entry[box.scope] < arrow.to) drawing.guides.push_back({entry[box.scope], arrow.from});
  }
}

}  // namespace

std::uint32_t step_of(const Graph& graph, std::uint32_t scope) {
  while (scope != 0 && graph.scopes()[scope].kind != ScopeKind::step)
    scope = graph.scopes()[scope].parent;
  return scope;
}

void add_guides(const Graph& graph, Drawing& drawing) {
  add_step_guides(graph, drawing);
  add_part_guides(graph, drawing);
}

}  // namespace tapestry::detail
