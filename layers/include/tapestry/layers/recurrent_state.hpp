// SPDX-License-Identifier: MIT
// What recurrent layers carry from step to step, and what they return.
//
// Letters: T steps, B sequences in the batch, H hidden units (P with a projection), L layers,
// D directions (1 or 2).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::layers {

/// Copies the value of `v`; allocates only where the shapes differ. Of the library.
template <class T>
void copy_value(const Variable<T>& v, Array<T>& into);

/// The states of a cell with one as plain arrays, for carrying them from one tape to the next. A
/// default-constructed one stands for no state.
template <class T>
struct HiddenCarry {
  Array<T> h = Array<T>::from_shape({0});  ///< (L·D, B, H)

  [[nodiscard]] bool empty() const { return h.size() == 0; }
  [[nodiscard]] std::array<const Array<T>*, 1> arrays() const { return {&h}; }

  /// Lets `bundle` save it: `named("carry", carry)`.
  void visit(auto&& part) { part("h", h); }
};

/// The same of a cell with two states, such as an LSTM.
template <class T>
struct CellCarry {
  Array<T> h = Array<T>::from_shape({0});  ///< (L·D, B, H), or (L·D, B, P)
  Array<T> c = Array<T>::from_shape({0});  ///< (L·D, B, H)

  [[nodiscard]] bool empty() const { return h.size() == 0 && c.size() == 0; }
  [[nodiscard]] std::array<const Array<T>*, 2> arrays() const { return {&h, &c}; }

  /// Lets `bundle` save it: `named("carry", carry)`.
  void visit(auto&& part) {
    part("h", h);
    part("c", c);
  }
};

/// The same of a cell with more states.
template <class T, std::size_t n>
struct PartsCarry {
  std::array<Array<T>, n> parts = none();  ///< (L·D, B, H) each, in the order of the cell's states

  [[nodiscard]] bool empty() const {
    return std::ranges::all_of(parts, [](const auto& a) { return a.size() == 0; });
  }
  [[nodiscard]] std::array<const Array<T>*, n> arrays() const {
    std::array<const Array<T>*, n> all;
    for (std::size_t k = 0; k < n; ++k) all[k] = &parts[k];
    return all;
  }

  /// Lets `bundle` save it: `named("carry", carry)`.
  void visit(auto&& part) { part("parts", parts); }

 private:
  static std::array<Array<T>, n> none() {
    std::array<Array<T>, n> all;
    all.fill(Array<T>::from_shape({0}));
    return all;
  }
};

/// The state of a cell that has one, as an RNN or GRU: (L·D, B, H) for a layer, (B, H) for a step.
template <class T>
struct HiddenState {
  static constexpr std::size_t parts = 1;
  using Carry = HiddenCarry<T>;
  Variable<T> h;

  [[nodiscard]] std::array<Variable<T>, 1> variables() const { return {h}; }

  /// The values, without the tape: gradients stop here.
  [[nodiscard]] Carry carry() const { return {h.value()}; }

  /// The same into arrays that are there, so that streaming allocates nothing.
  void carry(Carry& into) const { copy_value(h, into.h); }
};

/// The state of a cell that has two, as an LSTM its hidden state and cell, shaped as HiddenState; h
/// has P for H if there is a projection.
template <class T>
struct CellState {
  static constexpr std::size_t parts = 2;
  using Carry = CellCarry<T>;
  Variable<T> h;
  Variable<T> c;

  [[nodiscard]] std::array<Variable<T>, 2> variables() const { return {h, c}; }

  /// The values, without the tape: gradients stop here.
  [[nodiscard]] Carry carry() const { return {h.value(), c.value()}; }

  /// The same into arrays that are there, so that streaming allocates nothing.
  void carry(Carry& into) const {
    copy_value(h, into.h);
    copy_value(c, into.c);
  }
};

/// The state of a cell that has more, in the order of its `states`.
template <class T, std::size_t n>
struct PartsState {
  static constexpr std::size_t parts = n;
  using Carry = PartsCarry<T, n>;
  std::array<Variable<T>, n> values;

  [[nodiscard]] std::array<Variable<T>, n> variables() const { return values; }

  /// The values, without the tape: gradients stop here.
  [[nodiscard]] Carry carry() const {
    Carry all;
    carry(all);
    return all;
  }

