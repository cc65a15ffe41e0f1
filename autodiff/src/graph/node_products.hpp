// SPDX-License-Identifier: MIT
// The partial derivatives of single ops, as products with vectors. They read a tape and leave it as
// it is: kernels write into arrays of the caller, rules run on a tape of their own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tapestry/autodiff/detail/live_graph.hpp"
#include "tapestry/autodiff/detail/state.hpp"

namespace tapestry::detail {

/// Products with the Jacobian of a node, see `LiveGraph`.
template <class T>
class NodeProducts {
 public:
  /// The cotangent of one output; those of the others are zeros.
  struct Cotangent {
    std::uint32_t output = 0;
    const Numbers<T>* numbers = nullptr;
  };

  /// `x` has an element for each of `slots`.
  void vjp(const TapeState<T>& tape, const Node<T>& node, Cotangent y,
           std::span<const std::uint32_t> slots, std::span<Numbers<T>> x);

  /// `y` has an element for each output, `x` one for each input.
  void jvp(const TapeState<T>& tape, const Node<T>& node, std::span<const Numbers<T>> x,
           std::vector<Numbers<T>>& y);
  void forward(const TapeState<T>& tape, const Node<T>& node, std::span<const Numbers<T>> x,
               std::vector<Numbers<T>>& y);

 private:
  class Pass;

  void elementwise_jvp(const TapeState<T>& tape, const Node<T>& node, std::span<const Numbers<T>> x,
                       Numbers<T>& y);
  void rule_jvp(const TapeState<T>& tape, const Node<T>& node, std::span<const Numbers<T>> x,
                std::vector<Numbers<T>>& y);

  TapeState<T> scratch_;  // for rules; empty between calls
};

TAPESTRY_EXTERN_TYPES(class NodeProducts)

}  // namespace tapestry::detail
