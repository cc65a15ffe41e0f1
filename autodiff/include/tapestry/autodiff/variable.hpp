// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/hook.hpp"
#include "tapestry/autodiff/print.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry {

template <class T>
class Tape;

/// A value on a tape: a small handle, cheap to copy. It does not keep the tape's memory; using a
/// handle whose tape was cleared, rewound past it or destroyed throws StaleVariable. Like its tape,
/// it must be used by one thread at a time. A default-constructed variable refers to nothing.
template <class T = float>
class Variable {
 public:
  using value_type = T;

  Variable() = default;

  /// For the engine: the value `index` of a tape.
  Variable(detail::TapeState<T>& state, std::uint32_t index)
      : state_(&state), index_(index), generation_(state.entries[index].generation) {
    state.retain(index_, generation_);
  }
  Variable(const Variable& other) noexcept
      : state_(other.state_), index_(other.index_), generation_(other.generation_) {
    if (state_) state_->retain(index_, generation_);
  }
  Variable(Variable&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)),
        index_(other.index_),
        generation_(other.generation_) {}
  Variable& operator=(Variable other) noexcept {
    std::swap(state_, other.state_);
    std::swap(index_, other.index_);
    std::swap(generation_, other.generation_);
    return *this;
  }
  ~Variable() {
    if (state_) state_->drop(index_, generation_);
  }

  /// The tape that the value is on. Throws StaleVariable when the handle is not valid or the tape
  /// is gone.
  [[nodiscard]] Tape<T>& tape() const {
    if (Tape<T>* owner = state("tape").owner) return *owner;
    throw_invalid("tape");
  }

  /// The value, as a view into the tape's memory. One that was computed without recording must not
  /// be read through the view when no variable refers to it any more. Throws StaleVariable, and
  /// GradientError for what backward gave back or a parameter no longer holds.
  [[nodiscard]] View<T> value() const&;

  /// The value of a variable that is about to go away, as an array of its own: its place on the
  /// tape may be reused once no variable refers to it.
  [[nodiscard]] Array<T> value() const&&;

  /// Gradient of what `backward` was last called on. Zeros when a backward pass ran and did not
  /// depend on this variable. Throws GradientError when none has run yet, or when the variable
  /// needs no gradient, being computed from constants only.
  [[nodiscard]] View<T> grad() const&;
  [[nodiscard]] Array<T> grad() const&&;

  /// The only element. Throws ShapeError when there are several.
  [[nodiscard]] T item() const;

  [[nodiscard]] Shape shape() const;
  [[nodiscard]] std::size_t size() const { return shape().size(); }

  /// The given name, or else that of the op that computed it.
  [[nodiscard]] std::string name() const;

  /// Gives the value a name for messages, drawings and path listings; returns the same variable.
  Variable named(std::string_view name) const;

  /// Gradients of this scalar with respect to all variables and watched parameters that it depends
  /// on. Throws GradientError when it is not a scalar or depends on none.
  void backward() const;

  /// The same for any shape, weighted by `seed`, which is shaped like this variable: computes the
  /// gradients of sum(seed * this). Throws ShapeError when the shapes differ.
  void backward(const Array<T>& seed) const;

  /// Element `i` of the first axis, without that axis; a negative one counts from the end:
  /// x[-1]. IndexError outside.
  [[nodiscard]] Variable operator[](std::integral auto i) const {
    return element(static_cast<std::int64_t>(i));
  }

  /// As the function `slice`: elements start, start + step, ... before stop of axis `axis`.
  [[nodiscard]] Variable slice(int axis, std::int64_t start, std::int64_t stop,
                               std::int64_t step = 1) const;

  /// The same value as a constant: gradients stop here. No copy is made.
  [[nodiscard]] Variable detach() const;

  /// Calls `hook(gradient)` in each backward pass that reaches this variable, once, when its
  /// gradient in that pass is complete: for a result, before it flows on to what it was computed
  /// from; for a leaf, at the end of the pass and before it is added to what earlier passes left.
  /// For a watched parameter the gradient is that of this use. A hook that returns a variable
  /// replaces the gradient by it; one that returns nothing observes. Several run in the order they
  /// were registered. Hooks also take part in `gradients`, and are recorded with it. They last
  /// until the tape is cleared. What the pass works on they cannot change: in a hook, `clear`,
  /// `rewind`, `zero_grad`, `backward` and `gradients` of the tape throw GradientError.
  /// GradientError when this variable needs no gradient; backward throws ShapeError when a
  /// replacement has another shape.
  template <std::invocable<const Variable&> F>
  Hook register_hook(F hook) const {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, const Variable&>>) {
      return add_hook([hook = std::move(hook)](const Variable& gradient) mutable {
        hook(gradient);
        return Variable();
      });
    } else {
      return add_hook(std::move(hook));
    }
  }

  /// Keeps the gradient in backward even when no variable refers to this value any more, for
  /// drawings and other readers of the tape. Returns the same variable. GradientError when it needs
  /// no gradient.
  Variable retain_grad() const;  // NOLINT(modernize-use-nodiscard)

  /// Whether gradients flow through this variable.
  [[nodiscard]] bool requires_grad() const;

  /// Number of this value on its tape, in the order of computation. A value that was computed
  /// without recording may have the number of one that is gone.
  [[nodiscard]] std::uint32_t index() const { return index_; }

  /// Whether this handle still refers to a value. Never throws.
  [[nodiscard]] bool valid() const { return state_ && state_->alive(index_, generation_); }

  /// For the engine: the tape, after checking that the handle is valid on behalf of `op`.
  [[nodiscard]] detail::TapeState<T>& state(std::string_view op) const {
    if (!valid()) throw_invalid(op);
    return *state_;
  }

 private:
  [[noreturn]] void throw_invalid(std::string_view op) const;
  [[nodiscard]] Variable element(std::int64_t i) const;
  Hook add_hook(std::function<Variable(const Variable&)> hook) const;

  detail::TapeState<T>* state_ = nullptr;
  std::uint32_t index_ = 0;
  std::uint32_t generation_ = 0;
};

TAPESTRY_EXTERN_TYPES(class Variable)

}  // namespace tapestry
