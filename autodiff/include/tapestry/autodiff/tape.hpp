// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/array_like.hpp"
#include "tapestry/autodiff/create.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/print.hpp"
#include "tapestry/autodiff/random.hpp"
#include "tapestry/autodiff/shape.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// Marks what is computed while it lives as part of a region: "lstm", "layer 0", "step 3".
/// Messages name the open regions, and drawings group by them.
template <class T = float>
class [[nodiscard]] Scope {
 public:
  Scope(detail::TapeState<T>& state, std::string_view name, ScopeKind kind, std::int64_t number)
      : state_(&state), outer_(state.scope) {
    state.scope = state.scopes.open(outer_, name, kind, number);
    state.hold();
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() {
    if (outer_ < state_->scopes.end()) state_->scope = outer_;  // else closed in another order
    state_->let_go();
  }

 private:
  detail::TapeState<T>* state_;  // which it keeps alive, should the tape be destroyed first
  std::uint32_t outer_;
};

/// Restores one of the tape's switches when it goes out of scope.
class [[nodiscard]] Switched {
 public:
  Switched(bool& flag, bool value) : flag_(&flag), before_(flag) { flag = value; }
  Switched(const Switched&) = delete;
  Switched& operator=(const Switched&) = delete;
  ~Switched() { *flag_ = before_; }

 private:
  bool* flag_;
  bool before_;
};

/// Switches recording off until it is destroyed; see `Tape::no_grad`.
template <class T = float>
class [[nodiscard]] NoGrad {
 public:
  explicit NoGrad(detail::TapeState<T>& state) : state_(&state), before_(state.recording) {
    state.recording = false;
    state.hold();
  }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;
  ~NoGrad() {
    state_->recording = before_;
    state_->let_go();
  }

 private:
  detail::TapeState<T>* state_;  // which it keeps alive, should the tape be destroyed first
  bool before_;
};

/// A record of a computation: values and the ops that made them, in the order they were computed,
/// which makes backward a loop from the end. There is no global tape; any number live side by side,
/// each used by one thread at a time. Tapes are neither copied nor moved. One that a hook destroys
/// stays until the pass has ended, with a GradientError.
template <class T = float>
class Tape {
 public:
  using value_type = T;

  Tape() : state_(new detail::TapeState<T>()) { state_->owner = this; }
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  ~Tape() {
    state_->owner = nullptr;
    state_->orphan();
  }

  /// A leaf with a gradient. The numbers are copied; see ArrayLike for what they may be. Rows must
  /// be equally long, else ShapeError.
  Variable<T> variable(const ArrayLike<T>& value, std::string_view name = {}) {
    return leaf(value, Role::input, "variable", name);
  }

  /// A leaf without a gradient, as above.
  Variable<T> constant(const ArrayLike<T>& value, std::string_view name = {}) {
    return leaf(value, Role::constant, "constant", name);
  }

  // Constants as the functions of the same names in create.hpp make arrays: `tape.zeros({2, 3})`.
  Variable<T> zeros(const Shape& shape) { return full(shape, T{0}); }
  Variable<T> ones(const Shape& shape) { return full(shape, T{1}); }
  Variable<T> full(const Shape& shape, T value);
  Variable<T> arange(double stop) { return constant(tapestry::arange<T>(stop)); }
  Variable<T> arange(double start, double stop, double step = 1) {
    return constant(tapestry::arange<T>(start, stop, step));
  }
  Variable<T> linspace(double start, double stop, std::size_t count) {
    return constant(tapestry::linspace<T>(start, stop, count));
  }
  Variable<T> rand(const Shape& shape, Generator& generator = default_generator()) {
    return constant(tapestry::rand<T>(shape, generator));
  }
  Variable<T> randn(const Shape& shape, Generator& generator = default_generator()) {
    return constant(tapestry::randn<T>(shape, generator));
  }
  Variable<T> from(const ArrayLike<T>& data, const Shape& shape) {
    return constant(tapestry::from<T>(data, shape));
  }

  /// A use of a parameter: a leaf that reads the parameter's storage and whose gradient is added to
  /// the parameter's. Each call makes a leaf of its own, in the scopes that are open, so that uses
  /// at several time steps can be told apart. The parameter may be moved; when it is destroyed,
  /// given another array or changed, ops and backward refuse to use it: GradientError. Throws
  /// ArgumentError for a parameter that was moved from.
  Variable<T> watch(Parameter<T>& parameter);

  /// Forgets everything but keeps the memory, so that repeating a computation allocates nothing.
  /// All variables of the tape become stale. Throws GradientError when it is called from a hook or
  /// rule of a pass, or from a callback of a layer.
  void clear() {
    state_->check_idle("clear");
    state_->clear();
    state_->forget_unused();
  }

