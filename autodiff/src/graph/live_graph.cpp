// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/detail/live_graph.hpp"

#include <algorithm>

#include "graph/items.hpp"
#include "graph/node_products.hpp"
#include "graph/snapshot.hpp"
#include "graph/times.hpp"
#include "tape/backward.hpp"
#include "tape/gradients.hpp"
#include "tape/hooks.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/tape.hpp"

namespace tapestry::detail {
namespace {

/// Whether the definition of a fused op uses its inputs step by step: that of an op over time
/// steps, and that of a checkpoint, whose segment may be anything.
template <class T>
bool has_steps(const OpInfo<T>& info) {
  return info.over_steps || (info.expand && !info.kernel);
}

/// The tape that the user recorded: of a value within a fused op, the one that op is on.
template <class T>
TapeState<T>& outer_tape(std::string_view op, const Variable<T>& v) {
  TapeState<T>& own = v.state(op);
  return own.shows ? const_cast<TapeState<T>&>(own.shows->original()) : own;
}

/// Which fused ops lie between sources and results: a flag for each node.
template <class T>
std::vector<bool> nodes_between(const TapeState<T>& tape, std::span<const Variable<T>> from,
                                std::span<const Variable<T>> to) {
  std::vector<bool> after(tape.entries.size());  // a source comes before the entry
  for (const Variable<T>& v : from) after[outer_entry(v, tape)] = true;
  extend_reached(tape, 0, after);
  std::vector<bool> between(tape.nodes.size());
  for (std::size_t k = 0; k < between.size(); ++k)
    for (std::uint32_t i = 0; i < tape.nodes[k].input_count && !between[k]; ++i)
      between[k] = after[tape.edges[tape.nodes[k].first_input + i]] &&
                   tape.nodes[k].info->differentiable(i) &&
                   tape.entries[tape.nodes[k].first_output].requires_grad;
  for (const std::span<const Variable<T>>& ends : {from, to})
    for (const Variable<T>& v : ends)
      if (const TapeState<T>& own = v.state("graph"); &own != &tape)
        between[own.shows->node()] = true;
  return between;
}

/// Computes the definition of a fused op. Throws GradientError when that cannot be done.
template <class T>
void open(std::string_view op, TapeState<T>& tape, std::uint32_t number) {
  const Node<T>& node = tape.nodes[number];
  try {
    Expansion<T>::of(tape, number).check_faithful(op);
  } catch (const StaleVariable&) {
    GradientError error(node.info->name,
                        "the segment uses variables from outside, which hides what it computes "
                        "from the study tools: record it with tape.set_primitive(true)");
    error.add_place(tape.scopes.path(node.scope));
    throw error;
  }
}

}  // namespace

template <class T>
struct LiveGraph<T>::Data {
  std::vector<Variable<T>> from;
  std::vector<Variable<T>> to;
  TapeState<T>* tape = nullptr;
  std::optional<Items<T>> items;
  std::vector<std::uint32_t> item_at;  // by position
  NodeProducts<T> products;

