// SPDX-License-Identifier: MIT
// The partial derivatives of single ops, as products with vectors. They read the tape and leave it
// as it is: kernels write into arrays of the caller, rules run on a tape of their own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tapestry/autodiff/detail/arena.hpp"
#include "tapestry/autodiff/detail/state.hpp"

namespace tapestry::detail {

/// The elements of a gradient or tangent, row-major. An empty vector stands for zeros.
template <class T>
using Numbers = std::vector<T>;

/// Products with the Jacobian D of a node of the tape: of its outputs by one of its inputs, the
/// other inputs held constant. An input that is given twice counts as two.
template <class T>
class Products {
 public:
  explicit Products(const TapeState<T>& tape) : tape_(tape) {}
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  /// Vector times Jacobian: x[i] = sum_j Dᵀ y[j] for the inputs whose `wanted` is set, shaped like
  /// them; the others become empty. `y` has an element for each output. GradientError when a value
  /// is needed that backward has given back, or the op cannot be looked into.
  void vjp(std::uint32_t node, std::span<const Numbers<T>> y, const std::vector<bool>& wanted,
           std::vector<Numbers<T>>& x);

  /// Jacobian times vector: y[j] = sum_i D x[i], shaped like the outputs. `x` has an element for
  /// each input. Throws as `vjp` does.
  void jvp(std::uint32_t node, std::span<const Numbers<T>> x, std::vector<Numbers<T>>& y);

  /// The outputs for other inputs: `x` has an element for each input, empty where it stays.
  void forward(std::uint32_t node, std::span<const Numbers<T>> x, std::vector<Numbers<T>>& y);

 private:
  class Kernel;
  class Rule;

  void check(const Node<T>& node) const;
  void check_open(const Node<T>& node) const;
  void restore_kept(const Node<T>& node);
  void run_kernel(const Node<T>& node, std::span<const Numbers<T>> y,
                  const std::vector<bool>& wanted, std::vector<Numbers<T>>& x);
  void run_rule(const Node<T>& node, std::span<const Numbers<T>> y, const std::vector<bool>& wanted,
                std::vector<Numbers<T>>& x);
  void elementwise_jvp(const Node<T>& node, std::span<const Numbers<T>> x, Numbers<T>& y);
  void rule_jvp(const Node<T>& node, std::span<const Numbers<T>> x, std::vector<Numbers<T>>& y);
  void expanded_jvp(const Node<T>& node, std::span<const Numbers<T>> x, std::vector<Numbers<T>>& y);

  [[nodiscard]] const Entry<T>& input(const Node<T>& node, std::size_t i) const {
    return tape_.entries[tape_.edges[node.first_input + i]];
  }
  [[nodiscard]] const Entry<T>& output(const Node<T>& node, std::size_t j) const {
    return tape_.entries[node.first_output + j];
  }

  const TapeState<T>& tape_;
  TapeState<T> scratch_;  // for rules; empty between calls
  Arena arena_;           // for kernels
  Numbers<T> kept_;       // what the op of a kernel keeps, computed anew for each run
};

extern template class Products<float>;
extern template class Products<double>;

}  // namespace tapestry::detail
