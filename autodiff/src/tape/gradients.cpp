// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/gradient.hpp"

#include <algorithm>

#include "tape/anomaly.hpp"
#include "tape/backward.hpp"
#include "tape/gradient_ops.hpp"
#include "tape/gradients.hpp"
#include "tape/gradients_aside.hpp"
#include "tape/hooks.hpp"
#include "tape/node_run.hpp"
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
  extend_reached(state, 0, flags);
  return flags;
}

/// What a recorded pass knows of each entry from a position of the tape on, and of the few before
/// it that the pass ends in: work and memory are those of the part of the tape that it runs over.
template <class T>
class PassEntries {
 public:
  struct Slot {
    bool wanted = false;  // a gradient path leads from the entry back to one of the ends
    Variable<T> grad;
  };

  PassEntries(const TapeState<T>& state, const Position& from, std::span<const Variable<T>> ends)
      : first_(from.entries), slots_(state.entries.size() - from.entries) {
    for (const Variable<T>& v : ends)
      if (Slot* known = find(v.index()))
        known->wanted = true;
      else
        before_.push_back({v.index(), {true, {}}});
    for (std::size_t k = from.nodes; k < state.nodes.size(); ++k) reach(state, state.nodes[k]);
  }

  /// Null for an entry that the pass does not know.
  Slot* find(std::uint32_t entry) {
    if (entry >= first_) return entry - first_ < slots_.size() ? &slots_[entry - first_] : nullptr;
    const auto same = [&](const Before& known) { return known.entry == entry; };
    const auto found = std::ranges::find_if(before_, same);
    return found == before_.end() ? nullptr : &found->slot;
  }

  [[nodiscard]] std::uint32_t end() const {
    return first_ + static_cast<std::uint32_t>(slots_.size());
  }

 private:
  struct Before {
    std::uint32_t entry;
    Slot slot;
  };

  void reach(const TapeState<T>& state, const Node<T>& node) {
    bool any = false;
    for (std::uint32_t i = 0; i < node.input_count && !any; ++i) {
      const Slot* input = find(state.edges[node.first_input + i]);
      any = input && input->wanted && node.info->differentiable(i);
    }
    for (std::uint32_t j = 0; any && j < node.output_count; ++j)
      find(node.first_output + j)->wanted = true;
  }

  std::uint32_t first_;
  std::vector<Slot> slots_;
  std::vector<Before> before_;
};

/// Backward as part of the computation: the rules run on variables and are recorded.
template <class T>
class RecordedPass {
 public:
  /// Over the tape from position `from` on, ending in `ends`.
  RecordedPass(TapeState<T>& state, const Position& from, std::span<const Variable<T>> ends)
      : state_(state), from_(from.nodes), entries_(state, from, ends) {}

  void add(std::uint32_t entry, const Variable<T>& gradient) {
    const Shape shape = state_.entries[entry].shape;
    const Variable<T> fitted = gradient.shape() == shape ? gradient : sum_to(gradient, shape);
    Variable<T>& grad = entries_.find(entry)->grad;
    grad = grad.valid() ? grad + fitted : fitted;
    const std::uint32_t node = state_.entries[entry].node;
    if (node != none) last_ = std::max(last_, node + 1);
  }

  /// Runs all nodes, the last one first.
  void run() {
    for (std::uint32_t index = last_; index-- > from_;) run_node(index);
  }

  [[nodiscard]] bool needs(std::uint32_t entry) {
    const auto* known = entries_.find(entry);
    return known && known->wanted && state_.entries[entry].requires_grad;
  }

  // For the node that is running, see node_run.hpp.
  [[nodiscard]] bool needs(const Node<T>& node, std::size_t i) {
    return needs(state_.edges[node.first_input + i]);
  }
  Variable<T> grad(const Node<T>& node, std::size_t j) {
    return grad(node.first_output + static_cast<std::uint32_t>(j));
  }
  void add(const Node<T>& node, std::size_t i, const Variable<T>& gradient) {
    add(state_.edges[node.first_input + i], gradient);
  }
  Variable<T> variable(std::uint32_t entry) { return {state_, entry}; }

  /// The gradient that has arrived at `entry`, or an empty handle.
  Variable<T> arrived(std::uint32_t entry) {
    const auto* known = entries_.find(entry);
    return known ? known->grad : Variable<T>();
  }

