// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/array_like.hpp"
#include "tapestry/autodiff/detail/followed.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/print.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry {

/// What is learned: a named array and its gradient. It lives outside tapes; `tape.watch(p)` makes
/// a variable of it, and backward accumulates into `grad()`. Copying copies value and gradient.
/// Tapes and optimizers follow a parameter that is moved. One that was moved from holds nothing:
/// until it is assigned to, reading it throws ArgumentError.
template <class T = float>
class Parameter : public detail::Followed<Parameter<T>> {
 public:
  using value_type = T;

  Parameter() = default;

  /// A parameter with the given initial value and, optionally, its name. Throws ShapeError unless
  /// rows are equally long. Give numbers in parentheses, `Parameter<> w({1, 2})`: in braces alone,
  /// w{{1, 2}}, both pairs would count as axes.
  explicit Parameter(const ArrayLike<T>& value, std::string name = {});
  explicit Parameter(std::initializer_list<detail::Braces<T>> braces, std::string name = {});
  explicit Parameter(std::same_as<Array<T>> auto value, std::string name = {})
      : value_(std::move(value)), name_(std::move(name)) {}

  Parameter(const Parameter& other);
  Parameter(Parameter&& other) noexcept;
  /// Assigning counts as a change of the value.
  Parameter& operator=(const Parameter& other);
  Parameter& operator=(Parameter&& other) noexcept;
  ~Parameter() = default;

  [[nodiscard]] const Array<T>& value() const {
    check_there();
    return value_;
  }

  /// For changing the value in place. Between a forward and a backward pass nothing may change:
  /// backward compares the numbers, and refuses to run over a tape on which others were used.
  [[nodiscard]] Array<T>& value() {
    check_there();
    if (handed_out_.load(std::memory_order_relaxed) == 0) hand_out();
    return value_;
  }

  /// Sum of the gradients of all backward passes since the last `zero_grad()`; zeros, shaped like
  /// the value, if there was none.
  [[nodiscard]] const Array<T>& grad() const;

  /// For setting the gradient by hand: counts as having one from then on.
  [[nodiscard]] Array<T>& grad();

  /// True once a backward pass has reached this parameter since the last `zero_grad()`.
  [[nodiscard]] bool has_grad() const { return has_grad_; }

  /// Forgets the gradient. The memory is kept, and the next backward stores instead of adding.
  void zero_grad() { has_grad_ = false; }

  [[nodiscard]] Shape shape() const { return Shape(value().shape()); }
  [[nodiscard]] std::size_t size() const { return value().size(); }

  /// Name within the model, such as "lstm.weight_ih_l0"; set by `parameters(model)`.
  [[nodiscard]] const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }

  /// A frozen parameter takes part in the forward pass and receives no gradient.
  [[nodiscard]] bool requires_grad() const { return requires_grad_; }
  void set_requires_grad(bool requires_grad) { requires_grad_ = requires_grad; }

  /// Counts updates. Optimizers and loading call `touch()`, so that a backward pass over values
  /// that have changed since the forward pass is refused instead of being silently wrong.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  void touch() { ++version_; }

  /// For the library, which keeps no reference to it and calls `touch()` after a change: the value
  /// for reading and writing.
  [[nodiscard]] Array<T>& storage() {
    check_there();
    return value_;
  }

  /// For the engine: storage for a gradient shaped like the value. `stored` tells whether it
  /// already holds one (add) or not (overwrite); it counts as holding one from then on.
  [[nodiscard]] T* grad_storage(bool& stored);

  /// For the engine: what the numbers were, as a checksum, when a reference with which they can be
  /// written was first given away; 0 if none was. And the checksum of what they are.
  [[nodiscard]] std::uint64_t handed_out() const {
    return handed_out_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t checksum() const;
  [[nodiscard]] bool is_moved_from() const { return moved_from_; }

 private:
  void hand_out();
  void check_there() const {
    if (moved_from_) throw_moved_from();
  }
  [[noreturn]] void throw_moved_from() const;

  Array<T> value_;
  mutable Array<T> grad_;
  std::string name_;
  std::uint64_t version_ = 0;
  std::atomic<std::uint64_t> handed_out_{0};
  bool has_grad_ = false;
  bool requires_grad_ = true;
  bool moved_from_ = false;
};

TAPESTRY_EXTERN_TYPES(class Parameter)

}  // namespace tapestry
