// SPDX-License-Identifier: MIT
#include "dot/drawing.hpp"

#include <algorithm>
#include <utility>

#include "dot/buses.hpp"
#include "dot/guides.hpp"

namespace tapestry::detail {
namespace {

/// The scope that `scope` is in outside of all time steps.
std::uint32_t outside_steps(const Graph& graph, std::uint32_t scope) {
  std::uint32_t outside = scope;
  for (; scope != 0; scope = graph.scopes()[scope].parent)
    if (graph.scopes()[scope].kind == ScopeKind::step) outside = graph.scopes()[scope].parent;
  return outside;
}

class Builder {
 public:
  Builder(const Graph& graph, const DotOptions& options) : graph_(graph), options_(options) {}

  Drawing build() {
    group();
    if (options_.roll_steps) roll();
    choose();
    add_boxes();
    add_arrows();
    const bool weights = mark_shared();
    const auto in_step = [&](const Box& box) { return step_of(graph_, box.scope) != 0; };
    const bool recurrent = weights || std::ranges::any_of(drawing_.boxes, in_step);
    drawing_.to_the_right = options_.direction == DotDirection::left_to_right ||
                            (options_.direction == DotDirection::automatic && recurrent);
    add_guides(graph_, drawing_);
    add_arrows_back();
    add_buses(graph_, drawing_);
    return std::move(drawing_);
  }

 private:
  /// Finds the first value of the box that each value belongs to.
  void group() {
    leader_.resize(graph_.size());
    std::vector<std::uint32_t> first_use(graph_.parameter_count(), no_box);
    for (std::uint32_t i = 0; i < graph_.size(); ++i) {
      const GraphNode& node = graph_[i];
      leader_[i] = i;
      if (node.output_count > 1) {
        if (i > 0 && graph_[i - 1].first_output == node.first_output) leader_[i] = leader_[i - 1];
      } else if (is_merged(node)) {
        std::uint32_t& first = first_use[node.parameter];
        if (first == no_box) first = i;
        leader_[i] = first;
      }
    }
  }

  [[nodiscard]] bool is_merged(const GraphNode& node) const {
    return node.parameter != GraphNode::no_parameter && !options_.parameter_uses;
  }

  /// Puts the first of several equal steps in the place of them all.
  void roll() {
    rolling_ = roll_steps(graph_);
    const std::vector<std::uint32_t> own = leader_;
    for (std::uint32_t i = 0; i < graph_.size(); ++i) leader_[i] = own[rolling_.stands_in[i]];
    drawing_.rolls = rolling_.rolls;
  }

  [[nodiscard]] bool is_rolled(std::uint32_t node) const {
    return !rolling_.stands_in.empty() && rolling_.stands_in[node] != node;
  }

  /// What leads from each of the rolled steps to the next.
  void add_arrows_back() {
    for (const RollLink& link : rolling_.links) {
      const std::uint32_t from = box_[leader_[link.from]];
      const std::uint32_t to = box_[leader_[link.to]];
      if (from == no_box || to == no_box) continue;
      const Box& source = drawing_.boxes[from];
      drawing_.arrows.push_back({.from = from,
                                 .to = to,
                                 .output = source.count > 1 ? link.from - source.node : 0,
                                 .kind = ArrowKind::recurrent,
                                 .back = true});
    }
  }

  /// Keeps the boxes that are nearest to the roots, level by level.
  void choose() {
    box_.assign(graph_.size(), no_box);
    std::vector<std::uint32_t> queue;
    const auto reach = [&](std::uint32_t node) {
      const std::uint32_t leader = leader_[node];
      if (box_[leader] != no_box) return;
      box_[leader] = 0;
      queue.push_back(leader);
    };
    for (const std::uint32_t root : graph_.roots()) reach(root);
    std::size_t next = 0;
    while (next < queue.size())
      for (const GraphEdge& edge : graph_.inputs(queue[next++])) reach(edge.from);
    for (std::size_t k = options_.max_nodes; k < queue.size(); ++k) box_[queue[k]] = no_box;
    drawing_.left_out = queue.size() - std::min(queue.size(), options_.max_nodes);
  }

