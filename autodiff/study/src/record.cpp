// SPDX-License-Identifier: MIT
#include "record.hpp"

#include <map>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/states.hpp"

namespace tapestry::detail {
namespace {

/// "step 3", "lstm".
std::string label_of(const GraphScope& scope) {
  return std::string(scope.name) + (scope.number < 0 ? "" : ' ' + std::to_string(scope.number));
}

/// "h3", "h[3]", "add#17".
std::string short_label(const StudyValue& value, const GraphNode& node) {
  if (value.name.empty()) return name_of(node) + '#' + std::to_string(value.id);
  const std::string number = std::to_string(value.step);
  const bool tells_step = value.role != Role::parameter && value.name.ends_with(number);
  return value.step < 0 || tells_step ? value.name : value.name + '[' + number + ']';
}

template <class T>
std::vector<Variable<T>> variables_of(std::string_view op, const Source<T>& from,
                                      std::span<const Variable<T>> to) {
  if (!from.parameter()) return {from.variable()};
  std::vector<Variable<T>> uses = uses_of(op, *from.parameter(), to);
  const std::string& name = from.parameter()->name();
  if (uses.empty())
    throw GradientError(op, "the tape of '" + to[0].name() + "' has no use of parameter '" +
                                (name.empty() ? "parameter" : name) +
                                "' before it; is it that of another copy of the model?");
  return uses;
}

template <class T>
std::vector<std::uint32_t> positions_of(std::string_view op, const LiveGraph<T>& live,
                                        std::span<const Variable<T>> variables) {
  std::vector<std::uint32_t> positions;
  for (const Variable<T>& v : variables) positions.push_back(live.find(op, v).value_or(none));
  return positions;
}

}  // namespace

std::string name_of(const GraphNode& node) {
  if (!node.name.empty()) return std::string(node.name);
  return std::string(node.op.empty() ? title_of(node.role) : node.op);
}

std::int64_t time_of(const Graph& graph, std::uint32_t scope) {
  for (; scope != 0; scope = graph.scopes()[scope].parent)
    if (graph.scopes()[scope].kind == ScopeKind::step) return graph.scopes()[scope].number;
  return no_step;
}

/// Finds the nodes and edges of a record, within the positions from the first source to the last
/// sink.
template <class T>
class Record<T>::Builder {
 public:
  Builder(Record& record, const Positions& from, const Positions& to, bool by_use)
      : record_(record), graph_(record.graph()), by_use_(by_use) {
    std::uint32_t first = none;
    std::uint32_t last = 0;
    for (const std::uint32_t at : from) first = std::min(first, at);
    for (const std::uint32_t at : to)
      if (at != none) last = std::max(last, at + 1);
    first_ = record.first_ = std::min(first, last);
    places_.resize(last - first_);
    for (const std::uint32_t at : from)
      if (at != none && at < last) places_[at - first_].source = true;
    for (const std::uint32_t at : to)
      if (at != none && at >= first_) place(at).before = place(at).whole = true;
    find_between();
    for (std::uint32_t at = first_; at < last; ++at)
      if (place(at).between()) add(at);
    const auto node_of = [&](std::uint32_t at) {
      return at == none || at < first_ ? none : place(at).node;
    };
    for (const std::uint32_t at : to) record.sinks_.push_back(node_of(at));
    for (const Place& known : places_) record.node_at_.push_back(known.node);
  }

 private:
  struct Place {
    bool source = false;
    bool before = false;        // leads to a sink
    bool after = false;         // a source leads to it
    bool whole = false;         // has a node of its own, and not just for its uses
    std::uint32_t node = none;  // that one, or the first of its uses
    [[nodiscard]] bool between() const { return before && after; }
  };

  Place& place(std::uint32_t position) { return places_[position - first_]; }

  [[nodiscard]] bool leads(const GraphEdge& edge) const {
    return edge.differentiable && edge.from >= first_;
  }

  /// Whether a source has a node of its own for this use.
  bool is_split(const GraphEdge& edge) {
    if (!place(edge.from).source) return false;
    return by_use_ || (record_.live().is_in_fused_step(edge.to) &&
                       !record_.live().is_in_fused_step(edge.from) &&
                       graph_[edge.from].role == Role::parameter);
  }

