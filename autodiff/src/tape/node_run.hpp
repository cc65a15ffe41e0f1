// SPDX-License-Identifier: MIT
// How one node of a tape is run backwards, whoever asks for it: backward, a recorded backward pass,
// or a study of the graph. They differ in where gradients come from and go to, and say so in a
// `Pass`:
//
//   bool needs(node, i)              whether the gradient with respect to input i is wanted
//   const T* arrived(node, j)        gradient with respect to output j, or null; for kernels
//   Out<T> target(node, i)           where that of input i goes
//   Variable<T> grad(node, j)        the same for rules, zeros if there is none
//   void add(node, i, gradient)
//   Variable<T> variable(entry)      a value as rules read it
#pragma once

#include "tape/kernel_memory.hpp"
#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

/// A node as its kernel sees it.
template <class T, class Pass>
class NodeKernel final : public KernelBackward<T> {
 public:
  /// Memory for the kernel comes from `arena`.
  NodeKernel(const TapeState<T>& state, Pass& pass, const Node<T>& node, Arena& arena)
      : state_(state), pass_(pass), node_(node), memory_(arena, node.kept) {}

  [[nodiscard]] bool needs(std::size_t i) const override {
    return node_.info->differentiable(i) && pass_.needs(node_, i);
  }
  [[nodiscard]] In<T> grad(std::size_t j) const override {
    return {pass_.arrived(node_, j), &state_.entries[node_.first_output + j].shape};
  }
  [[nodiscard]] In<T> output(std::size_t j) const override {
    const Entry<T>& entry = state_.entries[node_.first_output + j];
    return {entry.data, &entry.shape};
  }
  [[nodiscard]] In<T> input(std::size_t i) const override {
    const Entry<T>& entry = state_.entries[state_.edges[node_.first_input + i]];
    return {entry.data, &entry.shape};
  }
  [[nodiscard]] Out<T> target(std::size_t i) override { return pass_.target(node_, i); }
  [[nodiscard]] Memory<T>& memory() override { return memory_; }

 private:
  const TapeState<T>& state_;
  Pass& pass_;
  const Node<T>& node_;
  KernelMemory<T> memory_;
};

/// A node as its gradient rules see it.
template <class T, class Pass>
class NodeRule final : public RuleBackward<T> {
 public:
  NodeRule(const TapeState<T>& state, Pass& pass, const Node<T>& node)
      : state_(state), pass_(pass), node_(node) {}

  [[nodiscard]] std::size_t input_count() const override { return node_.input_count; }
  [[nodiscard]] bool needs(std::size_t i) const override {
    return node_.info->differentiable(i) && pass_.needs(node_, i);
  }
  [[nodiscard]] Variable<T> grad(std::size_t j) override { return pass_.grad(node_, j); }
  [[nodiscard]] Variable<T> output(std::size_t j) override {
    return pass_.variable(output_index(j));
  }
  [[nodiscard]] Variable<T> input(std::size_t i) override { return pass_.variable(input_index(i)); }
  [[nodiscard]] Shape input_shape(std::size_t i) const override {
    return state_.entries[input_index(i)].shape;
  }
  [[nodiscard]] Shape output_shape(std::size_t j) const override {
    return state_.entries[output_index(j)].shape;
  }
  void add(std::size_t i, const Variable<T>& gradient) override { pass_.add(node_, i, gradient); }

 private:
  [[nodiscard]] std::uint32_t input_index(std::size_t i) const {
    return state_.edges[node_.first_input + i];
  }
  [[nodiscard]] std::uint32_t output_index(std::size_t j) const {
    return node_.first_output + static_cast<std::uint32_t>(j);
  }

  const TapeState<T>& state_;
  Pass& pass_;
  Node<T> node_;  // a copy: the tape's nodes may move while rules run
};

}  // namespace tapestry::detail
