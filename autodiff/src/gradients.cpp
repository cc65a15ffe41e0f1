// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/gradient.hpp"

#include <algorithm>

#include "backward.hpp"
#include "node_rule.hpp"
#include "ops/vocabulary.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/tape.hpp"

namespace tapestry {
namespace detail {
namespace {

/// A flag for each entry: whether a gradient path leads from it back to one of `x`.
template <class T>
std::vector<bool> reaches(const TapeState<T>& state, std::span<const Variable<T>> x) {
  std::vector<bool> flags(state.entries.size());
  for (const Variable<T>& v : x) flags[v.index()] = true;
  for (const Node<T>& node : state.nodes) {
    bool any = false;
    for (std::uint32_t i = 0; i < node.input_count; ++i)
      any |= flags[state.edges[node.first_input + i]] && node.info->differentiable(i);
    for (std::uint32_t j = 0; any && j < node.output_count; ++j)
      flags[node.first_output + j] = true;
  }
  return flags;
}

/// Backward as part of the computation: the rules run on variables and are recorded.
template <class T>
class RecordedPass {
 public:
  RecordedPass(TapeState<T>& state, std::vector<bool> wanted)
      : state_(state), wanted_(std::move(wanted)), grads_(wanted_.size()) {}

  void add(std::uint32_t entry, const Variable<T>& gradient) {
    const Shape shape = state_.entries[entry].shape;
    const Variable<T> fitted = gradient.shape() == shape ? gradient : sum_to(gradient, shape);
    Variable<T>& grad = grads_[entry];
    grad = grad.valid() ? grad + fitted : fitted;
    const std::uint32_t node = state_.entries[entry].node;
    if (node != none) last_ = std::max(last_, node + 1);
  }

  /// Runs all nodes from `first` on, the last one first.
  void run(std::uint32_t first = 0) {
    for (std::uint32_t index = last_; index-- > first;) run_node(index);
  }

  [[nodiscard]] bool needs(std::uint32_t entry) const {
    return wanted_[entry] && state_.entries[entry].requires_grad;
  }

  /// The gradient by `entry`, zeros if there is none.
  Variable<T> grad(std::uint32_t entry) {
    return grads_[entry].valid() ? grads_[entry] : zeros(state_.entries[entry].shape);
  }

 private:
  Variable<T> zeros(const Shape& shape) {
    const Shape copy = shape;
    const std::uint32_t index = state_.add_leaf(copy, Role::constant, false, {});
    std::fill_n(state_.entries[index].data, copy.size(), T{0});
    return {state_, index};
  }

  void run_node(std::uint32_t index);
  void run_expanded(const Node<T>& node);