  void find_between() {
    const auto end = first_ + static_cast<std::uint32_t>(places_.size());
    for (std::uint32_t at = end; at-- > first_;)
      for (const GraphEdge& edge : graph_.inputs(at))
        if (place(at).before && leads(edge)) place(edge.from).before = true;
    for (std::uint32_t at = first_; at < end; ++at) {
      place(at).after |= place(at).source;
      for (const GraphEdge& edge : graph_.inputs(at))
        place(at).after = place(at).after || (leads(edge) && place(edge.from).after);
    }
    for (std::uint32_t at = first_; at < end; ++at)
      for (const GraphEdge& edge : graph_.inputs(at))
        if (place(at).between() && leads(edge) && place(edge.from).between() && !is_split(edge))
          place(edge.from).whole = true;
  }

  std::uint32_t add_node(std::uint32_t at, std::uint32_t scope) {
    const auto node = static_cast<std::uint32_t>(record_.nodes_.size());
    record_.nodes_.push_back({at, scope, place(at).source});
    if (place(at).source) record_.sources_.push_back(node);
    if (place(at).node == none) place(at).node = node;
    return node;
  }

  void add(std::uint32_t at) {
    std::vector<StudyEdge> edges;
    std::map<std::uint32_t, std::uint32_t> uses;
    for (const GraphEdge& edge : graph_.inputs(at)) {
      if (!leads(edge) || !place(edge.from).between()) continue;
      std::uint32_t from = place(edge.from).node;
      if (is_split(edge)) {
        const auto [use, is_new] = uses.try_emplace(edge.from, none);
        if (is_new) use->second = add_node(edge.from, graph_[at].scope);
        from = use->second;
      }
      edges.push_back({from, 0, edge.slot});
    }
    if (!place(at).whole) return;
    const std::uint32_t node = add_node(at, graph_[at].scope);
    for (StudyEdge& edge : edges) {
      edge.to = node;
      record_.edges_.push_back(edge);
    }
  }

