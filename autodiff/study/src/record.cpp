// SPDX-License-Identifier: MIT
#include "record.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tape/backward.hpp"
#include "tape/gradients.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::detail {
namespace {

template <class T>
std::span<const std::uint32_t> inputs_of(const TapeState<T>& tape, std::uint32_t id) {
  if (tape.entries[id].node == none) return {};
  const Node<T>& node = tape.nodes[tape.entries[id].node];
  return {tape.edges.data() + node.first_input, node.input_count};
}

/// Whether a gradient flows from value `id` back to its input `slot`.
template <class T>
bool flows(const TapeState<T>& tape, std::uint32_t id, std::uint32_t input, std::size_t slot) {
  return tape.entries[id].requires_grad && tape.entries[input].requires_grad &&
         tape.nodes[tape.entries[id].node].info->differentiable(slot);
}

template <class T>
StudyValue describe(const TapeState<T>& tape, std::uint32_t id) {
  const Entry<T>& entry = tape.entries[id];
  StudyValue value;
  value.id = id;
  if (entry.name != none) value.name = tape.names[entry.name];
  if (entry.node != none) value.op = tape.nodes[entry.node].info->name;
  value.shape = entry.shape;
  value.role = entry.role;
  std::vector<std::string> around;
  for (std::uint32_t s = entry.scope; s != 0; s = tape.scopes[s].parent) {
    const ScopeEntry& scope = tape.scopes[s];
    if (scope.kind == ScopeKind::step) {
      if (value.step < 0) value.step = scope.number;
      continue;
    }
    if (scope.kind == ScopeKind::layer && value.layer < 0) value.layer = scope.number;
    around.push_back(tape.scopes.label(s));
  }
  std::ranges::reverse(around);
  value.place = join_labels(around, ".");
  return value;
}

/// "h3", "h[3]", "add#17".
std::string short_label(const StudyValue& value) {
  if (value.name.empty())
    return (value.op.empty() ? std::string(title_of(value.role)) : value.op) + '#' +
           std::to_string(value.id);
  const std::string number = std::to_string(value.step);
  const bool tells_step = value.role != Role::parameter && value.name.ends_with(number);
  return value.step < 0 || tells_step ? value.name : value.name + '[' + number + ']';
}

}  // namespace

Lists::Lists(std::size_t count, std::span<const std::uint32_t> keys) : items_(keys.size()) {
  first_.assign(count + 1, 0);
  for (const std::uint32_t key : keys) ++first_[key + 1];
  for (std::size_t i = 0; i < count; ++i) first_[i + 1] += first_[i];
  std::vector<std::size_t> next(first_.begin(), first_.end() - 1);
  for (std::uint32_t k = 0; k < keys.size(); ++k) items_[next[keys[k]]++] = k;
}

template <class T>
Record<T>::Record(std::string_view op, std::span<const Variable<T>> from, const Variable<T>& to)
    : from_(from.begin(), from.end()), to_(to) {
  const TapeState<T>& tape = check_sources(op, to, from);
  check_depends(tape, op, to.index());
  from_shape_ = from[0].shape();
  to_shape_ = to.shape();
  tape.check_watched(op);
  find_nodes(tape);
  find_edges(tape);
  values_.reserve(ids_.size());
  for (const std::uint32_t id : ids_) {
    values_.push_back(describe(tape, id));
    first_outputs_.push_back(id - tape.entries[id].output);
  }
  products_ = std::make_unique<Products<T>>(tape);
}