  /// The same into arrays that are there, so that streaming allocates nothing.
  void carry(Carry& into) const {
    for (std::size_t k = 0; k < n; ++k) copy_value(values[k], into.parts[k]);
  }
};

/// The state of a cell with n states.
template <class T, std::size_t n>
using StateOf = std::conditional_t<n == 1, HiddenState<T>,
                                   std::conditional_t<n == 2, CellState<T>, PartsState<T, n>>>;

/// The number of steps of each sequence of a batch, in any order; 0 is a sequence without steps.
using Lengths = std::vector<std::size_t>;

/// Which way a layer reads the sequence. In the state, layer l has place l·D + direction.
enum class Direction : std::uint8_t { forward, reverse };

/// Where a tape holds the steps of one call of a layer. For `Recurrence`, which see.
template <class T>
struct StepRecord {
  Variable<T> last;         // the call's last value, by which it knows its tape
  std::uint32_t first = 0;  // number of the call's first value
  std::size_t steps = 0;
  std::size_t batch = 0;
  std::size_t layers = 1;
  bool bidirectional = false;
  Lengths lengths;                       // empty: all steps
  std::vector<Variable<T>> values = {};  // with names, of a call that was not recorded

  [[nodiscard]] Array<T> gate(std::string_view name, std::size_t layer, Direction direction) const;
  [[nodiscard]] Array<T> gate(std::string_view name) const;
};

TAPESTRY_EXTERN_TYPES(struct StepRecord)

/// What a recurrent layer returns: `const auto [output, state] = lstm(x);`. Kept whole, it also
/// shows the inside of the layer:
///
///   const auto result = lstm(x);
///   const Array<> forget = result.gate("f");  // (T, B, H)
template <class T, class State>
class Recurrence {
 public:
  Variable<T> output;  ///< (T, B, D·H): hidden state of the last layer at each step
  State state;         ///< after the last step, of all layers: each part (L·D, B, H)

  Recurrence(Variable<T> y, State last, StepRecord<T> record)
      : output(std::move(y)), state(std::move(last)), record_(std::move(record)) {}

  /// The values that a layer (0 to L - 1) computed in each step: (T, B, H), zeros past the end of a
  /// sequence. Names are those in the cell's equations: "h" for an RNN; "i", "f", "g", "o", "c",
  /// "h" for an LSTM; "r", "z", "n", "h" for a GRU. Without a layer all that there are: (T, B, H)
  /// of a single one, (L·D, T, B, H) of a stack, at l·D + direction. They are read from the tape;
  /// those within a fused op are computed again from what it recorded, so that nothing is stored
  /// for it: that takes a call that was recorded, or a tape in primitive mode. ArgumentError, with
  /// the names there are, for another name, without steps or record; IndexError for another layer
  /// or direction; StaleVariable when the tape has been cleared since; GradientError when a
  /// parameter has changed since a fused call.
  [[nodiscard]] Array<T> gate(std::string_view name) const { return record_.gate(name); }
  [[nodiscard]] Array<T> gate(std::string_view name, std::size_t layer,
                              Direction direction = Direction::forward) const {
    return record_.gate(name, layer, direction);
  }

  /// For the library: where the tape holds the steps.
  [[nodiscard]] const StepRecord<T>& record() const { return record_; }

  /// For structured bindings: 0 is the output, 1 the state.
  template <std::size_t i>
  [[nodiscard]] auto& get() & {
    return std::get<i>(std::tie(output, state));
  }
  template <std::size_t i>
  [[nodiscard]] const auto& get() const& {
    return std::get<i>(std::tie(output, state));
  }
  template <std::size_t i>
  [[nodiscard]] auto&& get() && {
    return std::move(std::get<i>(std::tie(output, state)));
  }

 private:
  StepRecord<T> record_;
};

}  // namespace tapestry::layers

template <class T, class State>
struct std::tuple_size<tapestry::layers::Recurrence<T, State>>
    : std::integral_constant<std::size_t, 2> {};

template <class T, class State>
struct std::tuple_element<0, tapestry::layers::Recurrence<T, State>> {
  using type = tapestry::Variable<T>;
};

template <class T, class State>
struct std::tuple_element<1, tapestry::layers::Recurrence<T, State>> {
  using type = State;
};
