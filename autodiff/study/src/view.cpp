// SPDX-License-Identifier: MIT
#include "view.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace tapestry::detail {

template <class T>
View<T>::View(std::shared_ptr<const Record<T>> record, std::vector<bool> kept, ViewOptions options,
              std::vector<std::uint32_t> seen)
    : record_(std::move(record)),
      kept_(std::move(kept)),
      options_(std::move(options)),
      seen_(std::move(seen)) {
  keep_connected();
  choose_nodes();
  fold();
  in_ = Lists(nodes_.size(), edges_, &Edge::to);
  out_ = Lists(nodes_.size(), edges_, &Edge::from);
}

/// Drops the edges that are on no path from a source to the sink, and marks the nodes that are.
template <class T>
void View<T>::keep_connected() {
  const std::size_t size = record_->size();
  place_.assign(size, none);
  if (record_->sink() == none) return;
  const std::uint32_t sink = record_->sink();
  const std::vector<bool> after = record_->after(record_->sources(), kept_);
  const std::vector<bool> before = record_->before(std::span(&sink, 1), kept_);
  const std::span<const StudyEdge> edges = record_->edges();
  for (std::size_t e = 0; e < edges.size(); ++e)
    if (!after[edges[e].from] || !before[edges[e].to]) kept_[e] = false;
  for (std::uint32_t node = 0; node < size; ++node)
    if (after[node] && before[node]) place_[node] = 0;
}

template <class T>
void View<T>::choose_nodes() {
  const auto chosen = [&](std::uint32_t node) {
    if (options_.primitives) return true;
    if (options_.names.empty()) return record_->is_named(node);
    return std::ranges::find(options_.names, record_->at(node).name) != options_.names.end();
  };
  std::vector<bool> end(record_->size());
  for (std::uint32_t node = 0; node < end.size(); ++node)
    end[node] = record_->is_source(node) || node == record_->sink();
  bool between = false;
  for (std::uint32_t node = 0; node < place_.size(); ++node)
    between |= place_[node] != none && !end[node] && chosen(node);
  if (!between && options_.names.empty()) options_.primitives = true;
  for (const std::uint32_t node : seen_) end[node] = true;
  for (std::uint32_t node = 0; node < place_.size(); ++node) {
    if (place_[node] == none) continue;
    place_[node] = none;
    if (!end[node] && !chosen(node)) continue;
    place_[node] = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back(node);
  }
  for (const std::uint32_t source : record_->sources())
    if (place_[source] != none) sources_.push_back(place_[source]);
  if (record_->sink() != none) sink_ = place_[record_->sink()];
}

template <class T>
void View<T>::add_edge(std::uint32_t from, std::uint32_t to, std::uint32_t primitive) {
  edges_.push_back({place_[from], place_[to], primitive});
}

template <class T>
void View<T>::fold() {
  std::vector<std::uint32_t> last_seen_from(record_->size(), none);
  std::vector<std::uint32_t> stack;
  for (const std::uint32_t to : nodes_) {
    if (options_.primitives) {
      for (const std::uint32_t edge : record_->in(to))
        if (kept_[edge]) add_edge(record_->edges()[edge].from, to, edge);
      continue;
    }
    std::vector<std::uint32_t> found;
    stack.assign(1, to);
    while (!stack.empty()) {
      const std::uint32_t node = stack.back();
      stack.pop_back();
      for (const std::uint32_t edge : record_->in(node)) {
        const std::uint32_t from = record_->edges()[edge].from;
        if (!kept_[edge] || std::exchange(last_seen_from[from], to) == to) continue;
        (place_[from] == none ? stack : found).push_back(from);
      }
    }
    std::ranges::sort(found);
    for (const std::uint32_t from : found) add_edge(from, to, none);
  }
}

template <class T>
bool View<T>::is_scalar() const {
  return std::ranges::all_of(nodes_, [&](std::uint32_t node) { return record_->is_scalar(node); });
}

template <class T>
std::vector<std::uint32_t> View<T>::kept_in(std::uint32_t node) const {
  std::vector<std::uint32_t> edges;
  for (const std::uint32_t edge : record_->in(node))
    if (kept_[edge]) edges.push_back(edge);
  return edges;
}

template <class T>
template <class Visit>
void View<T>::sweep(std::uint32_t to, const Numbers<T>& y, const std::vector<bool>& only,
                    const Visit& visit) const {
  std::map<std::uint32_t, Numbers<T>, std::greater<>> waiting;
  std::vector<Numbers<T>> results;
  waiting[to] = y;
  while (!waiting.empty()) {
    const auto [node, cotangent] = *waiting.begin();
    waiting.erase(waiting.begin());
    std::vector<std::uint32_t> edges = kept_in(node);
    if (!only.empty())
      std::erase_if(edges, [&](std::uint32_t e) { return !only[record_->edges()[e].from]; });
    record_->vjp(edges, cotangent, results);
    for (std::size_t k = 0; k < edges.size(); ++k) {
      const std::uint32_t from = record_->edges()[edges[k]].from;
      if (place_[from] == none)
        accumulate(waiting[from], std::move(results[k]));
      else
        visit(from, std::move(results[k]));
    }
  }
}