template <class T>
void Record<T>::find_nodes(const TapeState<T>& tape) {
  const std::uint32_t last = to_.index();
  std::vector<bool> before(last + 1);  // leads to the sink
  std::vector<bool> after(last + 1);   // a source leads to it
  before[last] = true;
  for (std::uint32_t id = last + 1; id-- > 0;) {
    if (!before[id]) continue;
    const auto inputs = inputs_of(tape, id);
    for (std::size_t slot = 0; slot < inputs.size(); ++slot)
      if (flows(tape, id, inputs[slot], slot)) before[inputs[slot]] = true;
  }
  for (const Variable<T>& v : from_)
    if (v.index() <= last) after[v.index()] = true;
  for (std::uint32_t id = 0; id <= last; ++id) {
    const auto inputs = inputs_of(tape, id);
    for (std::size_t slot = 0; slot < inputs.size() && !after[id] && before[id]; ++slot)
      after[id] = after[inputs[slot]] && flows(tape, id, inputs[slot], slot);
    if (after[id] && before[id]) ids_.push_back(id);
  }
  if (!ids_.empty() && ids_.back() == last) sink_ = static_cast<std::uint32_t>(ids_.size() - 1);
  for (const Variable<T>& v : from_)
    if (const std::uint32_t node = find(v.index()); node != none) sources_.push_back(node);
  std::ranges::sort(sources_);
}

template <class T>
void Record<T>::find_edges(const TapeState<T>& tape) {
  std::vector<std::uint32_t> node_of(ids_.empty() ? 0 : ids_.back() + 1, none);
  for (std::uint32_t node = 0; node < ids_.size(); ++node) node_of[ids_[node]] = node;
  std::vector<std::uint32_t> from;
  std::vector<std::uint32_t> to;
  for (std::uint32_t node = 0; node < ids_.size(); ++node) {
    const auto inputs = inputs_of(tape, ids_[node]);
    for (std::uint32_t slot = 0; slot < inputs.size(); ++slot) {
      const std::uint32_t input = node_of[inputs[slot]];
      if (input == none || !flows(tape, ids_[node], inputs[slot], slot)) continue;
      edges_.push_back({input, node, slot});
      from.push_back(input);
      to.push_back(node);
    }
  }
  in_ = Lists(ids_.size(), to);
  out_ = Lists(ids_.size(), from);
}

template <class T>
std::uint32_t Record<T>::find(std::uint32_t id) const {
  const auto found = std::ranges::lower_bound(ids_, id);
  return found == ids_.end() || *found != id ? none
                                             : static_cast<std::uint32_t>(found - ids_.begin());
}

template <class T>
std::pair<std::uint32_t, std::uint32_t> Record<T>::arrow(std::uint32_t edge) const {
  return {first_outputs_[edges_[edge].to], edges_[edge].slot};
}

template <class T>
const std::string& Record<T>::label(std::uint32_t node) const {
  if (labels_.empty()) make_labels();
  return labels_[node];
}

/// Names that several values have get what tells them apart: the place in the model, or, if that
/// does not do, the number on the tape.
template <class T>
void Record<T>::make_labels() const {
  std::map<std::string, int> count;
  for (const StudyValue& value : values_) ++count[labels_.emplace_back(short_label(value))];
  std::map<std::string, int> placed;
  for (std::size_t k = 0; k < labels_.size(); ++k) {
    std::string& label = labels_[k];
    if (count[label] > 1 && !values_[k].place.empty()) label = values_[k].place + '.' + label;
    ++placed[label];
  }
  for (std::size_t k = 0; k < labels_.size(); ++k)
    if (placed[labels_[k]] > 1) labels_[k] += '#' + std::to_string(values_[k].id);
}

template <class T>
std::string Record<T>::from_label() const {
  return from_.size() == 1 && !sources_.empty() ? label(sources_[0]) : from_[0].name();
}

template <class T>
std::string Record<T>::to_label() const {
  return sink_ == none ? to_.name() : label(sink_);
}

template <class T>
void Record<T>::check(std::string_view op) const {
  const TapeState<T>& tape = to_.state(op);
  for (const Variable<T>& v : from_) static_cast<void>(v.state(op));
  tape.check_watched(op);
}

template <class T>
void Record<T>::vjp(std::span<const std::uint32_t> edges, const Numbers<T>& y,
                    std::vector<Numbers<T>>& results) const {
  results.resize(edges.size());
  if (edges.empty()) return;
  const TapeState<T>& tape = to_.state("paths");
  const Entry<T>& entry = tape.entries[ids_[edges_[edges[0]].to]];
  const Node<T>& node = tape.nodes[entry.node];
  std::vector<Numbers<T>> cotangents(node.output_count);
  cotangents[entry.output] = y;
  std::vector<bool> wanted(node.input_count);
  for (const std::uint32_t edge : edges) wanted[edges_[edge].slot] = true;
  std::vector<Numbers<T>> by_slot;
  products_->vjp(entry.node, cotangents, wanted, by_slot);
  for (std::size_t k = 0; k < edges.size(); ++k)
    results[k] = std::move(by_slot[edges_[edges[k]].slot]);
}

