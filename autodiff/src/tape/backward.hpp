// SPDX-License-Identifier: MIT
// The backward pass on arrays: a loop from the last node to the first.
#pragma once

#include <string_view>
#include <vector>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

template <class T>
class BackwardPass {
 public:
  /// `op` names the caller in messages. `wanted`, unless empty, holds a flag for each entry of the
  /// tape: gradients are computed for those only.
  BackwardPass(TapeState<T>& state, std::string_view op, std::vector<bool> wanted = {});
  BackwardPass(const BackwardPass&) = delete;
  BackwardPass& operator=(const BackwardPass&) = delete;
  ~BackwardPass() { put_leaves_back(); }

  /// Sets the gradient at `root`: `seed` (of the root's shape), or 1 when it is null.
  /// Throws GradientError when the root needs no gradient or, without a seed, is not a scalar.
  void seed(std::uint32_t root, const Array<T>* seed);

  void run();

  [[nodiscard]] bool needs(std::uint32_t entry) const {
    return state_.entries[entry].requires_grad && (wanted_.empty() || wanted_[entry]);
  }

  // For the node that is running, see node_run.hpp.
  [[nodiscard]] bool needs(const Node<T>& node, std::size_t i) const {
    return needs(state_.edges[node.first_input + i]);
  }
  [[nodiscard]] const T* arrived(const Node<T>& node, std::size_t j) const {
    const Entry<T>& entry = state_.entries[node.first_output + j];
    return state_.has_grad(entry) ? entry.grad : nullptr;
  }
  [[nodiscard]] Out<T> target(const Node<T>& node, std::size_t i) {
    return state_.grad_target(state_.edges[node.first_input + i]);
  }
  Variable<T> grad(const Node<T>& node, std::size_t j) {
    return grad(node.first_output + static_cast<std::uint32_t>(j));
  }
  void add(const Node<T>& node, std::size_t i, const Variable<T>& gradient) {
    add(state_.edges[node.first_input + i], gradient);
  }
  Variable<T> variable(std::uint32_t entry) { return {state_, entry}; }

 private:
  void run_node(std::uint32_t index);
  void run_rules_of(std::uint32_t index);
  void run_rule(const Node<T>& node);
  void run_expanded(const Node<T>& node);
  void expand(const Node<T>& node);
  void run_hooks(std::uint32_t entry);
  Variable<T> grad(std::uint32_t entry);
  void add(std::uint32_t entry, const Variable<T>& gradient);
  void release_values();
  void put_leaves_aside();
  void put_leaves_back();
  const T* stored_grad(std::uint32_t entry) const;
  [[nodiscard]] bool keeps(const Entry<T>& entry) const;

  /// A leaf with hooks: its gradient in this pass is kept apart from that of earlier ones.
  struct HookedLeaf {
    std::uint32_t entry;
    T* grad;
    bool grad_outside;
  };

  TapeState<T>& state_;
  std::string_view op_;
  std::vector<bool> wanted_;
  std::vector<HookedLeaf> hooked_leaves_;
  std::uint32_t last_ = none;        // the last node that a root comes from
  std::uint32_t first_scratch_ = 0;  // entries from here on belong to the rule that is running
};

/// Sets the flags of what nodes from `first_node` on compute, by a gradient path, from entries
/// whose flag is set.
template <class T>
void extend_reached(const TapeState<T>& state, std::uint32_t first_node, std::vector<bool>& flags);

/// Throws GradientError unless a gradient can flow from entry `root`, and ShapeError when a seed
/// does not have its shape.
template <class T>
void check_root(const TapeState<T>& state, std::string_view op, std::uint32_t root,
                const Array<T>* seed);

/// Throws GradientError unless a gradient can flow from entry `root`.
template <class T>
void check_depends(const TapeState<T>& state, std::string_view op, std::uint32_t root);

/// Throws GradientError: `op` asks for the gradient with respect to entry `index`, which has none.
template <class T>
[[noreturn]] void throw_needs_no_gradient(const TapeState<T>& state, std::string_view op,
                                          std::uint32_t index);

TAPESTRY_EXTERN_TYPES(class BackwardPass)

}  // namespace tapestry::detail