/// The hidden nodes on paths between two nodes of the record that are seen, ascending.
template <class T>
std::vector<std::uint32_t> View<T>::hidden_between(std::uint32_t from, std::uint32_t to) const {
  std::vector<std::uint32_t> hidden;
  std::vector<bool> known(record_->size());
  std::vector<std::uint32_t> stack{to};
  while (!stack.empty()) {
    const std::uint32_t node = stack.back();
    stack.pop_back();
    for (const std::uint32_t edge : kept_in(node)) {
      const std::uint32_t input = record_->edges()[edge].from;
      if (input < from || place_[input] != none || known[input]) continue;
      known[input] = true;
      hidden.push_back(input);
      stack.push_back(input);
    }
  }
  std::ranges::sort(hidden);
  std::vector<bool> reached(record_->size());
  reached[from] = true;
  std::erase_if(hidden, [&](std::uint32_t node) {
    for (const std::uint32_t edge : kept_in(node))
      if (reached[record_->edges()[edge].from]) reached[node] = true;
    return !reached[node];
  });
  return hidden;
}

template <class T>
Numbers<T> View<T>::vjp(std::uint32_t edge, const Numbers<T>& y) const {
  const Edge& along = edges_[edge];
  if (along.primitive != none) {
    std::vector<Numbers<T>> results;
    record_->vjp(std::span(&along.primitive, 1), y, results);
    return std::move(results[0]);
  }
  const std::uint32_t from = nodes_[along.from];
  const std::uint32_t to = nodes_[along.to];
  std::vector<bool> only(record_->size());
  only[from] = true;
  for (const std::uint32_t node : hidden_between(from, to)) only[node] = true;
  Numbers<T> total;
  sweep(to, y, only, [&](std::uint32_t, Numbers<T>&& c) { accumulate(total, std::move(c)); });
  return total;
}

template <class T>
std::vector<Numbers<T>> View<T>::vjp_into(std::uint32_t place, const Numbers<T>& y) const {
  const std::span<const std::uint32_t> edges = in_[place];
  std::vector<Numbers<T>> results(edges.size());
  if (options_.primitives) {
    std::vector<std::uint32_t> primitive;
    for (const std::uint32_t edge : edges) primitive.push_back(edges_[edge].primitive);
    record_->vjp(primitive, y, results);
    return results;
  }
  sweep(nodes_[place], y, {}, [&](std::uint32_t from, Numbers<T>&& c) {
    const auto at = std::ranges::find(edges, place_[from],
                                      [&](std::uint32_t edge) { return edges_[edge].from; });
    accumulate(results[static_cast<std::size_t>(at - edges.begin())], std::move(c));
  });
  return results;
}

template <class T>
std::vector<std::uint32_t> View<T>::primitives(std::uint32_t edge) const {
  const Edge& along = edges_[edge];
  if (along.primitive != none) return {along.primitive};
  const std::uint32_t from = nodes_[along.from];
  std::vector<std::uint32_t> nodes = hidden_between(from, nodes_[along.to]);
  std::vector<bool> between(record_->size());
  between[from] = true;
  for (const std::uint32_t node : nodes) between[node] = true;
  nodes.push_back(nodes_[along.to]);
  std::vector<std::uint32_t> edges;
  for (const std::uint32_t node : nodes)
    for (const std::uint32_t e : kept_in(node))
      if (between[record_->edges()[e].from]) edges.push_back(e);
  return edges;
}

template <class T>
Numbers<T> View<T>::jvp(std::uint32_t edge, const Numbers<T>& x) const {
  const Edge& along = edges_[edge];
  Numbers<T> result;
  if (along.primitive != none) {
    record_->add_jvp(
        std::span(&along.primitive, 1), [&](std::uint32_t) -> const Numbers<T>& { return x; },
        result);
    return result;
  }
  const std::uint32_t from = nodes_[along.from];
  std::map<std::uint32_t, Numbers<T>> tangents{{from, x}};
  std::vector<std::uint32_t> nodes = hidden_between(from, nodes_[along.to]);
  nodes.push_back(nodes_[along.to]);
  for (const std::uint32_t node : nodes) {
    std::vector<std::uint32_t> edges = kept_in(node);
    std::erase_if(edges,
                  [&](std::uint32_t e) { return !tangents.contains(record_->edges()[e].from); });
    record_->add_jvp(
        edges, [&](std::uint32_t n) -> const Numbers<T>& { return tangents.at(n); },
        tangents[node]);
  }
  return std::move(tangents[nodes.back()]);
}

TAPESTRY_INSTANTIATE_TYPES(class View)

}  // namespace tapestry::detail
