// SPDX-License-Identifier: MIT
#include "dot/buses.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace tapestry::detail {
namespace {

constexpr std::size_t most_pieces = 5'000;  // about a second of Graphviz
constexpr std::uint32_t long_arrow = 5;     // ranks
constexpr std::size_t least_arrows = 4;     // that are worth a bus

/// Calls `visit(from, to)` for all that the layout puts one after another.
template <class Visit>
void for_each_order(const Drawing& drawing, const Visit& visit) {
  for (const Arrow& arrow : drawing.arrows)
    if (!arrow.back) visit(arrow.from, arrow.to);
  for (const Guide& guide : drawing.guides) visit(guide.from, guide.to);
}

/// The rank of each box: the longest way to it.
std::vector<std::uint32_t> ranks_of(const Drawing& drawing) {
  const std::size_t count = drawing.boxes.size();
  std::vector<std::vector<std::uint32_t>> next(count);
  std::vector<std::size_t> open(count);  // of what comes before
  for_each_order(drawing, [&](std::uint32_t from, std::uint32_t to) {
    next[from].push_back(to);
    ++open[to];
  });
  std::vector<std::uint32_t> rank(count), ready;
  for (std::uint32_t b = 0; b < count; ++b)
    if (open[b] == 0) ready.push_back(b);
  while (!ready.empty()) {
    const std::uint32_t from = ready.back();
    ready.pop_back();
    for (const std::uint32_t to : next[from]) {
      rank[to] = std::max(rank[to], rank[from] + 1);
      if (--open[to] == 0) ready.push_back(to);
    }
  }
  return rank;
}

class Buses {
 public:
  Buses(const Graph& graph, Drawing& drawing)
      : graph_(graph), drawing_(drawing), rank_(ranks_of(drawing)) {}

  void add() {
    if (pieces() <= most_pieces) return;
    using End = std::pair<std::uint32_t, std::uint32_t>;  // a box, and which of its outputs
    std::map<End, std::vector<std::uint32_t>> into, out_of;
    for (std::uint32_t a = 0; a < drawing_.arrows.size(); ++a) {
      const Arrow& arrow = drawing_.arrows[a];
      if (arrow.back || rank_[arrow.to] < rank_[arrow.from] + long_arrow) continue;
      into[{arrow.to, 0}].push_back(a);
      out_of[{arrow.from, arrow.output}].push_back(a);
    }
    for (auto& entry : into) {
      auto& arrows = entry.second;
      std::erase_if(arrows, [&](std::uint32_t a) {
        const Arrow& arrow = drawing_.arrows[a];
        return out_of[{arrow.from, arrow.output}].size() > arrows.size();
      });
      add_bus(arrows, true);
    }
    for (auto& [end, arrows] : out_of) {
      std::erase_if(arrows,
                    [&](std::uint32_t a) { return drawing_.arrows[a].joint != Arrow::no_joint; });
      add_bus(arrows, false);
    }
  }

 private:
  [[nodiscard]] std::size_t pieces() const {
    std::size_t sum = 0;
    for_each_order(drawing_, [&](std::uint32_t from, std::uint32_t to) {
      sum += rank_[to] - std::min(rank_[to], rank_[from]);
    });
    return sum;
  }

  /// Joins arrows that have one end in common, in the order of the other.
  void add_bus(std::vector<std::uint32_t>& arrows, bool into) {
    if (arrows.size() < least_arrows) return;
    const auto rank = [&](std::uint32_t a) {
      const Arrow& arrow = drawing_.arrows[a];
      return rank_[into ? arrow.from : arrow.to];
    };
    std::ranges::stable_sort(arrows, {}, rank);
    const Arrow& first = drawing_.arrows[arrows.front()];
    std::uint32_t scope = drawing_.boxes[into ? first.to : first.from].scope;
    for (const std::uint32_t a : arrows) {
      const Arrow& arrow = drawing_.arrows[a];
      scope = common_scope(graph_, scope, drawing_.boxes[into ? arrow.from : arrow.to].scope);
    }
    const std::uint32_t bus = drawing_.joints.empty() ? 0 : drawing_.joints.back().bus + 1;
    for (std::size_t k = 0; k < arrows.size(); ++k) {
      if (k == 0 || rank(arrows[k]) != rank(arrows[k - 1]))
        drawing_.joints.push_back({.arrow = arrows[k],
                                   .bus = bus,
                                   .scope = scope,
                                   .rank = rank(arrows[k]),
                                   .into = into});
      drawing_.arrows[arrows[k]].joint = static_cast<std::uint32_t>(drawing_.joints.size() - 1);
    }
  }

  const Graph& graph_;
  Drawing& drawing_;
  std::vector<std::uint32_t> rank_;
};

}  // namespace

void add_buses(const Graph& graph, Drawing& drawing) { Buses(graph, drawing).add(); }

}  // namespace tapestry::detail
