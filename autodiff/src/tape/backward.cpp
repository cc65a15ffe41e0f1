// SPDX-License-Identifier: MIT
#include "tape/backward.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tape/anomaly.hpp"
#include "tape/gradient_ops.hpp"
#include "tape/hooks.hpp"
#include "tape/node_run.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/tape.hpp"

namespace tapestry::detail {
namespace {

// Values and gradients up to this size are not worth giving back.
constexpr std::size_t keep_below = 4096;

/// A kernel may write over what its node keeps, so that goes back to the arena when it has run.
template <class T>
struct UsesUpKept {
  TapeState<T>& state;
  std::uint32_t node;
  ~UsesUpKept() { state.release_kept(state.nodes[node]); }
};

}  // namespace

template <class T>
void check_root(const TapeState<T>& state, std::string_view op, std::uint32_t root,
                const Array<T>* seed) {
  const Entry<T>& entry = state.entries[root];
  const auto name = [&] { return "'" + state.display_name(root) + "'"; };
  if (seed && !(Shape(seed->shape()) == entry.shape))
    throw ShapeError(op, "the seed has shape " + Shape(seed->shape()).str() + ", but " + name() +
                             " has " + entry.shape.str());
  if (!seed && entry.shape.size() != 1)
    throw GradientError(op, name() + " has shape " + entry.shape.str() +
                                ": pass a seed of that shape, or reduce it with sum() or mean()");
  check_depends(state, op, root);
}

template <class T>
void check_depends(const TapeState<T>& state, std::string_view op, std::uint32_t root) {
  if (state.entries[root].requires_grad) return;
  throw GradientError(op, "'" + state.display_name(root) +
                              "' does not depend on any variable or parameter that needs a "
                              "gradient");
}

template <class T>
BackwardPass<T>::BackwardPass(TapeState<T>& state, std::string_view op, std::vector<bool> wanted)
    : state_(state), op_(op), wanted_(std::move(wanted)) {
  state_.check_watched(op_);
  ++state_.pass;
  if (!state_.hooks.empty()) put_leaves_aside();
}

template <class T>
void BackwardPass<T>::seed(std::uint32_t root, const Array<T>* seed) {
  if (state_.anomaly && seed) check_seed_finite(state_, op_, root, *seed);
  const Out<T> target = state_.grad_target(root);
  for (std::size_t k = 0; k < target.size(); ++k) {
    const T value = seed ? seed->data()[k] : T{1};
    target.data[k] = target.accumulate ? target.data[k] + value : value;
  }
  const std::uint32_t node = state_.entries[root].node;
  if (node != none) last_ = last_ == none ? node : std::max(last_, node);
}

template <class T>
void BackwardPass<T>::run() {
  if (last_ != none) release_values();
  const Switched no_recording(state_.recording, false);
  const Switched in_rule(state_.in_rule, true);
  for (std::uint32_t index = last_ == none ? 0 : last_ + 1; index-- > 0;) run_node(index);
  state_.check_not_orphaned(op_);
  if (!state_.hooks.empty()) state_.check_watched(op_);
  for (const HookedLeaf& leaf : hooked_leaves_)
    if (state_.entries[leaf.entry].grad) run_hooks(leaf.entry);
  put_leaves_back();
}

template <class T>
void BackwardPass<T>::run_node(std::uint32_t index) {
  const std::uint32_t first = state_.nodes[index].first_output;
  const std::uint32_t outputs = state_.nodes[index].output_count;
  bool reached = false;
  for (std::uint32_t j = 0; j < outputs; ++j)
    reached |= state_.has_grad(state_.entries[first + j]) && needs(first + j);
  if (!reached) return;
  for (std::uint32_t j = 0; j < outputs; ++j)
    if (state_.entries[first + j].hooked && state_.has_grad(state_.entries[first + j]))
      run_hooks(first + j);
  if (state_.anomaly) {
    const auto stored = [this](std::uint32_t entry) { return stored_grad(entry); };
    check_gradients(state_, Node<T>(state_.nodes[index]), stored, [&] { run_rules_of(index); });
  } else {
    run_rules_of(index);
  }
  for (std::uint32_t j = 0; j < outputs; ++j)
    if (!keeps(state_.entries[first + j])) state_.release_grad(state_.entries[first + j]);
}

template <class T>
void BackwardPass<T>::run_rules_of(std::uint32_t index) {
  const Node<T>& node = state_.nodes[index];
  if (node.info->kernel) {
    state_.restore_kept(index);
    const UsesUpKept<T> afterwards{state_, index};
    NodeKernel<T, BackwardPass> kernel(state_, *this, node, state_.arena);
    node.info->kernel(node.op, kernel);
  } else if (node.info->rule) {
    run_rule(node);
  } else {
    run_expanded(Node<T>(node));
  }
}

template <class T>
void BackwardPass<T>::run_rule(const Node<T>& node) {
  const OpInfo<T>& info = *node.info;
  const Position before = state_.position();
  const std::uint32_t outer = std::exchange(state_.scope, node.scope);
  first_scratch_ = before.entries;
  try {
    NodeRule<T, BackwardPass> rule(state_, *this, node);
    info.rule(node.op, rule);
  } catch (...) {
    state_.scope = outer;
    state_.truncate(before, true);
    throw;
  }
  state_.scope = outer;
  state_.truncate(before, false);
}

/// An op of which only the definition is known: computes it anew, on the values it was given, and
/// runs backward through that. The gradients arrive where, and in the order in which, they would
/// have if the definition had been recorded in the first place.
template <class T>
void BackwardPass<T>::run_expanded(const Node<T>& node) {
  const Position before = state_.position();
  const std::uint32_t outer = std::exchange(state_.scope, node.scope);
  try {
    expand(node);
    if (!wanted_.empty()) extend_reached(state_, before.nodes, wanted_);
    for (auto index = static_cast<std::uint32_t>(state_.nodes.size()); index-- > before.nodes;)
      run_node(index);
  } catch (...) {
    state_.scope = outer;
    if (!wanted_.empty()) wanted_.resize(before.entries);
    state_.truncate(before, true);
    throw;
  }
  state_.scope = outer;
  if (!wanted_.empty()) wanted_.resize(before.entries);
  state_.truncate(before, true);
}

/// Computes the results of a node again, recorded, and hands the gradients on to them.
template <class T>
void BackwardPass<T>::expand(const Node<T>& node) {
  std::vector<Variable<T>> inputs;
  for (std::uint32_t i = 0; i < node.input_count; ++i)
    inputs.emplace_back(state_, state_.edges[node.first_input + i]);
  const Switched recording(state_.recording, true);
  const Switched in_rule(state_.in_rule, false);
  const std::vector<Variable<T>> results = node.info->expand(node.op, inputs);
  for (std::uint32_t j = 0; j < results.size(); ++j) {
    const Entry<T>& from = state_.entries[node.first_output + j];
    if (!state_.has_grad(from) || !results[j].requires_grad()) continue;
    const Out<T> to = state_.grad_target(results[j].index());
    for (std::size_t k = 0; k < to.size(); ++k)
      to.data[k] = to.accumulate ? to.data[k] + from.grad[k] : from.grad[k];
  }
}

/// Shows the gradient of an entry to its hooks, and takes what they return.
template <class T>
void BackwardPass<T>::run_hooks(std::uint32_t index) {
  const Position before = state_.position();
  try {
    const Variable<T> gradient = grad(index);
    const Variable<T> replaced = call_hooks(state_, index, gradient);
    state_.check_not_orphaned(op_);
    state_.check_watched(op_, false);
    if (replaced.index() != gradient.index()) {
      if (state_.entries[replaced.index()].pending) state_.materialize(replaced.index());
      const Entry<T>& entry = state_.entries[index];
      std::memmove(entry.grad, state_.entries[replaced.index()].data, entry.bytes());
    }
  } catch (...) {
    state_.truncate(before, true);
    throw;
  }
  state_.truncate(before, true);  // the hook may have taken marks
}

template <class T>
void BackwardPass<T>::put_leaves_aside() {
  drop_removed_hooks(state_);
  for (const auto& [index, hooks] : state_.hooks) {
    Entry<T>& entry = state_.entries[index];
    if (entry.node != none) continue;
    hooked_leaves_.push_back({index, std::exchange(entry.grad, nullptr), entry.grad_outside});
    entry.grad_outside = false;
  }
}

/// Adds the gradients of this pass to those of earlier ones.
template <class T>
void BackwardPass<T>::put_leaves_back() {
  for (const HookedLeaf& leaf : hooked_leaves_) {
    Entry<T>& entry = state_.entries[leaf.entry];
    const std::size_t size = entry.shape.size();
    entry.grad_outside = leaf.grad_outside;
    Parameter<T>* parameter = leaf.grad_outside ? state_.parameter_of(entry) : nullptr;
    if (parameter && entry.grad) {
      bool stored = false;
      T* total = parameter->grad_storage(stored);
      for (std::size_t k = 0; k < size; ++k)
        total[k] = stored ? total[k] + entry.grad[k] : entry.grad[k];
    } else if (leaf.grad && entry.grad) {
      for (std::size_t k = 0; k < size; ++k) leaf.grad[k] += entry.grad[k];
    }
    if (leaf.grad || leaf.grad_outside) {
      state_.release_grad(entry);
      entry.grad = leaf.grad;
    }
  }
  hooked_leaves_.clear();
}

/// Where the gradient of an entry is, or null.
template <class T>
const T* BackwardPass<T>::stored_grad(std::uint32_t index) const {
  const Entry<T>& entry = state_.entries[index];
  if (entry.grad_outside) {
    const Parameter<T>& parameter = *state_.parameter_of(entry);
    return parameter.has_grad() ? parameter.grad().data() : nullptr;
  }
  return state_.has_grad(entry) ? entry.grad : nullptr;
}

/// The gradient that has arrived at an entry, zeros if none has, as a variable for the rule that is
/// running.
template <class T>
Variable<T> BackwardPass<T>::grad(std::uint32_t index) {
  const Entry<T> output = state_.entries[index];
  const bool present = state_.has_grad(output);
  Entry<T> scratch;
  scratch.shape = output.shape;
  scratch.generation = state_.generation;
  scratch.role = Role::constant;
  scratch.borrowed = present;
  scratch.data = present ? output.grad : state_.allocate(output.shape);
  if (!present) std::fill_n(scratch.data, output.shape.size(), T{0});
  state_.entries.push_back(scratch);
  return {state_, static_cast<std::uint32_t>(state_.entries.size() - 1)};
}

/// Adds a gradient to that of an entry: takes over its memory or computes it in place if possible.
template <class T>
void BackwardPass<T>::add(std::uint32_t index, const Variable<T>& gradient) {
  if (!(gradient.shape() == state_.entries[index].shape))
    return add(index, sum_to(gradient, Shape(state_.entries[index].shape)));
  const std::uint32_t source = gradient.index();
  if (state_.entries[source].pending)
    return state_.materialize_into(source, state_.grad_target(index));
  Entry<T>& from = state_.entries[source];
  Entry<T>& to = state_.entries[index];
  if (source >= first_scratch_ && !from.borrowed && !from.lent && !to.grad_outside &&
      !state_.has_grad(to)) {
    state_.release_grad(to);
    to.grad = from.data;
    from.borrowed = true;  // and stays readable, for a rule that adds it twice
    to.pass = state_.pass;
    return;
  }
  const Out<T> target = state_.grad_target(index);
  if (target.accumulate) {
    for (std::size_t k = 0; k < target.size(); ++k) target.data[k] += from.data[k];
  } else {
    std::copy_n(from.data, target.size(), target.data);
  }
}

template <class T>
void BackwardPass<T>::release_values() {
  if (state_.retain_all) return;
  for (Entry<T>& entry : state_.entries) {
    if (entry.node == none || entry.saved || entry.borrowed || entry.lent || keeps(entry)) continue;
    state_.release_data(entry);
    entry.released = true;
  }
}

template <class T>
bool BackwardPass<T>::keeps(const Entry<T>& entry) const {
  return state_.retain_all || entry.retain_grad || entry.handles > 0 || entry.name != none ||
         entry.bytes() <= keep_below;
}

template <class T>
void throw_needs_no_gradient(const TapeState<T>& state, std::string_view op, std::uint32_t index) {
  throw GradientError(op, "'" + state.display_name(index) +
                              "' needs no gradient: it is a constant, or was computed from "
                              "constants or without recording");
}

TAPESTRY_INSTANTIATE_TYPES(class BackwardPass)
TAPESTRY_INSTANTIATE(check_root, check_depends, throw_needs_no_gradient)

}  // namespace tapestry::detail
