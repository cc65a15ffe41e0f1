// SPDX-License-Identifier: MIT
#include "dot/rolling.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <utility>

#include "dot/guides.hpp"

namespace tapestry::detail {
namespace {

constexpr std::size_t shortest_roll = 3;
constexpr std::uint32_t outside = std::numeric_limits<std::uint32_t>::max();

struct Step {
  std::uint32_t scope = 0;
  std::vector<std::uint32_t> nodes;  // in the order of the tape
};

std::string without_digits(std::string_view name) {
  std::string text;
  for (const char c : name)
    if (c < '0' || c > '9') text += c;
  return text;
}

class Finder {
 public:
  explicit Finder(const Graph& graph) : graph_(graph) {
    std::map<std::uint32_t, std::uint32_t> number;  // of each step, by its scope
    for (std::uint32_t i = 0; i < graph.size(); ++i) {
      const std::uint32_t scope = step_of(graph, graph[i].scope);
      places_.push_back({outside, 0});
      if (scope == 0) continue;
      const auto [found, added] =
          number.try_emplace(scope, static_cast<std::uint32_t>(steps_.size()));
      if (added) steps_.push_back({scope, {}});
      Step& step = steps_[found->second];
      places_.back() = {found->second, static_cast<std::uint32_t>(step.nodes.size())};
      step.nodes.push_back(i);
    }
  }

  /// Steps that take inputs of another loop must take them from one of its rolls: where one roll
  /// ends another may have to, until all fit.
  Rolling find() {
    for (;;) {
      const std::size_t rolls = before_.rolls.size();
      const std::vector<std::uint32_t> stands_in = before_.stands_in;
      find_rolls();
      if (rolling_.stands_in == stands_in && rolling_.rolls.size() == rolls)
        return std::move(rolling_);
      before_ = std::exchange(rolling_, {});
    }
  }

 private:
  void find_rolls() {
    rolling_.stands_in.resize(graph_.size());
    std::iota(rolling_.stands_in.begin(), rolling_.stands_in.end(), 0u);
    std::map<std::uint32_t, std::vector<std::uint32_t>> loops;  // steps by the scope they are in
    for (std::uint32_t s = 0; s < steps_.size(); ++s) loops[scope(s).parent].push_back(s);
    for (const auto& [parent, steps] : loops) {
      std::size_t first = 0;
      for (std::size_t k = 1; k <= steps.size(); ++k) {
        if (k < steps.size() && same(steps_[steps[k - 1]], steps_[steps[k]]) &&
            reads_one_step_back(steps[k], steps[k - 1]))
          continue;
        if (k - first >= shortest_roll) roll(std::span(steps).subspan(first, k - first));
        first = k;
      }
    }
  }

  struct Place {
    std::uint32_t step;
    std::uint32_t position;
  };

  [[nodiscard]] const GraphScope& scope(std::uint32_t step) const {
    return graph_.scopes()[steps_[step].scope];
  }

  [[nodiscard]] bool same(const Step& a, const Step& b) const {
    if (a.nodes.size() != b.nodes.size()) return false;
    const std::int64_t shift = graph_.scopes()[b.scope].number - graph_.scopes()[a.scope].number;
    for (std::size_t i = 0; i < a.nodes.size(); ++i) {
      if (!alike(a.nodes[i], b.nodes[i])) return false;
      const auto from_a = graph_.inputs(a.nodes[i]);
      const auto from_b = graph_.inputs(b.nodes[i]);
      for (std::size_t j = 0; j < from_a.size(); ++j)
        if (!same_source(a.scope, from_a[j].from, from_b[j].from, shift)) return false;
    }
    return true;
  }

  /// Whether all that a step takes of its own loop is from the step before, and all of another loop
  /// from one step there: one arrow, from one step to the next, can then stand for it.
  [[nodiscard]] bool reads_one_step_back(std::uint32_t step, std::uint32_t before) const {
    std::map<std::uint32_t, std::uint32_t> sources;  // the step of each other loop
    for (const std::uint32_t node : steps_[step].nodes)
      for (const GraphEdge& edge : graph_.inputs(node)) {
        const std::uint32_t from = places_[edge.from].step;
        if (from == outside || from == step || from == before) continue;
        if (scope(from).parent == scope(step).parent) return false;
        if (sources.try_emplace(scope(from).parent, from).first->second != from) return false;
      }
    return true;
  }

  /// Whether two nodes look the same, whatever their inputs.
  [[nodiscard]] bool alike(std::uint32_t a, std::uint32_t b) const {
    const GraphNode& x = graph_[a];
    const GraphNode& y = graph_[b];
    const bool part = x.op == "slice";
    return x.op == y.op && x.role == y.role && x.root == y.root && x.parameter == y.parameter &&
           x.shape == y.shape && x.output == y.output && (part || x.attributes == y.attributes) &&
           graph_.inputs(a).size() == graph_.inputs(b).size() &&
           without_digits(x.name) == without_digits(y.name);
  }

  /// Whether inputs of two steps, `shift` apart, are as far apart themselves, or the same.
  [[nodiscard]] bool same_source(std::uint32_t own, std::uint32_t a, std::uint32_t b,
                                 std::int64_t shift) const {
    const Place x = places_[a];
    const Place y = places_[b];
    if (a == b) return true;
    if (x.step != outside && y.step != outside) {
      const bool other_loop = scope(x.step).parent != graph_.scopes()[own].parent;
      if (other_loop && !before_.stands_in.empty() && before_.stands_in[a] != before_.stands_in[b])
        return false;
      return x.position == y.position && scope(x.step).parent == scope(y.step).parent &&
             scope(y.step).number - scope(x.step).number == shift;
    }
    if (x.step != y.step || !alike(a, b)) return false;
    const auto from_a = graph_.inputs(a);  // such as two parts of one input
    const auto from_b = graph_.inputs(b);
    return std::ranges::equal(from_a, from_b, {}, &GraphEdge::from, &GraphEdge::from);
  }

  void roll(std::span<const std::uint32_t> steps) {
    const Step& first = steps_[steps[0]];
    rolling_.rolls.push_back({first.scope, steps.size(), scope(steps.back()).number});
    for (const std::uint32_t step : steps.subspan(1))
      for (std::size_t i = 0; i < first.nodes.size(); ++i)
        rolling_.stands_in[steps_[step].nodes[i]] = first.nodes[i];
    for (std::size_t i = 0; i < first.nodes.size(); ++i)
      for (const GraphEdge& edge : graph_.inputs(steps_[steps[1]].nodes[i]))
        if (places_[edge.from].step == steps[0])
          rolling_.links.push_back({edge.from, first.nodes[i]});
  }

  const Graph& graph_;
  std::vector<Step> steps_;
  std::vector<Place> places_;  // of each node
  Rolling rolling_;
  Rolling before_;  // the rolls that were found last
};

}  // namespace

Rolling roll_steps(const Graph& graph) { return Finder(graph).find(); }

std::string roll_label(const std::vector<Roll>& rolls, std::uint32_t scope) {
  const auto found = std::ranges::find(rolls, scope, &Roll::scope);
  if (found == rolls.end()) return {};
  return " … " + std::to_string(found->last) + "  ⟳ ×" + std::to_string(found->count);
}

}  // namespace tapestry::detail
