// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/detail/expansion.hpp"

#include <algorithm>
#include <ranges>

namespace tapestry::detail {

template <class T>
Expansion<T>::Expansion(const TapeState<T>& tape, std::uint32_t node, bool check)
    : original_(tape),
      node_(tape.nodes[node]),
      input_count_(node_.input_count),
      faithful_(tape.watched_are_unchanged()) {
  TapeState<T>& own = tape_.state();
  tape_.set_primitive(true);
  tape_.retain_all();
  tape_.detect_anomaly(check);
  own.scope = copy_scope(node_.scope);
  std::vector<Variable<T>> inputs;
  for (std::uint32_t i = 0; i < input_count_; ++i) {
    add_input(tape.edges[node_.first_input + i]);
    inputs.emplace_back(own, i);
  }
  outputs_ = node_.info->expand(node_.op, inputs);
}

/// A leaf that reads what the entry of the old tape holds, or zeros where that is gone.
template <class T>
void Expansion<T>::add_input(std::uint32_t index) {
  const Entry<T>& from = original_.entries[index];
  TapeState<T>& own = tape_.state();
  const T* data = original_.data_of(from);
  if (!data && from.shape.size() > 0) {
    faithful_ = false;
    own.add_leaf(from.shape, Role::input, from.requires_grad, {});
    std::fill_n(own.entries.back().data, from.shape.size(), T{0});
    return;
  }
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
  if (!faithful_ || roots.empty()) return false;
  tape_.backward(roots, seeds);
  return true;
}

template class Expansion<float>;
template class Expansion<double>;

}  // namespace tapestry::detail
