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
#include "tapestry/autodiff/detail/expansion.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry {
namespace {

using detail::Expansion;
using detail::TapeState;

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

/// What may become a node: a value of the tape, or one within a fused op on it.
template <class T>
struct Item {
  const TapeState<T>* tape;     // where its entry is
  std::uint32_t entry;          // its number there
  std::uint32_t id;             // what readers know it by
  std::uint32_t first_output;   // the id of its op's first output
  std::uint32_t named = unset;  // entry of the snapshot's tape whose name it bears, if it has one
  std::uint32_t first_input = 0;
  std::uint32_t input_count = 0;
  std::uint32_t position = unset;
  bool has_values = true;
  bool has_gradients = true;

  [[nodiscard]] const detail::Entry<T>& at() const { return tape->entries[entry]; }
  [[nodiscard]] const detail::Node<T>* node() const {
    return at().node == detail::none ? nullptr : &tape->nodes[at().node];
  }
};

/// All values that the roots depend on, inputs before results, with fused ops taken apart as the
/// options ask.
template <class T>
class Items {
 public:
  Items(const TapeState<T>& tape, const SnapshotOptions& options)
      : tape_(tape), options_(options), next_id_(static_cast<std::uint32_t>(tape.entries.size())) {}

  void collect(std::span<const Variable<T>> roots) {
    const std::vector<bool> needed = ancestors(roots);
    item_of_.assign(needed.size(), unset);
    for (std::uint32_t id = 0; id < needed.size(); ++id) {
      if (!needed[id] || item_of_[id] != unset) continue;
      if (is_expanded(id))
        expand(tape_.entries[id].node, needed);
      else
        add(id);
    }
    for (const Variable<T>& root : roots) items_[item_of_[root.index()]].position = 0;
    place();
  }

  [[nodiscard]] const std::vector<Item<T>>& all() const { return items_; }
  [[nodiscard]] std::span<const std::uint32_t> inputs(const Item<T>& item) const {
    return {inputs_.data() + item.first_input, item.input_count};
  }
  /// Of a value of the tape; null if no root depends on it.
  [[nodiscard]] const Item<T>* find(std::uint32_t id) const {
    if (id >= item_of_.size() || item_of_[id] == unset) return nullptr;
    const Item<T>& item = items_[item_of_[id]];
    return item.position == unset ? nullptr : &item;
  }
  [[nodiscard]] std::uint32_t original_count() const {
    return static_cast<std::uint32_t>(item_of_.size());
  }
  [[nodiscard]] std::uint32_t placed_count() const { return placed_; }

 private:
  /// The tape is in order, so one loop from its end finds all ancestors.
  std::vector<bool> ancestors(std::span<const Variable<T>> roots) const {
    std::uint32_t last = 0;
    for (const Variable<T>& root : roots) last = std::max(last, root.index());
    std::vector<bool> needed(last + 1);
    for (const Variable<T>& root : roots) needed[root.index()] = true;
    for (std::uint32_t id = last + 1; id-- > 0;)
      if (needed[id])
        for (const std::uint32_t input : entry_inputs(tape_, id)) needed[input] = true;
    return needed;
  }

  static std::span<const std::uint32_t> entry_inputs(const TapeState<T>& tape, std::uint32_t id) {
    if (tape.entries[id].node == detail::none) return {};
    const detail::Node<T>& node = tape.nodes[tape.entries[id].node];
    return {tape.edges.data() + node.first_input, node.input_count};
  }

  [[nodiscard]] bool is_expanded(std::uint32_t id) const {
    if (tape_.entries[id].node == detail::none) return false;
    const detail::OpInfo<T>& info = *tape_.nodes[tape_.entries[id].node].info;
    if (!info.expand) return false;
    return options_.expand == Expand::all ||
           (options_.expand == Expand::over_steps && info.over_steps);
  }

  void add(std::uint32_t id) {
    const std::uint32_t node = tape_.entries[id].node;
    const std::uint32_t first = node == detail::none ? id : tape_.nodes[node].first_output;
    item_of_[id] = push({&tape_, id, id, first, id}, item_of_);
  }

  /// Adds an item whose inputs are found in `item_of`.
  std::uint32_t push(Item<T> item, const std::vector<std::uint32_t>& item_of) {
    item.first_input = static_cast<std::uint32_t>(inputs_.size());
    for (const std::uint32_t input : entry_inputs(*item.tape, item.entry))
      inputs_.push_back(item_of[input]);
    item.input_count = static_cast<std::uint32_t>(inputs_.size()) - item.first_input;
    items_.push_back(item);
    return static_cast<std::uint32_t>(items_.size() - 1);
  }

  void expand(std::uint32_t node, const std::vector<bool>& needed);
  [[nodiscard]] std::uint32_t stacked(const TapeState<T>& tape, std::uint32_t entry,
                                      const std::vector<std::uint32_t>& item_of) const;
  void place();