  void add_boxes() {
    for (std::uint32_t i = 0; i < graph_.size(); ++i) {
      std::uint32_t& box = box_[leader_[i]];
      if (box == no_box || is_rolled(i)) continue;
      const bool merged = is_merged(graph_[i]);
      const std::uint32_t scope = merged ? outside_steps(graph_, graph_[i].scope) : graph_[i].scope;
      if (leader_[i] == i) {
        box = static_cast<std::uint32_t>(drawing_.boxes.size());
        drawing_.boxes.push_back({.node = i, .scope = scope});
      } else if (merged) {
        drawing_.boxes[box].scope = common_scope(graph_, drawing_.boxes[box].scope, scope);
      } else {
        ++drawing_.boxes[box].count;
      }
    }
  }

  void add_arrows() {
    time_.assign(drawing_.boxes.size(), -1);
    for (std::uint32_t to = 0; to < drawing_.boxes.size(); ++to) {
      Box& box = drawing_.boxes[to];
      const GraphScope& step = graph_.scopes()[step_of(graph_, box.scope)];
      if (step.kind == ScopeKind::step) time_[to] = step.number;
      for (const GraphEdge& edge : graph_.inputs(box.node)) {
        const std::uint32_t from = box_[leader_[edge.from]];
        if (from == no_box) {
          box.cut = true;
          continue;
        }
        const Box& source = drawing_.boxes[from];
        const bool rolled = is_rolled(edge.from);
        if (rolled && has_arrow(from, to)) continue;
        const std::uint32_t value = rolled ? rolling_.stands_in[edge.from] : edge.from;
        const std::uint32_t output = source.count > 1 ? value - source.node : 0;
        drawing_.arrows.push_back(
            {from, to, output, edge.slot,
             is_recurrent(from, to) ? ArrowKind::recurrent : ArrowKind::plain});
        if (step.kind != ScopeKind::step) time_[to] = std::max(time_[to], time_[from]);
      }
    }
  }

  [[nodiscard]] bool has_arrow(std::uint32_t from, std::uint32_t to) const {
    for (auto arrow = drawing_.arrows.rbegin(); arrow != drawing_.arrows.rend() && arrow->to == to;
         ++arrow)
      if (arrow->from == from) return true;
    return false;
  }

  /// Whether an arrow leads on to another time step. Boxes outside of the steps belong to the
  /// latest one that they depend on.
  [[nodiscard]] bool is_recurrent(std::uint32_t from, std::uint32_t to) const {
    const GraphScope& a = graph_.scopes()[step_of(graph_, drawing_.boxes[from].scope)];
    const GraphScope& b = graph_.scopes()[step_of(graph_, drawing_.boxes[to].scope)];
    if (b.kind != ScopeKind::step || time_[from] < 0) return false;
    const bool same_loop = a.kind == ScopeKind::step && a.parent == b.parent;
    return same_loop ? a.number != b.number : time_[from] < b.number;
  }

  /// Finds the leaves with several users; returns whether one of them needs a gradient.
  bool mark_shared() {
    std::vector<std::uint32_t> user(drawing_.boxes.size(), no_box);
    std::vector<bool> shared(drawing_.boxes.size());
    bool weights = false;
    for (Arrow& arrow : drawing_.arrows) {
      const GraphNode& node = graph_[drawing_.boxes[arrow.from].node];
      if (!node.op.empty() || !node.requires_grad) continue;
      arrow.again = user[arrow.from] != no_box;
      if (arrow.again && user[arrow.from] != arrow.to) weights = shared[arrow.from] = true;
      user[arrow.from] = arrow.to;
    }
    for (Arrow& arrow : drawing_.arrows)
      if (shared[arrow.from]) arrow.kind = ArrowKind::shared;
    return weights;
  }

  const Graph& graph_;
  const DotOptions& options_;
  Drawing drawing_;
  Rolling rolling_;                    // empty when steps are not rolled up
  std::vector<std::uint32_t> leader_;  // of each value
  std::vector<std::uint32_t> box_;     // of each leader; no_box for those left out
  std::vector<std::int64_t> time_;     // step of each box; -1 before any
};

}  // namespace

std::uint32_t common_scope(const Graph& graph, std::uint32_t a, std::uint32_t b) {
  while (a != b) {  // parents have the smaller numbers
    std::uint32_t& inner = a > b ? a : b;
    inner = graph.scopes()[inner].parent;
  }
  return a;
}

Drawing make_drawing(const Graph& graph, const DotOptions& options) {
  return Builder(graph, options).build();
}

}  // namespace tapestry::detail
