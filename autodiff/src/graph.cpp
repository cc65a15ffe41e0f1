// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/graph.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "tapestry/autodiff/error.hpp"

namespace tapestry {

struct Graph::Data {
  struct Numbers {
    GraphData summary;  // without its elements
    std::size_t first = 0;
    std::size_t count = 0;
  };

  std::vector<GraphNode> nodes;
  std::vector<GraphEdge> edges;
  std::vector<std::size_t> first_edge;  // of each node, and one past the last
  std::vector<std::uint32_t> roots;
  std::vector<GraphScope> scopes;
  std::size_t parameters = 0;
  std::unordered_map<std::uint32_t, Numbers> values;  // by position
  std::unordered_map<std::uint32_t, Numbers> gradients;
  std::vector<double> elements;
  std::unordered_set<std::string> texts;  // never moves what it holds

  [[nodiscard]] GraphData at(const std::unordered_map<std::uint32_t, Numbers>& numbers,
                             std::size_t position) const {
    const auto found = numbers.find(static_cast<std::uint32_t>(position));
    if (found == numbers.end()) return {};
    GraphData data = found->second.summary;
    data.elements = std::span(elements).subspan(found->second.first, found->second.count);
    return data;
  }
};

namespace {

constexpr std::uint32_t unset = std::numeric_limits<std::uint32_t>::max();

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
  Snapshot(const detail::TapeState<T>& state, const SnapshotOptions& options)
      : state_(state), options_(options), data_(std::make_shared<Graph::Data>()) {}

  Graph take(std::span<const Variable<T>> roots) {
    add_scope(0);
    find_ancestors(roots);
    for (std::uint32_t id = 0; id < position_.size(); ++id)
      if (position_[id] != unset) add_node(id);
    data_->first_edge.push_back(data_->edges.size());
    for (const Variable<T>& root : roots) {
      data_->roots.push_back(position_[root.index()]);
      data_->nodes[position_[root.index()]].root = true;
    }
    data_->parameters = parameters_.size();
    return Graph(std::move(data_));
  }

 private:
  /// Gives all ancestors of the roots a position: the tape is in order, so one loop finds them.
  void find_ancestors(std::span<const Variable<T>> roots) {
    std::uint32_t last = 0;
    for (const Variable<T>& root : roots) last = std::max(last, root.index());
    position_.assign(last + 1, unset);
    for (const Variable<T>& root : roots) position_[root.index()] = 0;
    for (std::uint32_t id = last + 1; id-- > 0;)
      if (position_[id] != unset)
        for (const std::uint32_t input : inputs(id)) position_[input] = 0;
    std::uint32_t count = 0;
    for (std::uint32_t& position : position_)
      if (position != unset) position = count++;
    data_->nodes.reserve(count);
    data_->first_edge.reserve(count + 1);
  }

  [[nodiscard]] std::span<const std::uint32_t> inputs(std::uint32_t id) const {
    if (state_.entries[id].node == detail::none) return {};
    const detail::Node<T>& node = state_.nodes[state_.entries[id].node];
    return {state_.edges.data() + node.first_input, node.input_count};
  }

  void add_node(std::uint32_t id) {
    const detail::Entry<T>& entry = state_.entries[id];
    GraphNode node;
    node.id = id;
    node.first_output = id;
    if (entry.name != detail::none) node.name = text(state_.names[entry.name]);
    node.scope = add_scope(entry.scope);
    node.shape = entry.shape;
    node.role = entry.role;
    node.requires_grad = entry.requires_grad;
    node.parameter = GraphNode::no_parameter;
    if (entry.parameter) {
      const auto next = static_cast<std::uint32_t>(parameters_.size());
      node.parameter = parameters_.try_emplace(entry.parameter, next).first->second;
    }
    if (entry.node != detail::none) describe_op(node, entry);
    add_edges(id);
    add_numbers(entry);
    data_->nodes.push_back(node);
  }

  void describe_op(GraphNode& node, const detail::Entry<T>& entry) {
    const detail::Node<T>& by = state_.nodes[entry.node];
    node.op = text(by.info->name);
    if (by.info->attributes) node.attributes = text(by.info->attributes(by.op));
    node.first_output = by.first_output;
    node.output = entry.output;
    node.output_count = by.output_count;
  }

  void add_edges(std::uint32_t id) {
    data_->first_edge.push_back(data_->edges.size());
    GraphEdge edge;
    edge.to = position_[id];
    for (const std::uint32_t input : inputs(id)) {
      edge.from = position_[input];
      edge.differentiable = state_.entries[id].requires_grad &&
                            state_.entries[input].requires_grad &&
                            state_.nodes[state_.entries[id].node].info->differentiable(edge.slot);
      data_->edges.push_back(edge);
      ++edge.slot;
    }
  }

