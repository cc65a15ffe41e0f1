// SPDX-License-Identifier: MIT
// The paths that contribute most: between scalars by dynamic programming, between arrays by
// best-first search.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <queue>
#include <utility>

#include "operator_norm.hpp"
#include "path_set.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::detail {
namespace {

/// Paths can only be put in order when what they contribute is finite.
template <class T>
void check_finite(const PathSet<T>& set, std::uint32_t place, double number) {
  if (std::isfinite(number)) return;
  throw GradientError("strongest", "the gradient at '" + set.view.label(place) +
                                       "', on its way back from '" + set.record().to_label() +
                                       "', is not finite");
}

/// The rest of a path, from some node to the sink: its first edge, and which of the lists of that
/// edge's end it goes on with.
struct Tail {
  double size = 0;  // logarithm of the absolute product of the partial derivatives
  std::uint32_t edge = none;
  std::uint32_t rank = 0;
  bool negative = false;  // of what follows the edge
};

/// For each node the k tails with the largest products above zero, and below: a negative factor
/// exchanges the two.
template <class T>
class StrongestTails {
 public:
  StrongestTails(const PathSet<T>& set, std::size_t k) : set_(set), k_(k), tails_(set.view.size()) {
    const View<T>& view = set.view;
    const std::vector<double>& weights = set.weights();
    tails_[view.sink()][set.seed[0] < 0].push_back(
        {std::log(std::abs(static_cast<double>(set.seed[0]))), none, 0, false});
    for (std::uint32_t place = view.sink(); place-- > 0;)
      for (const bool negative : {false, true}) collect(place, negative, weights);
  }

  /// The best of all sources, as paths.
  std::vector<Path<T>> paths(const std::shared_ptr<const PathSet<T>>& set, int sign) const {
    struct Start {
      double size;
      std::uint32_t source;
      bool negative;
      std::uint32_t rank;
    };
    std::vector<Start> starts;
    for (const std::uint32_t source : set->view.sources())
      for (const bool negative : {false, true}) {
        if (sign != 0 && negative != (sign < 0)) continue;
        const std::vector<Tail>& tails = tails_[source][negative];
        for (std::uint32_t rank = 0; rank < tails.size(); ++rank)
          starts.push_back({tails[rank].size, source, negative, rank});
      }
    std::ranges::stable_sort(starts, std::greater<>(), &Start::size);
    if (starts.size() > k_) starts.resize(k_);
    std::vector<Path<T>> result;
    result.reserve(starts.size());
    for (const Start& start : starts)
      result.emplace_back(set, start.source, edges(start.source, start.negative, start.rank));
    return result;
  }

 private:
  void collect(std::uint32_t place, bool negative, const std::vector<double>& weights) {
    std::vector<Tail>& best = tails_[place][negative];
    for (const std::uint32_t edge : set_.view.out(place)) {
      const double weight = weights[edge];
      check_finite(set_, place, weight);
      if (weight == 0) continue;
      const bool after = negative != (weight < 0);
      const std::vector<Tail>& rest = tails_[set_.view.edges()[edge].to][after];
      for (std::uint32_t rank = 0; rank < rest.size(); ++rank)
        best.push_back({rest[rank].size + std::log(std::abs(weight)), edge, rank, after});
    }
    std::ranges::stable_sort(best, std::greater<>(), &Tail::size);
    if (best.size() > k_) best.resize(k_);
  }

  [[nodiscard]] std::vector<std::uint32_t> edges(std::uint32_t place, bool negative,
                                                 std::uint32_t rank) const {
    std::vector<std::uint32_t> result;
    while (place != set_.view.sink()) {
      const Tail& tail = tails_[place][negative][rank];
      result.push_back(tail.edge);
      place = set_.view.edges()[tail.edge].to;
      negative = tail.negative;
      rank = tail.rank;
    }
    return result;
  }

  const PathSet<T>& set_;
  std::size_t k_;
  std::vector<std::array<std::vector<Tail>, 2>> tails_;  // above zero, below
};

/// Backward from the sink, the most promising beginning first. A cotangent y at a node can become
/// at most |y| times the bound of the node, so paths are complete in their true order.
template <class T>
class BestFirst {
 public:
  explicit BestFirst(const std::shared_ptr<const PathSet<T>>& set)
      : set_(set), bounds_(path_bounds(set->view)) {
    push(set->view.sink(), none, none, set->seed);
  }