  Record& record_;
  const Graph& graph_;
  bool by_use_;
  std::uint32_t first_ = 0;
  std::vector<Place> places_;
};

template <class T>
Record<T>::Record(std::shared_ptr<const LiveGraph<T>> live, const Positions& from,
                  const Positions& to, bool by_use)
    : live_(std::move(live)) {
  Builder(*this, from, to, by_use);
  in_ = Lists(nodes_.size(), edges_, &StudyEdge::to);
  out_ = Lists(nodes_.size(), edges_, &StudyEdge::from);
}

template <class T>
Record<T>::Record(std::string_view op, const Source<T>& from, std::span<const Variable<T>> to,
                  bool by_use) {
  const std::vector<Variable<T>> variables = variables_of(op, from, to);
  auto live = std::make_shared<const LiveGraph<T>>(op, variables, to);
  *this =
      Record(live, positions_of<T>(op, *live, variables), positions_of<T>(op, *live, to), by_use);
  from_name_ = variables[0].name();
  to_name_ = to[0].name();
  from_shape_ = variables[0].shape();
  to_shape_ = to[0].shape();
}

template <class T>
Record<T>::Record(std::string_view op, std::span<const Variable<T>> from, const Variable<T>& to) {
  const std::span<const Variable<T>> ends(&to, 1);
  auto live = std::make_shared<const LiveGraph<T>>(op, from, ends);
  *this = Record(live, positions_of<T>(op, *live, from), positions_of<T>(op, *live, ends));
  to_name_ = to.name();
  to_shape_ = to.shape();
}

template <class T>
StudyValue Record<T>::value(std::uint32_t node) const {
  const GraphNode& from = at(node);
  StudyValue value;
  value.id = from.id;
  value.name = from.name;
  value.op = from.op;
  value.shape = from.shape;
  value.role = from.role;
  std::vector<std::string> around;
  for (std::uint32_t s = nodes_[node].scope; s != 0; s = graph().scopes()[s].parent) {
    const GraphScope& scope = graph().scopes()[s];
    if (scope.kind == ScopeKind::step) {
      if (value.step < 0) value.step = scope.number;
      continue;
    }
    if (scope.kind == ScopeKind::layer && value.layer < 0) value.layer = scope.number;
    around.push_back(label_of(scope));
  }
  std::ranges::reverse(around);
  value.place = join_labels(around, ".");
  return value;
}

template <class T>
std::uint32_t Record<T>::find(std::string_view op, const Variable<T>& v) const {
  const std::uint32_t at = live_->find(op, v).value_or(none);
  return at == none || at < first_ || at - first_ >= node_at_.size() ? none : node_at_[at - first_];
}

/// Names that several values have get what tells them apart: the place in the model, or, if that
/// does not do, the number on the tape.
template <class T>
const std::string& Record<T>::label(std::uint32_t node) const {
  if (!labels_.empty()) return labels_[node];
  std::map<std::string, int> count;
  std::vector<StudyValue> values;
  for (std::uint32_t k = 0; k < size(); ++k) {
    values.push_back(value(k));
    ++count[labels_.emplace_back(short_label(values[k], at(k)))];
  }
  std::map<std::string, int> placed;
  for (std::size_t k = 0; k < labels_.size(); ++k) {
    std::string& label = labels_[k];
    if (count[label] > 1 && !values[k].place.empty()) label = values[k].place + '.' + label;
    ++placed[label];
  }
  for (std::size_t k = 0; k < labels_.size(); ++k)
    if (placed[labels_[k]] > 1) labels_[k] += '#' + std::to_string(values[k].id);
  return labels_[node];
}

template <class T>
std::string Record<T>::from_label() const {
  return sources_.size() == 1 ? label(sources_[0]) : from_name_;
}

template <class T>
std::string Record<T>::to_label() const {
  return sink() == none ? to_name_ : label(sink());
}

template <class T>
std::vector<bool> Record<T>::after(std::span<const std::uint32_t> nodes,
                                   const std::vector<bool>& kept) const {
  std::vector<bool> flags(size());
  for (const std::uint32_t node : nodes) flags[node] = true;
  for (std::size_t e = 0; e < edges_.size(); ++e)
    if (kept[e] && flags[edges_[e].from]) flags[edges_[e].to] = true;
  return flags;
}

template <class T>
std::vector<bool> Record<T>::before(std::span<const std::uint32_t> nodes,
                                    const std::vector<bool>& kept) const {
  std::vector<bool> flags(size());
  for (const std::uint32_t node : nodes) flags[node] = true;
  for (std::size_t e = edges_.size(); e-- > 0;)
    if (kept[e] && flags[edges_[e].to]) flags[edges_[e].from] = true;
  return flags;
}

template <class T>
void Record<T>::vjp(std::span<const std::uint32_t> edges, const Numbers<T>& y,
                    std::vector<Numbers<T>>& results) const {
  results.resize(edges.size());
  if (edges.empty()) return;
  slots_.clear();
  for (const std::uint32_t edge : edges) slots_.push_back(edges_[edge].slot);
  live_->vjp(position(edges_[edges[0]].to), y, slots_, results);
}

template <class T>
void Record<T>::add_jvp(std::span<const std::uint32_t> edges,
                        const std::function<const Numbers<T>&(std::uint32_t node)>& tangent,
                        Numbers<T>& result) const {
  if (edges.empty()) return;
  const std::uint32_t to = position(edges_[edges[0]].to);
  std::vector<Numbers<T>> tangents(graph().inputs(to).size());
  for (const std::uint32_t edge : edges) tangents[edges_[edge].slot] = tangent(edges_[edge].from);
  accumulate(result, live_->jvp(to, tangents));
}

template <class T>
Numbers<T> Record<T>::replay(const Numbers<T>& source) const {
  std::vector<Numbers<T>> values(size());
  for (const std::uint32_t node : sources_) values[node] = source;
  for (std::uint32_t node = 0; node < size(); ++node) {
    if (in(node).empty()) continue;
    std::vector<Numbers<T>> inputs(graph().inputs(position(node)).size());
    for (const std::uint32_t edge : in(node)) inputs[edges_[edge].slot] = values[edges_[edge].from];
    values[node] = live_->forward(position(node), inputs);
  }
  return std::move(values[sink()]);
}

template <class T>
Numbers<T> to_numbers(std::string_view op, std::string_view what, const Array<T>& array,
                      const Shape& shape) {
  if (!(Shape(array.shape()) == shape))
    throw ShapeError(op, std::string(what) + " has shape " + Shape(array.shape()).str() +
                             ", but must have " + shape.str());
  return numbers_of(array);
}

TAPESTRY_INSTANTIATE_TYPES(class Record)
TAPESTRY_INSTANTIATE(to_numbers)

}  // namespace tapestry::detail