  const TapeState<T>& tape_;
  const SnapshotOptions& options_;
  std::vector<Item<T>> items_;
  std::vector<std::uint32_t> inputs_;   // items, one after another
  std::vector<std::uint32_t> item_of_;  // each value of the tape; unset for those left out
  std::vector<std::unique_ptr<Expansion<T>>> expansions_;
  std::uint32_t next_id_;  // of what is within fused ops
  std::uint32_t placed_ = 0;
};

/// Adds what is within a fused op. Its outputs are then known by the numbers they have on the tape.
template <class T>
void Items<T>::expand(std::uint32_t number, const std::vector<bool>& needed) {
  const detail::Node<T>& node = tape_.nodes[number];
  expansions_.push_back(std::make_unique<Expansion<T>>(tape_, number));
  Expansion<T>& inside = *expansions_.back();
  std::vector<bool> wanted(node.output_count);
  for (std::uint32_t j = 0; j < node.output_count; ++j)
    wanted[j] = node.first_output + j < needed.size() && needed[node.first_output + j];
  const bool has_gradients = options_.gradients && inside.compute_gradients(wanted);

  const TapeState<T>& tape = inside.tape();
  std::vector<std::uint32_t> item_of, id_of(tape.entries.size());
  for (const std::uint32_t input : entry_inputs(tape_, node.first_output))
    item_of.push_back(item_of_[input]);
  for (std::uint32_t k = inside.input_count(); k < tape.entries.size(); ++k) id_of[k] = next_id_++;
  for (std::uint32_t j = 0; j < inside.outputs().size(); ++j)
    if (wanted[j]) id_of[inside.outputs()[j].index()] = node.first_output + j;
  for (std::uint32_t k = inside.input_count(); k < tape.entries.size(); ++k) {
    const std::uint32_t same = stacked(tape, k, item_of);
    if (same != unset) {
      item_of.push_back(same);
      continue;
    }
    const std::uint32_t by = tape.entries[k].node;
    const std::uint32_t first = by == detail::none ? k : tape.nodes[by].first_output;
    const std::uint32_t named = id_of[k] < tape_.entries.size() ? id_of[k] : unset;
    item_of.push_back(push(
        {&tape, k, id_of[k], id_of[first], named, 0, 0, unset, inside.faithful(), has_gradients},
        item_of));
  }
  for (std::uint32_t j = 0; j < inside.outputs().size(); ++j)
    if (wanted[j]) item_of_[node.first_output + j] = item_of[inside.outputs()[j].index()];
}

/// A step that is selected from a stack of steps is the one that was stacked: returns its item, so
/// that one layer's step leads straight to the next layer's. `unset` for anything else.
template <class T>
std::uint32_t Items<T>::stacked(const TapeState<T>& tape, std::uint32_t entry,
                                const std::vector<std::uint32_t>& item_of) const {
  const detail::Entry<T>& part = tape.entries[entry];
  const auto from = entry_inputs(tape, entry);
  if (from.size() != 1 || !tape.nodes[part.node].info->alias) return unset;
  const Item<T>& whole = items_[item_of[from[0]]];
  if (whole.tape == &tape || !whole.node() || whole.node()->info->name != "stack") return unset;
  const detail::Node<T>& node = tape.nodes[part.node];
  std::size_t offset = 0;
  const std::size_t size = part.shape.size();
  if (size == 0 || !node.info->alias(node.op, whole.at().shape, offset)) return unset;
  if (offset % size != 0 || offset / size >= whole.input_count) return unset;
  const std::uint32_t same = inputs_[whole.first_input + offset / size];
  const Shape& shape = items_[same].at().shape;
  const bool along_steps = whole.at().shape.part(1, shape.rank() + 1) == shape;
  return along_steps && shape == part.shape ? same : unset;
}

/// Gives the items that roots depend on their positions.
template <class T>
void Items<T>::place() {
  for (std::size_t k = items_.size(); k-- > 0;)
    if (items_[k].position != unset)
      for (const std::uint32_t input : inputs(items_[k])) items_[input].position = 0;
  for (Item<T>& item : items_)
    if (item.position != unset) item.position = placed_++;
}

template <class T>
class Snapshot {
 public:
  Snapshot(const TapeState<T>& state, const SnapshotOptions& options)
      : state_(state), options_(options), items_(state, options) {}

  Graph take(std::span<const Variable<T>> roots) {
    items_.collect(roots);
    add_scope(state_, 0);
    data_->nodes.reserve(items_.placed_count());
    data_->first_edge.reserve(items_.placed_count() + 1);
    for (const Item<T>& item : items_.all())
      if (item.position != unset) add_node(item);
    data_->first_edge.push_back(data_->edges.size());
    add_places();
    for (const Variable<T>& root : roots) {
      const std::uint32_t position = items_.find(root.index())->position;
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
    if (item.named != unset && state_.entries[item.named].name != detail::none)
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

  /// Values of the tape by number first, then what is within fused ops: ids that only rise.
  void add_places() {
    for (std::uint32_t id = 0; id < items_.original_count(); ++id)
      if (const Item<T>* item = items_.find(id)) data_->places.push_back({id, item->position});
    for (const Item<T>& item : items_.all())
      if (item.position != unset && item.id >= state_.entries.size())
        data_->places.push_back({item.id, item.position});
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
  Items<T> items_;
  std::shared_ptr<Graph::Data> data_ = std::make_shared<Graph::Data>();
  std::map<std::pair<const TapeState<T>*, std::uint32_t>, std::uint32_t> scopes_;
  std::map<std::tuple<bool, std::uint32_t, std::string_view, std::int64_t>, std::uint32_t>
      same_scopes_;  // whether it has a parent, the parent, name and number
  std::unordered_map<const Parameter<T>*, std::uint32_t> parameters_;
};

}  // namespace

template <class T>
Graph snapshot(std::span<const Variable<T>> roots, const SnapshotOptions& options) {
  if (roots.empty()) throw ArgumentError("snapshot", "there are no roots to start from");
  const TapeState<T>& state = roots[0].state("snapshot");
  for (const Variable<T>& root : roots)
    if (&root.state("snapshot") != &state)
      throw StaleVariable("snapshot", "the roots belong to different tapes");
  return Snapshot<T>(state, options).take(roots);
}

template Graph snapshot(std::span<const Variable<float>>, const SnapshotOptions&);
template Graph snapshot(std::span<const Variable<double>>, const SnapshotOptions&);

}  // namespace tapestry