  /// A position to which the tape can be rewound.
  class Mark {
    friend class Tape;
    detail::Position position_;
    std::uint32_t generation_ = 0;
    std::uint64_t tape_ = 0;
  };
  [[nodiscard]] Mark mark() const;

  /// Forgets all that was recorded after `mark` was taken; variables from before stay valid.
  /// Throws StaleVariable when the tape has since been cleared or rewound to before the mark, and
  /// GradientError as `clear` does, unless the mark was taken within the callback of a layer.
  void rewind(const Mark& mark);

  /// Opens a scope until the returned object is destroyed: a named part of the model, one of its
  /// layers, a time step.
  Scope<T> scope(std::string_view name) { return {*state_, name, ScopeKind::module, -1}; }
  Scope<T> layer(std::size_t number) { return numbered("layer", ScopeKind::layer, number); }
  Scope<T> step(std::size_t number) { return numbered("step", ScopeKind::step, number); }

  /// Whether ops are remembered for backward and drawing. Values are computed either way. Those
  /// that are not remembered go when no variable refers to them any more, with their memory, so
  /// that `h = cell(x, h)` can be repeated without end.
  [[nodiscard]] bool recording() const { return state_->recording; }
  void set_recording(bool on) { state_->recording = on; }

  /// Switches recording off until the returned object is destroyed.
  NoGrad<T> no_grad() { return NoGrad<T>(*state_); }

  /// Whether fused ops are recorded as their definition in primitive ops, for study.
  [[nodiscard]] bool primitive() const { return state_->primitive; }
  void set_primitive(bool on) { state_->primitive = on; }

  /// Whether backward keeps the values and gradients of all intermediate results. By default it
  /// gives back the memory of those above 4 KiB that no rule needs, that no variable refers to and
  /// that have no name.
  [[nodiscard]] bool retains_all() const { return state_->retain_all; }
  void retain_all(bool on = true) { state_->retain_all = on; }

  /// Whether every result and every gradient is checked for being finite. The first that is not
  /// gives an AnomalyError naming the op, the place, and the inputs with their shapes and whether
  /// they are finite. Meant for finding trouble: each number is read once more. Leaves are not
  /// checked, since an infinite constant can be meant. Costs nothing when off, as it is at first.
  [[nodiscard]] bool detects_anomaly() const { return state_->anomaly; }
  void detect_anomaly(bool on = true) { state_->anomaly = on; }

  /// Gradients of sum_i sum(seeds[i] * roots[i]) in one pass. An empty `seeds` means ones, and
  /// then all roots must be scalars. Throws GradientError, also when it is called from a hook or
  /// rule of another pass over this tape, ShapeError, StaleVariable.
  void backward(std::span<const Variable<T>> roots, std::span<const Array<T>> seeds = {});

  /// Forgets the gradients of the tape's variables (not those of parameters).
  void zero_grad();

  /// Number of values on the tape, and of places of values that are gone and will be reused.
  [[nodiscard]] std::size_t size() const { return state_->entries.size(); }

  /// Bytes of values and gradients in use now, at most so far, and taken from the heap.
  [[nodiscard]] std::size_t memory_used() const { return state_->arena.used(); }
  [[nodiscard]] std::size_t memory_peak() const { return state_->arena.peak(); }
  [[nodiscard]] std::size_t memory_reserved() const { return state_->arena.reserved(); }

  /// For the engine and tools.
  [[nodiscard]] detail::TapeState<T>& state() { return *state_; }
  [[nodiscard]] const detail::TapeState<T>& state() const { return *state_; }

 private:
  Scope<T> numbered(std::string_view name, ScopeKind kind, std::size_t number) {
    return {*state_, name, kind, static_cast<std::int64_t>(number)};
  }
  Variable<T> leaf(const ArrayLike<T>& value, Role role, std::string_view where,
                   std::string_view name);

  detail::TapeState<T>* state_;  // shared with the variables; the last of them deletes it
};

/// A use of a parameter on the tape of x, as `x.tape().watch(parameter)`: a layer of one's own is
/// then called as `layer(x)`. Throws as both do.
template <class T>
Variable<T> watch(const Variable<T>& x, Parameter<T>& parameter) {
  return x.tape().watch(parameter);
}

/// A constant on the tape of x, of its shape. Throws StaleVariable.
template <class T>
Variable<T> zeros_like(const Variable<T>& x) {
  return x.tape().zeros(x.shape());
}
template <class T>
Variable<T> ones_like(const Variable<T>& x) {
  return x.tape().ones(x.shape());
}
template <class T>
Variable<T> full_like(const Variable<T>& x, std::type_identity_t<T> value) {
  return x.tape().full(x.shape(), value);
}

TAPESTRY_EXTERN_TYPES(class Tape)

}  // namespace tapestry