  [[nodiscard]] const Item<T>& at(std::uint32_t position) const {
    return items->all()[item_at[position]];
  }
};

template <class T>
LiveGraph<T>::LiveGraph(std::string_view op, std::span<const Variable<T>> from,
                        std::span<const Variable<T>> to)
    : data_(std::make_unique<Data>()) {
  Data& data = *data_;
  data.from.assign(from.begin(), from.end());
  data.to.assign(to.begin(), to.end());
  data.tape = &outer_tape(op, to[0]);
  TapeState<T>& tape = *data.tape;
  for (const std::span<const Variable<T>>& ends : {to, from})
    for (const Variable<T>& v : ends)
      if (&outer_tape(op, v) != &tape) tape.throw_foreign(op);
  for (const Variable<T>& v : from)
    if (!v.requires_grad()) throw_needs_no_gradient(v.state(op), op, v.index());
  if (std::ranges::none_of(to, &Variable<T>::requires_grad))
    check_depends(to[0].state(op), op, to[0].index());
  tape.check_watched(op);
  const std::vector<bool> between = nodes_between(tape, from, to);
  const auto opens = [&](std::uint32_t node) {
    if (!between[node]) return false;
    open(op, tape, node);
    return true;
  };
  data.items.emplace(tape, opens, false);
  data.items->collect(to);
  data.item_at.resize(data.items->placed_count());
  for (std::uint32_t k = 0; k < data.items->all().size(); ++k)
    if (const std::uint32_t at = data.items->all()[k].position; at != Item<T>::unset)
      data.item_at[at] = k;
  graph_ = graph_of<T>(tape, *data.items, to, {});
}

template <class T>
LiveGraph<T>::~LiveGraph() = default;

template <class T>
std::optional<std::uint32_t> LiveGraph<T>::find(std::string_view op, const Variable<T>& v) const {
  TapeState<T>& tape = outer_tape(op, v);
  if (&tape != &outer_tape(op, data_->to[0])) tape.throw_foreign(op);
  const Item<T>* item = data_->items->find(v);
  return item ? std::optional(item->position) : std::nullopt;
}

template <class T>
bool LiveGraph<T>::is_in_fused_step(std::uint32_t position) const {
  const Expansion<T>* within = data_->at(position).within;
  return within && has_steps(*data_->tape->nodes[within->node()].info);
}

template <class T>
const Parameter<T>* LiveGraph<T>::parameter(std::uint32_t position) const {
  const Item<T>& item = data_->at(position);
  return item.tape->parameter_of(item.at());
}

template <class T>
void LiveGraph<T>::check(std::string_view op) const {
  for (const Variable<T>& v : data_->to) static_cast<void>(v.state(op));
  for (const Variable<T>& v : data_->from) static_cast<void>(v.state(op));
  data_->tape->check_watched(op);
}

template <class T>
std::span<const T> LiveGraph<T>::value(std::string_view op, std::uint32_t position) const {
  const Item<T>& item = data_->at(position);
  item.tape->check_available(op, item.entry);
  return {item.at().data, item.at().shape.size()};
}

template <class T>
void LiveGraph<T>::vjp(std::uint32_t position, const Numbers<T>& y,
                       std::span<const std::uint32_t> slots, std::span<Numbers<T>> x) const {
  const Item<T>& item = data_->at(position);
  data_->products.vjp(*item.tape, *item.node(), {item.at().output, &y}, slots, x);
}

template <class T>
Numbers<T> LiveGraph<T>::jvp(std::uint32_t position, std::span<const Numbers<T>> x) const {
  const Item<T>& item = data_->at(position);
  std::vector<Numbers<T>> results;
  data_->products.jvp(*item.tape, *item.node(), x, results);
  return std::move(results[item.at().output]);
}

template <class T>
Numbers<T> LiveGraph<T>::forward(std::uint32_t position, std::span<const Numbers<T>> x) const {
  const Item<T>& item = data_->at(position);
  std::vector<Numbers<T>> results;
  data_->products.forward(*item.tape, *item.node(), x, results);
  return std::move(results[item.at().output]);
}

template <class T>
bool LiveGraph<T>::has_hooks() const {
  return !data_->tape->hooks.empty();
}

template <class T>
Numbers<T> LiveGraph<T>::hooked(std::uint32_t position, Numbers<T> gradient) const {
  TapeState<T>& tape = *data_->tape;
  // A result of a fused op is known by its number, wherever it is computed again.
  const std::uint32_t entry = data_->at(position).id;
  if (entry >= tape.entries.size() || !tape.entries[entry].hooked || gradient.empty())
    return gradient;
  const RunningPass<T> running(tape, "register_hook");
  const Switched no_recording(tape.recording, false);
  const Switched in_rule(tape.in_rule, true);
  const Position before = tape.position();
  const Shape shape = tape.entries[entry].shape;
  try {
    const Variable<T> shown(tape, tape.add_leaf(shape, Role::constant, false, {}));
    std::ranges::copy(gradient, tape.entries[shown.index()].data);
    const Variable<T> result = call_hooks(tape, entry, shown);
    if (tape.entries[result.index()].pending) tape.materialize(result.index());
    std::copy_n(tape.entries[result.index()].data, gradient.size(), gradient.begin());
  } catch (...) {
    tape.truncate(before, true);
    throw;
  }
  tape.truncate(before, true);
  return gradient;
}

template <class T>
std::optional<Numbers<T>> LiveGraph<T>::by_backward() const {
  TapeState<T>& tape = *data_->tape;
  for (const Variable<T>& v : data_->from)
    if (&v.state("backward") != &tape) return std::nullopt;
  if (&data_->to[0].state("backward") != &tape) return std::nullopt;
  const Position before = tape.position();
  Numbers<T> total(data_->from[0].size());
  {
    const Switched keep_values(tape.retain_all, true);
    for (const Variable<T>& part :
         gradients(data_->to[0], std::span<const Variable<T>>(data_->from)))
      for (std::size_t k = 0; k < total.size(); ++k) total[k] += tape.entries[part.index()].data[k];
  }
  tape.truncate(before, true);
  return total;
}

template <class T>
std::uint32_t id_of(std::string_view op, const Variable<T>& v) {
  const Expansion<T>* within = v.state(op).shows;
  if (!within) return v.index();
  const auto outputs = within->outputs();
  for (auto j = static_cast<std::uint32_t>(outputs.size()); j-- > 0;)
    if (outputs[j].index() == v.index())
      return within->original().nodes[within->node()].first_output + j;
  return within->id(v.index());
}

template <class T>
std::vector<Variable<T>> uses_of(std::string_view op, const Parameter<T>& parameter,
                                 std::span<const Variable<T>> to) {
  TapeState<T>& tape = outer_tape(op, to[0]);
  std::uint32_t last = 0;
  for (const Variable<T>& v : to)
    if (&outer_tape(op, v) == &tape) last = std::max(last, outer_entry(v, tape));
  std::vector<Variable<T>> uses;
  for (std::uint32_t id = 0; id <= last; ++id)
    if (tape.parameter_of(tape.entries[id]) == &parameter) uses.emplace_back(tape, id);
  return uses;
}

template <class T>
std::vector<std::int64_t> use_times(std::string_view op, const Parameter<T>& parameter,
                                    const Variable<T>& v) {
  const TapeState<T>& tape = outer_tape(op, v);
  std::vector<bool> in_steps(tape.entries.size());
  for (const Node<T>& node : tape.nodes)
    for (std::uint32_t i = 0; has_steps(*node.info) && i < node.input_count; ++i)
      in_steps[tape.edges[node.first_input + i]] = true;
  std::vector<std::int64_t> times;
  for (std::uint32_t id = 0; id < tape.entries.size(); ++id)
    if (!in_steps[id] && tape.parameter_of(tape.entries[id]) == &parameter)
      times.push_back(time_of(tape, tape.entries[id].scope));
  return times;
}

template <class T>
void check_scalar(std::string_view op, const Variable<T>& y) {
  check_root<T>(y.state(op), op, y.index(), nullptr);
}

TAPESTRY_INSTANTIATE(id_of, uses_of, use_times, check_scalar)
TAPESTRY_INSTANTIATE_TYPES(class LiveGraph)

}  // namespace tapestry::detail
