// SPDX-License-Identifier: MIT
// How the engine sees an op: a table of functions, made from the op's struct by op.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/op_attribute.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry {

template <class T>
class Variable;

/// An input of an op's kernel: contiguous row-major data and its shape.
template <class T>
struct In {
  const T* data;
  const Shape* extents;

  [[nodiscard]] const Shape& shape() const { return *extents; }
  [[nodiscard]] std::size_t size() const { return extents->size(); }
};

/// Where an op's kernel writes. `accumulate` is only ever set for ops that declare `accumulates`:
/// they then add to what is there instead of overwriting it.
template <class T>
struct Out {
  T* data;
  const Shape* extents;
  bool accumulate = false;

  [[nodiscard]] const Shape& shape() const { return *extents; }
  [[nodiscard]] std::size_t size() const { return extents->size(); }
};

/// Memory of the tape for a kernel.
template <class T>
class Memory {
 public:
  virtual ~Memory() = default;

  /// The numbers that the op keeps from forward for backward, as many as its `keeps` says. Forward
  /// fills them; null where no backward can follow. Backward reads them and may write over them.
  [[nodiscard]] virtual T* kept() = 0;

  /// `count` uninitialised numbers that last until the kernel returns.
  [[nodiscard]] virtual T* temporary(std::size_t count) = 0;
};

/// What backward offers to a kernel that computes gradients on arrays.
template <class T>
class KernelBackward {
 public:
  virtual ~KernelBackward() = default;

  /// Whether the gradient with respect to input `i` is wanted.
  [[nodiscard]] virtual bool needs(std::size_t i) const = 0;

  /// Gradient of the loss with respect to output `j`; its `data` is null when the output does not
  /// matter.
  [[nodiscard]] virtual In<T> grad(std::size_t j) const = 0;
  [[nodiscard]] virtual In<T> output(std::size_t j) const = 0;
  [[nodiscard]] virtual In<T> input(std::size_t i) const = 0;

  /// Storage for the gradient with respect to input `i`: `accumulate` tells whether to add or to
  /// overwrite. To be asked for once for each input that is needed, and then filled.
  [[nodiscard]] virtual Out<T> target(std::size_t i) = 0;

  [[nodiscard]] virtual Memory<T>& memory() = 0;
};

/// What backward offers to a rule that is written in variables.
template <class T>
class RuleBackward {
 public:
  virtual ~RuleBackward() = default;

  [[nodiscard]] virtual std::size_t input_count() const = 0;
  [[nodiscard]] virtual bool needs(std::size_t i) const = 0;
  [[nodiscard]] virtual Variable<T> grad(std::size_t j) = 0;  ///< zeros where it does not matter
  [[nodiscard]] virtual Variable<T> output(std::size_t j) = 0;
  [[nodiscard]] virtual Variable<T> input(std::size_t i) = 0;
  [[nodiscard]] virtual Shape input_shape(std::size_t i) const = 0;
  [[nodiscard]] virtual Shape output_shape(std::size_t j) const = 0;

  /// Adds to the gradient with respect to input `i`. The engine sums over broadcast axes.
  virtual void add(std::size_t i, const Variable<T>& gradient) = 0;
};

namespace detail {

template <class T>
struct OpInfo {
  std::string_view name;
  std::uint64_t saved_inputs = ~std::uint64_t{0};           // bit i: rules read input i
  bool saves_output = true;                                 // rules read the outputs
  std::uint64_t differentiable_inputs = ~std::uint64_t{0};  // bit i: there is a rule for input i
  bool accumulates = false;                                 // forward can add to its target
  bool over_steps = false;                                  // its expansion has time steps
  std::size_t size = 0;                                     // of the op's struct; 0 if it is empty

  std::size_t (*output_count)(const void* op) = nullptr;  // null: one
  void (*infer)(const void* op, std::span<const Shape* const> inputs, Shape* outputs) = nullptr;
  void (*forward)(const void* op, std::span<const In<T>> inputs,
                  std::span<const Out<T>> outputs) = nullptr;

  // Instead of `forward` for fused ops that ask for memory; `keeps` counts what backward needs of
  // it.
  void (*forward_in)(const void* op, std::span<const In<T>> inputs, std::span<const Out<T>> outputs,
                     Memory<T>& memory) = nullptr;
  std::size_t (*keeps)(const void* op, std::span<const Shape* const> inputs) = nullptr;

  // At least one of the two; the kernel is the fast way, the rule also records.
  void (*kernel)(const void* op, KernelBackward<T>& call) = nullptr;
  void (*rule)(const void* op, RuleBackward<T>& call) = nullptr;

  // Fused ops: the definition in primitive ops, and the way to differentiate it again.
  std::vector<Variable<T>> (*expand)(const void* op, std::span<const Variable<T>> inputs) = nullptr;

  // Returns the offset of the output within input 0 where it is a contiguous part of it.
  bool (*alias)(const void* op, const Shape& input, std::size_t& offset) = nullptr;

  OpAttributes (*attributes)(const void* op) = nullptr;  // for readers
  void (*copy)(const void* op, void* storage) = nullptr;
  void (*destroy)(void* op) noexcept = nullptr;  // null when there is nothing to destroy

  [[nodiscard]] bool saves(std::size_t input) const {
    return input >= 64 ? saved_inputs == ~std::uint64_t{0} : (saved_inputs >> input & 1) != 0;
  }
  [[nodiscard]] bool differentiable(std::size_t input) const {
    return input >= 64 ? differentiable_inputs == ~std::uint64_t{0}
                       : (differentiable_inputs >> input & 1) != 0;
  }
};

/// Adds to the list of ops, once for each name; returns true.
bool register_op(std::string_view name, std::string_view formula, std::string_view shapes,
                 bool fused);

}  // namespace detail

/// What an op says about itself; empty where it says nothing.
struct OpDescription {
  std::string name;
  std::string formula;  ///< "y = a / b"
  std::string shapes;   ///< "(..., n, m), (..., m, k) -> (..., n, k)"
  bool fused = false;   ///< has a definition in other ops, and a kernel of its own
};

/// All ops that are part of the program, sorted by name: those of the library, and those of the
/// user that are applied anywhere in it.
[[nodiscard]] std::vector<OpDescription> registered_ops();

}  // namespace tapestry
