// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/detail/expansion.hpp"

#include <algorithm>
#include <memory>
#include <ranges>
#include <utility>

#include "tapestry/autodiff/ops/shape.hpp"

namespace tapestry::detail {

template <class T>
Expansion<T>::Expansion(const TapeState<T>& tape, std::uint32_t node, bool check, bool in_steps)
    : original_(tape),
      node_(tape.nodes[node]),
      node_number_(node),
      input_count_(node_.input_count),
      faithful_(tape.watched_are_unchanged()) {
  TapeState<T>& own = tape_.state();
  own.shows = this;
  tape_.set_primitive(true);
  tape_.retain_all();
  tape_.detect_anomaly(check);
  own.scope = copy_scope(node_.scope);
  std::vector<Variable<T>> inputs;
  const std::span read(tape.edges.data() + node_.first_input, input_count_);
  for (const std::uint32_t entry : read) inputs.push_back(add_input(entry));
  for (std::uint32_t i = 0; in_steps && node_.info->over_steps && i < input_count_; ++i)
    if (passes_steps(tape.entries[read[i]]) && has_steps(read[i]) && has_data(read[i]))
      inputs[i] = add_steps(read[i]);
  steps_.clear();
  leaves_.clear();
  outputs_ = node_.info->expand(node_.op, inputs);
}

template <class T>
Expansion<T>& Expansion<T>::of(TapeState<T>& tape, std::uint32_t node) {
  std::shared_ptr<Expansion>& known = tape.expansions[node];
  if (known && (known->faithful_ || !tape.watched_are_unchanged())) return *known;
  std::uint32_t next = first_inner_id;
  for (const auto& [other, made] : tape.expansions)
    if (made)
      next = std::max(next, made->id(static_cast<std::uint32_t>(made->tape().entries.size())));
  known.reset();
  try {
    known = std::make_shared<Expansion>(tape, node, false, true);
  } catch (...) {
    tape.expansions.erase(node);
    throw;
  }
  known->first_id_ = next;
  return *known;
}

template <class T>
bool Expansion<T>::is_put_together(std::uint32_t entry) const {
  return std::ranges::find(put_together_, entry) != put_together_.end();
}

template <class T>
bool Expansion<T>::faithful() const {
  const std::span read(original_.edges.data() + node_.first_input, input_count_);
  return faithful_ && original_.watched_are_unchanged() &&
         std::ranges::all_of(read, [this](std::uint32_t entry) {
           return original_.data_of(original_.entries[entry]) ||
                  original_.entries[entry].shape.size() == 0;
         });
}

template <class T>
void Expansion<T>::check_faithful(std::string_view op) const {
  original_.check_watched(op);
  for (std::uint32_t i = 0; i < input_count_; ++i)
    original_.check_available(op, original_.edges[node_.first_input + i]);
  if (lacking_ != none) original_.check_available(op, lacking_);
}

/// A leaf that reads what the entry of the old tape holds, or zeros where that is gone.
template <class T>
Variable<T> Expansion<T>::add_input(std::uint32_t index) {
  const Entry<T>& from = original_.entries[index];
  TapeState<T>& own = tape_.state();
  const T* data = original_.data_of(from);
  reads_.resize(own.entries.size(), none);
  reads_.push_back(index);
  if (!data && from.shape.size() > 0) {
    faithful_ = false;
    own.add_leaf(from.shape, Role::input, from.requires_grad, {});
    std::fill_n(own.entries.back().data, from.shape.size(), T{0});
  } else {
    Entry<T> leaf;
    leaf.data = const_cast<T*>(data);  // leaves are not written
    leaf.shape = from.shape;
    leaf.generation = own.generation;
    leaf.scope = own.scope;
    leaf.role = Role::input;
    leaf.requires_grad = from.requires_grad;
    leaf.borrowed = true;
    if (from.name != none) leaf.name = own.names.intern(original_.names[from.name]);
    own.entries.push_back(leaf);
  }
  return {own, static_cast<std::uint32_t>(own.entries.size() - 1)};
}

template <class T>
std::uint32_t Expansion<T>::copy_scope(std::uint32_t scope) {
  std::vector<std::uint32_t> around;
  for (; scope != 0; scope = original_.scopes[scope].parent) around.push_back(scope);
  std::uint32_t copy = 0;
  for (auto scope_of = around.rbegin(); scope_of != around.rend(); ++scope_of) {
    const std::uint32_t inner = *scope_of;
    const ScopeEntry& from = original_.scopes[inner];
    std::string_view name;
    if (from.name != none) name = original_.names[from.name];
    copy = tape_.state().scopes.open(copy, name, from.kind, from.number);
  }
  return copy;
}

// Time steps of inputs
// -----------------------------------------------------------------------------

template <class T>
std::span<const std::uint32_t> Expansion<T>::inputs_of(const Entry<T>& entry) const {
  if (entry.node == none) return {};
  const Node<T>& node = original_.nodes[entry.node];
  return {original_.edges.data() + node.first_input, node.input_count};
}

/// Whether a step of the result, along axis 0, depends on the same step of the inputs alone.
template <class T>
bool Expansion<T>::passes_steps(const Entry<T>& entry) const {
  if (entry.node == none || entry.shape.rank() == 0) return false;
  const Node<T>& node = original_.nodes[entry.node];
  if (node.output_count != 1 || node.info->expand) return false;
  if (node.info->kernel) return true;  // elementwise
  return node.info->name == "concatenate" &&
         std::ranges::all_of(inputs_of(entry), [&](std::uint32_t input) {
           return original_.entries[input].shape[0] == entry.shape[0];
         });
}

/// Whether an entry consists of the steps of an op over steps.
template <class T>
bool Expansion<T>::has_steps(std::uint32_t index) {
  if (const auto known = has_steps_.find(index); known != has_steps_.end()) return known->second;
  const Entry<T>& entry = original_.entries[index];
  bool has = false;
  if (passes_steps(entry)) {
    for (const std::uint32_t input : inputs_of(entry)) {
      const Shape& shape = original_.entries[input].shape;
      has |= shape.rank() == entry.shape.rank() && shape[0] == entry.shape[0] && has_steps(input);
    }
  } else if (entry.node != none && entry.output == 0) {
    has = original_.nodes[entry.node].info->over_steps;
  }
  return has_steps_[index] = has;
}

/// Whether all is there from which the steps of an entry are computed.
template <class T>
bool Expansion<T>::has_data(std::uint32_t index) {
  const Entry<T>& entry = original_.entries[index];
  if (passes_steps(entry) && has_steps(index))
    return std::ranges::all_of(inputs_of(entry), [&](std::uint32_t i) { return has_data(i); });
  if (original_.data_of(entry) || entry.shape.size() == 0) return true;
  lacking_ = index;
  return false;
}

/// An input that is a layer's steps, joined with those of others or changed number by number since,
/// is computed again step by step: otherwise every step of the input would seem to lead into every
/// step of the op.
template <class T>
Variable<T> Expansion<T>::add_steps(std::uint32_t entry) {
  std::vector<Variable<T>> steps;
  for (std::size_t t = 0; t < original_.entries[entry].shape[0]; ++t)
    steps.push_back(step_of(entry, t));
  if (steps.empty()) return {tape_.state(), 0};
  const Variable<T> all = stack(steps);
  put_together_.push_back(all.index());
  return all;
}

template <class T>
Variable<T> Expansion<T>::step_of(std::uint32_t index, std::size_t t) {
  Variable<T>& step = steps_[{index, t}];
  if (step.valid()) return step;
  const Entry<T>& entry = original_.entries[index];
  if (passes_steps(entry) && has_steps(index)) return step = step_of_result(entry, t);
  return step = select(leaf_of(index), 0, static_cast<std::int64_t>(t));
}

/// A leaf with a copy of the numbers, which backward may give back: it need not be an input of the
/// op.
template <class T>
Variable<T> Expansion<T>::leaf_of(std::uint32_t index) {
  Variable<T>& leaf = leaves_[index];
  if (leaf.valid()) return leaf;
  leaf = add_input(index);
  Entry<T>& own = tape_.state().entries[leaf.index()];
  T* copy = tape_.state().allocate(own.shape);
  std::copy_n(own.data, own.shape.size(), copy);
  own.data = copy;
  own.borrowed = false;
  return leaf;
}

template <class T>
Variable<T> Expansion<T>::step_of_result(const Entry<T>& entry, std::size_t t) {
  const Node<T>& node = original_.nodes[entry.node];
  TapeState<T>& own = tape_.state();
  std::vector<Variable<T>> parts;
  int axis = -1;  // where concatenated arrays differ from the result, counted from the end
  for (const std::uint32_t input : inputs_of(entry)) {
    const Shape& shape = original_.entries[input].shape;
    const bool has_axis = shape.rank() == entry.shape.rank();
    parts.push_back(has_axis ? step_of(input, shape[0] == 1 ? 0 : t) : leaf_of(input));
    for (std::size_t i = 1; has_axis && i < shape.rank(); ++i)
      if (shape[i] != entry.shape[i]) axis = static_cast<int>(i) - static_cast<int>(shape.rank());
  }
  const std::uint32_t around =
      std::exchange(own.scope, own.scopes.open(copy_scope(entry.scope), "step", ScopeKind::step,
                                               static_cast<std::int64_t>(t)));
  Variable<T> result;
  if (node.info->kernel) {
    std::vector<std::uint32_t> inputs;
    for (const Variable<T>& part : parts) inputs.push_back(part.index());
    result = Variable<T>(own, own.apply(*node.info, node.op, inputs));
  } else {
    result = concatenate(parts, axis);
  }
  own.scope = around;
  return result;
}

template <class T>
bool Expansion<T>::compute_gradients(const std::vector<bool>& wanted) {
  std::vector<Variable<T>> roots;
  std::vector<Array<T>> seeds;
  for (std::uint32_t j = 0; j < outputs_.size() && j < wanted.size(); ++j) {
    if (!wanted[j] || !outputs_[j].requires_grad()) continue;
    const Entry<T>& output = original_.entries[node_.first_output + j];
    if (!original_.has_grad(output)) return false;
    const Shape& shape = output.shape;
    seeds.push_back(Array<T>::from_shape(std::vector<std::size_t>(shape.begin(), shape.end())));
    std::copy_n(output.grad, shape.size(), seeds.back().data());
    roots.push_back(outputs_[j]);
  }
  if (!faithful() || roots.empty()) return false;
  tape_.zero_grad();
  tape_.backward(roots, seeds);
  return true;
}

TAPESTRY_INSTANTIATE_TYPES(class Expansion)

}  // namespace tapestry::detail
