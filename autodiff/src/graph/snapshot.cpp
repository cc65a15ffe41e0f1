// SPDX-License-Identifier: MIT
// From a tape to the immutable graph that readers see.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <ranges>
#include <string>
#include <tuple>

#include "graph/data.hpp"
#include "graph/items.hpp"
#include "graph/snapshot.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry {
namespace {

using detail::Item;
using detail::Items;
using detail::TapeState;

/// Statistics of `n` numbers. The mean is computed in a form that does not overflow.
template <class T>
GraphData summarize(const T* data, std::size_t n) {
  GraphData summary;
  summary.state = DataState::present;
  std::size_t count = 0;
  for (std::size_t k = 0; k < n; ++k) {
    const auto x = static_cast<double>(data[k]);
    if (!std::isfinite(x)) continue;
    ++count;
    summary.min = count == 1 ? x : std::min(summary.min, x);
    summary.max = count == 1 ? x : std::max(summary.max, x);
    summary.mean += (x - summary.mean) / static_cast<double>(count);
    summary.norm = std::hypot(summary.norm, x);
  }
  summary.not_finite = n - count;
  return summary;
}

template <class T>
class Snapshot {
 public:
  Snapshot(const TapeState<T>& state, const SnapshotOptions& options, const Items<T>& items)
      : state_(state), options_(options), items_(items) {}

  Graph take(std::span<const Variable<T>> roots) {
    add_scope(state_, 0);
    data_->nodes.reserve(items_.placed_count());
    data_->first_edge.reserve(items_.placed_count() + 1);
    for (const Item<T>& item : items_.all())
      if (item.position != Item<T>::unset) add_node(item);
    data_->first_edge.push_back(data_->edges.size());
    add_places();
    for (const Variable<T>& root : roots) {
      const std::uint32_t position = items_.find(root)->position;
      data_->roots.push_back(position);
      data_->nodes[position].root = true;
    }
    data_->parameters = parameters_.size();
    return Graph(std::move(data_));
  }

 private:
  void add_node(const Item<T>& item) {
    const detail::Entry<T>& entry = item.at();
    GraphNode node;
    node.id = item.id;
    node.first_output = item.first_output;
    node.name = name_of(item);
    node.scope = add_scope(*item.tape, entry.scope);
    node.shape = entry.shape;
    node.role = entry.role;
    node.requires_grad = entry.requires_grad;
    node.parameter = GraphNode::no_parameter;
    if (const Parameter<T>* parameter = item.tape->parameter_of(entry)) {
      const auto next = static_cast<std::uint32_t>(parameters_.size());
      node.parameter = parameters_.try_emplace(parameter, next).first->second;
    }
    if (const detail::Node<T>* by = item.node()) {
      node.op = text(by->info->name);
      if (by->info->attributes) node.attributes = by->info->attributes(by->op);
      node.output = entry.output;
      node.output_count = by->output_count;
    }
    add_edges(item);
    add_numbers(item);
    data_->nodes.push_back(node);
  }

  std::string_view name_of(const Item<T>& item) {
    if (item.named != Item<T>::unset && state_.entries[item.named].name != detail::none)
      return text(state_.names[state_.entries[item.named].name]);
    const std::uint32_t name = item.at().name;
    return name == detail::none ? std::string_view{} : text(item.tape->names[name]);
  }

  void add_edges(const Item<T>& item) {
    data_->first_edge.push_back(data_->edges.size());
    GraphEdge edge;
    edge.to = item.position;
    for (const std::uint32_t input : items_.inputs(item)) {
      const Item<T>& from = items_.all()[input];
      edge.from = from.position;
      edge.differentiable = item.at().requires_grad && from.at().requires_grad &&
                            item.node()->info->differentiable(edge.slot);
      data_->edges.push_back(edge);
      ++edge.slot;
    }
  }

  void add_numbers(const Item<T>& item) {
    const detail::Entry<T>& entry = item.at();
    const std::size_t size = entry.shape.size();
    if (options_.values || (entry.role == Role::constant && size == 1))
      data_->values[item.position] =
          numbers(item.has_values ? item.tape->data_of(entry) : nullptr, size);
    if (options_.gradients)
      data_->gradients[item.position] =
          numbers(item.has_gradients ? gradient_of(*item.tape, entry) : nullptr, size);
  }