  std::vector<Path<T>> run(std::size_t k, std::string& stopped) {
    std::vector<Path<T>> found;
    std::size_t steps = 0;
    while (!queue_.empty() && found.size() < k) {
      const Entry top = queue_.top();
      queue_.pop();
      if (top.complete) {
        found.push_back(path(top.state));
        continue;
      }
      if (++steps > set_->options.search_limit)
        stopped = "the search ended after PathOptions::search_limit = " +
                  std::to_string(set_->options.search_limit) + " steps";
      else if (held_ > most_held)
        stopped = "the search ended after " + std::to_string(steps) +
                  " steps, with too many beginnings of paths to remember";
      if (!stopped.empty()) break;
      expand(top.state);
    }
    if (stopped.empty() && !bounds_.proven)
      stopped =
          "in an order that rests on estimated bounds: some arrays are too large for exact "
          "ones";
    return found;
  }

 private:
  struct State {
    std::uint32_t place;
    std::uint32_t edge;   // by which it was reached
    std::uint32_t after;  // the state it was reached from
    Numbers<T> cotangent;
  };
  struct Entry {
    double bound;
    bool complete;
    std::uint32_t state;
    bool operator<(const Entry& other) const {
      if (bound != other.bound) return bound < other.bound;
      return complete != other.complete ? other.complete : state > other.state;
    }
  };

  void push(std::uint32_t place, std::uint32_t edge, std::uint32_t after, Numbers<T> cotangent) {
    const double size = detail::norm(cotangent);
    check_finite(*set_, place, size);
    const double bound = size * bounds_.by_node[place];
    if (!(bound > 0)) return;
    const auto state = static_cast<std::uint32_t>(states_.size());
    const auto& sources = set_->view.sources();
    const bool complete = std::ranges::find(sources, place) != sources.end();
    if (complete) cotangent = {};
    held_ += cotangent.size();
    states_.push_back({place, edge, after, std::move(cotangent)});
    queue_.push({complete ? size : bound, complete, state});
  }

  void expand(std::uint32_t state) {
    const Numbers<T> cotangent = std::exchange(states_[state].cotangent, {});
    held_ -= cotangent.size();
    const std::uint32_t place = states_[state].place;
    std::vector<Numbers<T>> results = set_->view.vjp_into(place, cotangent);
    const auto edges = set_->view.in(place);
    for (std::size_t k = 0; k < edges.size(); ++k)
      push(set_->view.edges()[edges[k]].from, edges[k], state, std::move(results[k]));
  }

  [[nodiscard]] Path<T> path(std::uint32_t state) const {
    const std::uint32_t start = states_[state].place;
    std::vector<std::uint32_t> edges;
    for (; states_[state].edge != none; state = states_[state].after)
      edges.push_back(states_[state].edge);
    return Path<T>(set_, start, std::move(edges));
  }

  std::shared_ptr<const PathSet<T>> set_;
  PathBounds bounds_;
  std::vector<State> states_;
  std::priority_queue<Entry> queue_;
  std::size_t held_ = 0;  // numbers in the cotangents of all states

  static constexpr std::size_t most_held = std::size_t{1} << 26;
};

}  // namespace

template <class T>
std::vector<Path<T>> strongest_scalar_paths(const std::shared_ptr<const PathSet<T>>& set,
                                            std::size_t k, int sign) {
  if (set->view.sources().empty() || set->seed[0] == T{0}) return {};
  return StrongestTails<T>(*set, k).paths(set, sign);
}

template <class T>
std::vector<Path<T>> strongest_array_paths(const std::shared_ptr<const PathSet<T>>& set,
                                           std::size_t k, std::string& stopped) {
  if (set->view.sources().empty()) return {};
  return BestFirst<T>(set).run(k, stopped);
}

TAPESTRY_INSTANTIATE(strongest_scalar_paths, strongest_array_paths)

}  // namespace tapestry::detail