  TapeState<T>& state_;
  std::vector<bool> wanted_;
  std::vector<Variable<T>> grads_;
  std::uint32_t last_ = 0;  // one past the last node that a gradient has reached
};

template <class T>
void RecordedPass<T>::run_node(std::uint32_t index) {
  const Node<T> node = state_.nodes[index];
  bool reached = false;
  for (std::uint32_t j = 0; j < node.output_count; ++j)
    reached |= grads_[node.first_output + j].valid() && needs(node.first_output + j);
  if (!reached) return;
  if (node.info->rule) {
    NodeRule<T, RecordedPass> rule(state_, *this, node);
    node.info->rule(node.op, rule);
  } else {
    run_expanded(node);
  }
}

/// A fused op is differentiated through its definition in primitive ops, recorded anew.
template <class T>
void RecordedPass<T>::run_expanded(const Node<T>& node) {
  std::vector<Variable<T>> inputs;
  for (std::uint32_t i = 0; i < node.input_count; ++i)
    inputs.emplace_back(state_, state_.edges[node.first_input + i]);
  const auto first = static_cast<std::uint32_t>(state_.nodes.size());
  const std::vector<Variable<T>> outputs = node.info->expand(node.op, inputs);
  RecordedPass<T> inner(state_, reaches<T>(state_, inputs));
  for (std::uint32_t j = 0; j < outputs.size(); ++j) {
    const Variable<T>& grad = grads_[node.first_output + j];
    if (grad.valid() && outputs[j].requires_grad()) inner.add(outputs[j].index(), grad);
  }
  inner.run(first);
  for (const Variable<T>& input : inputs) {
    Variable<T>& grad = inner.grads_[input.index()];
    if (grad.valid() && needs(input.index())) add(input.index(), grad);
    grad = {};  // an input that is given twice counts once
  }
}

template <class T>
std::vector<Variable<T>> recorded_gradients(const Variable<T>& y, std::span<const Variable<T>> x) {
  TapeState<T>& state = y.state("gradients");
  if (!state.recording)
    throw GradientError("gradients", "differentiable gradients need a tape that is recording");
  state.check_watched("gradients");
  const Scope<T> scope(state, "gradients", ScopeKind::module, -1);
  RecordedPass<T> pass(state, reaches<T>(state, x));
  const std::uint32_t one = state.add_leaf(y.shape(), Role::constant, false, {});
  *state.entries[one].data = T{1};
  pass.add(y.index(), Variable<T>(state, one));
  pass.run();
  std::vector<Variable<T>> results;
  for (const Variable<T>& v : x) results.push_back(pass.grad(v.index()));
  return results;
}

/// Puts all gradients of the tape aside while one pass computes others in their place, and makes
/// that pass keep the gradients by `x` on the tape.
template <class T>
class Captured {
 public:
  Captured(TapeState<T>& state, std::span<const Variable<T>> x)
      : state_(state), pass_(state.pass - 1) {
    const auto count = static_cast<std::uint32_t>(state.entries.size());
    for (std::uint32_t index = 0; index < count; ++index)
      if (state.entries[index].grad) gradients_.push_back(saved(index));
    for (const Variable<T>& v : x) leaves_.push_back(saved(v.index()));
    for (const Saved& before : gradients_) state.entries[before.index].grad = nullptr;
    for (const Variable<T>& v : x) {
      state.entries[v.index()].parameter = nullptr;
      state.entries[v.index()].retain_grad = true;
    }
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  ~Captured() {
    for (Entry<T>& entry : state_.entries) state_.release_grad(entry);
    for (const Saved& before : gradients_) {
      state_.entries[before.index].grad = before.grad;
      state_.entries[before.index].pass = before.pass;
    }
    for (const Saved& before : leaves_) {
      state_.entries[before.index].parameter = before.parameter;
      state_.entries[before.index].retain_grad = before.retain_grad;
    }
    state_.pass = pass_;
  }

 private:
  struct Saved {
    std::uint32_t index;
    T* grad;
    Parameter<T>* parameter;
    std::uint32_t pass;
    bool retain_grad;
  };
  [[nodiscard]] Saved saved(std::uint32_t index) const {
    const Entry<T>& entry = state_.entries[index];
    return {index, entry.grad, entry.parameter, entry.pass, entry.retain_grad};
  }

  TapeState<T>& state_;
  std::uint32_t pass_;  // the last one before
  std::vector<Saved> gradients_;
  std::vector<Saved> leaves_;
};

template <class T>
std::vector<Variable<T>> array_gradients(const Variable<T>& y, std::span<const Variable<T>> x) {
  TapeState<T>& state = y.state("gradients");
  BackwardPass<T> pass(state, "gradients", reaches<T>(state, x));
  const Captured<T> captured(state, x);
  if (pass.needs(y.index())) {
    pass.seed(y.index(), nullptr);
    pass.run();
  }
  std::vector<Variable<T>> results;
  for (const Variable<T>& v : x) {
    const Shape shape = v.shape();
    const std::uint32_t index = state.add_leaf(shape, Role::constant, false, {});
    const Entry<T>& entry = state.entries[v.index()];
    T* result = state.entries[index].data;
    if (state.has_grad(entry))
      std::copy_n(entry.grad, shape.size(), result);
    else
      std::fill_n(result, shape.size(), T{0});
    results.emplace_back(state, index);
  }
  return results;
}

}  // namespace
}  // namespace detail

template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, std::span<const Variable<T>> x,
                                   GradientOptions options) {
  detail::TapeState<T>& state = y.state("gradients");
  for (const Variable<T>& v : x) {
    if (&v.state("gradients") != &state) state.throw_foreign("gradients");
    if (!v.requires_grad()) detail::throw_needs_no_gradient(state, "gradients", v.index());
  }
  detail::check_root<T>(state, "gradients", y.index(), nullptr);
  return detail::attempt(state, [&] {
    return options.differentiable ? detail::recorded_gradients(y, x)
                                  : detail::array_gradients(y, x);
  });
}

template std::vector<Variable<float>> gradients(const Variable<float>&,
                                                std::span<const Variable<float>>, GradientOptions);
template std::vector<Variable<double>> gradients(const Variable<double>&,
                                                 std::span<const Variable<double>>,
                                                 GradientOptions);

}  // namespace tapestry