  static const T* gradient_of(const TapeState<T>& tape, const detail::Entry<T>& entry) {
    if (!entry.grad_outside) return tape.has_grad(entry) ? entry.grad : nullptr;
    const Parameter<T>* parameter = tape.parameter_of(entry);
    const bool fits =
        parameter && parameter->has_grad() && Shape(parameter->grad().shape()) == entry.shape;
    return fits ? parameter->grad().data() : nullptr;
  }

  Graph::Data::Numbers numbers(const T* data, std::size_t count) {
    Graph::Data::Numbers result;
    if (!data && count > 0) {
      result.summary.state = DataState::absent;
      return result;
    }
    result.summary = summarize(data, count);
    if (count > options_.max_elements) return result;
    result.first = data_->elements.size();
    result.count = count;
    data_->elements.insert(data_->elements.end(), data, data + count);
    return result;
  }

  void add_places() {
    for (const GraphNode& node : data_->nodes)
      data_->places.push_back({node.id, static_cast<std::uint32_t>(data_->places.size())});
    std::ranges::sort(data_->places);
  }

  /// The number of a tape's scope in the snapshot, where the scopes around it come first.
  std::uint32_t add_scope(const TapeState<T>& tape, std::uint32_t id) {
    std::vector<std::uint32_t> unknown;
    while (!scopes_.contains({&tape, id})) {
      unknown.push_back(id);
      if (id == 0) break;
      id = tape.scopes[id].parent;
    }
    const auto known = scopes_.find({&tape, id});
    std::uint32_t parent = known == scopes_.end() ? 0 : known->second;
    for (auto inner = unknown.rbegin(); inner != unknown.rend(); ++inner)
      parent = add_scope(tape, *inner, parent);
    return parent;
  }

  std::uint32_t add_scope(const TapeState<T>& tape, std::uint32_t id, std::uint32_t parent) {
    const detail::ScopeEntry& from = tape.scopes[id];
    GraphScope scope;
    scope.kind = from.kind;
    scope.number = from.number;
    if (id != 0) scope.parent = parent;
    if (from.name != detail::none) scope.name = text(tape.names[from.name]);
    const std::tuple same{id != 0, scope.parent, scope.name, scope.number};
    const auto next = static_cast<std::uint32_t>(data_->scopes.size());
    const auto [place, is_new] = same_scopes_.try_emplace(same, next);
    if (is_new) data_->scopes.push_back(scope);
    return scopes_[{&tape, id}] = place->second;
  }

  /// A copy that lives as long as the graph.
  std::string_view text(std::string_view from) {
    return from.empty() ? std::string_view{} : *data_->texts.emplace(from).first;
  }

  const TapeState<T>& state_;
  const SnapshotOptions& options_;
  const Items<T>& items_;
  std::shared_ptr<Graph::Data> data_ = std::make_shared<Graph::Data>();
  std::map<std::pair<const TapeState<T>*, std::uint32_t>, std::uint32_t> scopes_;
  std::map<std::tuple<bool, std::uint32_t, std::string_view, std::int64_t>, std::uint32_t>
      same_scopes_;  // whether it has a parent, the parent, name and number
  std::unordered_map<const Parameter<T>*, std::uint32_t> parameters_;
};

}  // namespace

template <class T>
Graph detail::graph_of(const TapeState<T>& state, const Items<T>& items,
                       std::span<const Variable<T>> roots, const SnapshotOptions& options) {
  return Snapshot<T>(state, options, items).take(roots);
}

template <class T>
Graph snapshot(std::span<const Variable<T>> roots, const SnapshotOptions& options) {
  if (roots.empty()) throw ArgumentError("snapshot", "there are no roots to start from");
  TapeState<T>& state = roots[0].state("snapshot");
  for (const Variable<T>& root : roots)
    if (&root.state("snapshot") != &state)
      throw StaleVariable("snapshot", "the roots belong to different tapes");
  const auto opens = [&](std::uint32_t node) {
    return options.expand == Expand::all ||
           (options.expand == Expand::over_steps && state.nodes[node].info->over_steps);
  };
  Items<T> items(state, opens, options.gradients);
  items.collect(roots);
  return detail::graph_of(state, items, roots, options);
}

TAPESTRY_INSTANTIATE(detail::graph_of)
TAPESTRY_INSTANTIATE_AS((Graph(std::span<const Variable<T>>, const SnapshotOptions&)), snapshot)

}  // namespace tapestry