template <class T>
void Record<T>::add_jvp(std::span<const std::uint32_t> edges,
                        const std::function<const Numbers<T>&(std::uint32_t node)>& tangent,
                        Numbers<T>& result) const {
  if (edges.empty()) return;
  const TapeState<T>& tape = to_.state("paths");
  const Entry<T>& entry = tape.entries[ids_[edges_[edges[0]].to]];
  std::vector<Numbers<T>> tangents(tape.nodes[entry.node].input_count);
  for (const std::uint32_t edge : edges) tangents[edges_[edge].slot] = tangent(edges_[edge].from);
  std::vector<Numbers<T>> outputs;
  products_->jvp(entry.node, tangents, outputs);
  accumulate(result, std::move(outputs[entry.output]));
}

template <class T>
Numbers<T> Record<T>::replay(const Numbers<T>& source) const {
  const TapeState<T>& tape = to_.state("replay");
  std::vector<Numbers<T>> values(size());
  for (const std::uint32_t node : sources_) values[node] = source;
  std::vector<Numbers<T>> outputs;
  for (std::uint32_t node = 0; node < size(); ++node) {
    if (in(node).empty()) continue;
    const Entry<T>& entry = tape.entries[ids_[node]];
    std::vector<Numbers<T>> inputs(tape.nodes[entry.node].input_count);
    for (const std::uint32_t edge : in(node)) inputs[edges_[edge].slot] = values[edges_[edge].from];
    products_->forward(entry.node, inputs, outputs);
    values[node] = std::move(outputs[entry.output]);
  }
  return std::move(values[sink_]);
}

template <class T>
std::vector<Variable<T>> uses_of(std::string_view op, const Parameter<T>& parameter,
                                 const Variable<T>& to) {
  TapeState<T>& tape = to.state(op);
  std::vector<Variable<T>> uses;
  for (std::uint32_t id = 0; id <= to.index(); ++id)
    if (tape.parameter_of(tape.entries[id]) == &parameter) uses.emplace_back(tape, id);
  const std::string name = "'" + (parameter.name().empty() ? "parameter" : parameter.name()) + "'";
  if (uses.empty())
    throw GradientError(op, "the tape of '" + to.name() + "' has no use of parameter " + name +
                                " before it; is it that of another copy of the model?");
  return uses;
}

template <class T>
Array<T> to_array(const Numbers<T>& numbers, const Shape& shape) {
  Array<T> array = Array<T>::from_shape(std::vector<std::size_t>(shape.begin(), shape.end()));
  if (numbers.empty())
    std::fill_n(array.data(), array.size(), T{0});
  else
    std::ranges::copy(numbers, array.data());
  return array;
}

template <class T>
Numbers<T> to_numbers(std::string_view op, std::string_view what, const Array<T>& array,
                      const Shape& shape) {
  if (!(Shape(array.shape()) == shape))
    throw ShapeError(op, std::string(what) + " has shape " + Shape(array.shape()).str() +
                             ", but must have " + shape.str());
  return {array.data(), array.data() + array.size()};
}

template class Record<float>;
template class Record<double>;
template std::vector<Variable<float>> uses_of(std::string_view, const Parameter<float>&,
                                              const Variable<float>&);
template std::vector<Variable<double>> uses_of(std::string_view, const Parameter<double>&,
                                               const Variable<double>&);
template Array<float> to_array(const Numbers<float>&, const Shape&);
template Array<double> to_array(const Numbers<double>&, const Shape&);
template Numbers<float> to_numbers(std::string_view, std::string_view, const Array<float>&,
                                   const Shape&);
template Numbers<double> to_numbers(std::string_view, std::string_view, const Array<double>&,
                                    const Shape&);

}  // namespace tapestry::detail