  /// Calls the hooks of the leaves that gradients have reached.
  void run_leaf_hooks() {
    for (std::uint32_t entry = 0; !state_.hooks.empty() && entry < entries_.end(); ++entry)
      if (state_.entries[entry].hooked && state_.entries[entry].node == none) run_hooks(entry);
  }

  /// The gradient with respect to `entry`, zeros if there is none.
  Variable<T> grad(std::uint32_t entry) {
    const Variable<T> gradient = arrived(entry);
    return gradient.valid() ? gradient : zeros(state_.entries[entry].shape);
  }

 private:
  Variable<T> zeros(const Shape& shape) {
    const Shape copy = shape;
    const std::uint32_t index = state_.add_leaf(copy, Role::constant, false, {});
    std::fill_n(state_.entries[index].data, copy.size(), T{0});
    return {state_, index};
  }

  void run_hooks(std::uint32_t entry) {
    if (const Variable<T> gradient = arrived(entry);
        state_.entries[entry].hooked && gradient.valid())
      entries_.find(entry)->grad = call_hooks(state_, entry, gradient);
    state_.check_not_orphaned("gradients");
  }

  void run_node(std::uint32_t index);
  void run_rules(const Node<T>& node);
  void run_expanded(const Node<T>& node);

  TapeState<T>& state_;
  std::uint32_t from_;
  PassEntries<T> entries_;
  std::uint32_t last_ = 0;  // one past the last node that a gradient has reached
};

template <class T>
void RecordedPass<T>::run_node(std::uint32_t index) {
  const Node<T> node = state_.nodes[index];
  bool reached = false;
  for (std::uint32_t j = 0; j < node.output_count; ++j)
    reached |= arrived(node.first_output + j).valid() && needs(node.first_output + j);
  if (!reached) return;
  for (std::uint32_t j = 0; j < node.output_count; ++j) run_hooks(node.first_output + j);
  if (!state_.anomaly) return run_rules(node);
  const Switched off(state_.anomaly, false);  // to name this node and not the ops of its rule
  const auto stored = [this](std::uint32_t entry) -> const T* {
    const Variable<T> gradient = arrived(entry);
    return gradient.valid() ? state_.entries[gradient.index()].data : nullptr;
  };
  check_gradients(state_, node, stored, [&] { run_rules(node); });
}

template <class T>
void RecordedPass<T>::run_rules(const Node<T>& node) {
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
  std::vector<Variable<T>> ends;
  for (std::uint32_t i = 0; i < node.input_count; ++i) {
    inputs.emplace_back(state_, state_.edges[node.first_input + i]);
    if (needs(inputs.back().index())) ends.push_back(inputs.back());
  }
  const Position from = state_.position();
  const std::vector<Variable<T>> outputs = node.info->expand(node.op, inputs);
  RecordedPass<T> inner(state_, from, ends);
  for (std::uint32_t j = 0; j < outputs.size(); ++j) {
    const Variable<T> grad = arrived(node.first_output + j);
    if (grad.valid() && inner.needs(outputs[j].index())) inner.add(outputs[j].index(), grad);
  }
  inner.run();
  for (const Variable<T>& input : ends) {
    Variable<T>& grad = inner.entries_.find(input.index())->grad;
    if (grad.valid()) add(input.index(), grad);
    grad = {};  // an input that is given twice counts once
  }
}

template <class T>
std::vector<Variable<T>> recorded_gradients(TapeState<T>& state, std::string_view op,
                                            const Roots<T>& roots, std::span<const Variable<T>> x) {
  if (!state.recording)
    throw GradientError(op, "differentiable gradients need a tape that is recording");
  state.check_watched(op);
  const Scope<T> scope(state, "gradients", ScopeKind::module, -1);
  RecordedPass<T> pass(state, {}, x);
  for (std::size_t i = 0; i < roots.variables.size(); ++i) {
    if (!pass.needs(roots.variables[i].index())) continue;
    if (roots.seeds[i].valid()) {
      pass.add(roots.variables[i].index(), roots.seeds[i]);
    } else {
      const std::uint32_t one =
          state.add_leaf(roots.variables[i].shape(), Role::constant, false, {});
      *state.entries[one].data = T{1};
      pass.add(roots.variables[i].index(), Variable<T>(state, one));
    }
  }
  pass.run();
  pass.run_leaf_hooks();
  std::vector<Variable<T>> results;
  for (const Variable<T>& v : x) results.push_back(pass.grad(v.index()));
  return results;
}