  void add_numbers(const detail::Entry<T>& entry) {
    const auto position = static_cast<std::uint32_t>(data_->nodes.size());
    if (options_.values || (entry.role == Role::constant && entry.shape.size() == 1))
      data_->values[position] = numbers(value_of(entry), entry.shape.size());
    if (options_.gradients)
      data_->gradients[position] = numbers(gradient_of(entry), entry.shape.size());
  }

  /// Null when the value is gone. A parameter may have been given other storage since.
  static const T* value_of(const detail::Entry<T>& entry) {
    if (entry.released || entry.pending) return nullptr;
    if (!entry.parameter) return entry.data;
    return entry.parameter->shape() == entry.shape ? entry.parameter->value().data() : nullptr;
  }

  const T* gradient_of(const detail::Entry<T>& entry) const {
    if (!entry.parameter) return state_.has_grad(entry) ? entry.grad : nullptr;
    const Parameter<T>& parameter = *entry.parameter;
    const bool fits = parameter.has_grad() && parameter.shape() == entry.shape;
    return fits ? parameter.grad().data() : nullptr;
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

  /// The number of a scope of the tape in the snapshot, where the scopes around it come first.
  std::uint32_t add_scope(std::uint32_t id) {
    std::vector<std::uint32_t> missing;
    for (; !scopes_.contains(id); id = state_.scopes[id].parent) {
      missing.push_back(id);
      if (id == 0) break;
    }
    for (; !missing.empty(); missing.pop_back()) {
      id = missing.back();
      const detail::ScopeEntry& from = state_.scopes[id];
      GraphScope scope;
      scope.kind = from.kind;
      scope.number = from.number;
      if (id != 0) scope.parent = scopes_.at(from.parent);
      if (from.name != detail::none) scope.name = text(state_.names[from.name]);
      scopes_[id] = static_cast<std::uint32_t>(data_->scopes.size());
      data_->scopes.push_back(scope);
    }
    return scopes_.at(id);
  }

  /// A copy that lives as long as the graph.
  std::string_view text(std::string_view from) {
    return from.empty() ? std::string_view{} : *data_->texts.emplace(from).first;
  }

  const detail::TapeState<T>& state_;
  const SnapshotOptions& options_;
  std::shared_ptr<Graph::Data> data_;
  std::vector<std::uint32_t> position_;  // of each value of the tape; unset for those left out
  std::unordered_map<std::uint32_t, std::uint32_t> scopes_;
  std::unordered_map<const Parameter<T>*, std::uint32_t> parameters_;
};

}  // namespace

Graph::Graph() {
  auto data = std::make_shared<Data>();
  data->scopes.emplace_back();
  data->first_edge.push_back(0);
  data_ = std::move(data);
}

std::size_t Graph::size() const { return data_->nodes.size(); }
std::span<const GraphNode> Graph::nodes() const { return data_->nodes; }
std::span<const GraphEdge> Graph::edges() const { return data_->edges; }
std::span<const std::uint32_t> Graph::roots() const { return data_->roots; }
std::span<const GraphScope> Graph::scopes() const { return data_->scopes; }
std::size_t Graph::parameter_count() const { return data_->parameters; }

std::span<const GraphEdge> Graph::inputs(std::size_t position) const {
  const std::size_t first = data_->first_edge[position];
  return edges().subspan(first, data_->first_edge[position + 1] - first);
}

std::optional<std::size_t> Graph::find(std::uint32_t id) const {
  const auto found = std::ranges::lower_bound(data_->nodes, id, {}, &GraphNode::id);
  if (found == data_->nodes.end() || found->id != id) return std::nullopt;
  return static_cast<std::size_t>(found - data_->nodes.begin());
}

GraphData Graph::value(std::size_t position) const { return data_->at(data_->values, position); }
GraphData Graph::gradient(std::size_t position) const {
  return data_->at(data_->gradients, position);
}

template <class T>
Graph snapshot(std::span<const Variable<T>> roots, const SnapshotOptions& options) {
  if (roots.empty()) throw ArgumentError("snapshot", "there are no roots to start from");
  const detail::TapeState<T>& state = roots[0].state("snapshot");
  for (const Variable<T>& root : roots)
    if (&root.state("snapshot") != &state)
      throw StaleVariable("snapshot", "the roots belong to different tapes");
  return Snapshot<T>(state, options).take(roots);
}

template Graph snapshot(std::span<const Variable<float>>, const SnapshotOptions&);
template Graph snapshot(std::span<const Variable<double>>, const SnapshotOptions&);

}  // namespace tapestry
