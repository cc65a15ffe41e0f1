// SPDX-License-Identifier: MIT
#pragma once

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

/// A node of the tape as its gradient rules see it. `Pass` is the backward pass they belong to: it
/// says which entries need a gradient, `needs(entry)`, gives the gradient that has arrived at one
/// as a variable, `grad(entry)`, and takes contributions, `add(entry, gradient)`.
template <class T, class Pass>
class NodeRule final : public RuleBackward<T> {
 public:
  NodeRule(TapeState<T>& state, Pass& pass, const Node<T>& node)
      : state_(state), pass_(pass), node_(node) {}

  [[nodiscard]] std::size_t input_count() const override { return node_.input_count; }
  [[nodiscard]] bool needs(std::size_t i) const override {
    return node_.info->differentiable(i) && pass_.needs(input_index(i));
  }
  [[nodiscard]] Variable<T> grad(std::size_t j) override { return pass_.grad(output_index(j)); }
  [[nodiscard]] Variable<T> output(std::size_t j) override { return {state_, output_index(j)}; }
  [[nodiscard]] Variable<T> input(std::size_t i) override { return {state_, input_index(i)}; }
  [[nodiscard]] Shape input_shape(std::size_t i) const override {
    return state_.entries[input_index(i)].shape;
  }
  [[nodiscard]] Shape output_shape(std::size_t j) const override {
    return state_.entries[output_index(j)].shape;
  }
  void add(std::size_t i, const Variable<T>& gradient) override {
    pass_.add(input_index(i), gradient);
  }

 private:
  [[nodiscard]] std::uint32_t input_index(std::size_t i) const {
    return state_.edges[node_.first_input + i];
  }
  [[nodiscard]] std::uint32_t output_index(std::size_t j) const {
    return node_.first_output + static_cast<std::uint32_t>(j);
  }

  TapeState<T>& state_;
  Pass& pass_;
  Node<T> node_;  // a copy: the tape's nodes may move while rules run
};

}  // namespace tapestry::detail