template <class T>
std::vector<Variable<T>> array_gradients(TapeState<T>& state, std::string_view op,
                                         const Roots<T>& roots, std::span<const Variable<T>> x) {
  const GradientsAside<T> aside(state, x);
  BackwardPass<T> pass(state, op, reaches<T>(state, x));
  for (std::size_t i = 0; i < roots.variables.size(); ++i) {
    const std::uint32_t root = roots.variables[i].index();
    if (!pass.needs(root)) continue;
    if (roots.seeds[i].valid()) {
      const Array<T> seed(roots.seeds[i].value());
      pass.seed(root, &seed);
    } else {
      pass.seed(root, nullptr);
    }
  }
  pass.run();
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

template <class T>
void extend_reached(const TapeState<T>& state, std::uint32_t first_node, std::vector<bool>& flags) {
  flags.resize(state.entries.size());
  for (std::size_t k = first_node; k < state.nodes.size(); ++k) {
    const Node<T>& node = state.nodes[k];
    bool any = false;
    for (std::uint32_t i = 0; i < node.input_count; ++i)
      any |= flags[state.edges[node.first_input + i]] && node.info->differentiable(i);
    for (std::uint32_t j = 0; any && j < node.output_count; ++j)
      flags[node.first_output + j] = true;
  }
}

template <class T>
TapeState<T>& check_sources(std::string_view op, const Variable<T>& y,
                            std::span<const Variable<T>> x) {
  TapeState<T>& state = y.state(op);
  for (const Variable<T>& v : x) {
    if (&v.state(op) != &state) state.throw_foreign(op);
    if (!v.requires_grad()) throw_needs_no_gradient(state, op, v.index());
  }
  return state;
}

template <class T>
void check_seed(std::string_view op, const Variable<T>& y, const Variable<T>& seed) {
  TapeState<T>& state = y.state(op);
  if (&seed.state(op) != &state) state.throw_foreign(op);
  state.check_available(op, seed.index());
  if (!(seed.shape() == y.shape()))
    throw ShapeError(op, "the seed has shape " + seed.shape().str() + ", but '" + y.name() +
                             "' has " + y.shape().str());
}

template <class T>
std::vector<Variable<T>> seeded_gradients(TapeState<T>& state, std::string_view op,
                                          const Roots<T>& roots, std::span<const Variable<T>> x,
                                          GradientOptions options) {
  const RunningPass<T> running(state, op, true);
  return options.differentiable ? recorded_gradients(state, op, roots, x)
                                : array_gradients(state, op, roots, x);
}

}  // namespace detail

template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, std::span<const Variable<T>> x,
                                   GradientOptions options) {
  detail::TapeState<T>& state = detail::check_sources("gradients", y, x);
  detail::check_root<T>(state, "gradients", y.index(), nullptr);
  return detail::attempt(state, [&] {
    return detail::seeded_gradients<T>(state, "gradients", {{y}, {{}}}, x, options);
  });
}

template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, std::span<const Variable<T>> x,
                                   const Variable<T>& seed, GradientOptions options) {
  detail::TapeState<T>& state = detail::check_sources("gradients", y, x);
  detail::check_seed("gradients", y, seed);
  detail::check_depends(state, "gradients", y.index());
  return detail::attempt(state, [&] {
    return detail::seeded_gradients<T>(state, "gradients", {{y}, {seed}}, x, options);
  });
}

TAPESTRY_INSTANTIATE(detail::extend_reached, detail::check_sources, detail::check_seed,
                     detail::seeded_gradients)
TAPESTRY_INSTANTIATE_AS((std::vector<Variable<T>>(const Variable<T>&, std::span<const Variable<T>>,
                                                  GradientOptions)),
                        gradients)
TAPESTRY_INSTANTIATE_AS((std::vector<Variable<T>>(const Variable<T>&, std::span<const Variable<T>>,
                                                  const Variable<T>&, GradientOptions)),
                        gradients)

}  // namespace tapestry
