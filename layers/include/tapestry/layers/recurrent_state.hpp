// SPDX-License-Identifier: MIT
// What recurrent layers carry from step to step, and what they return.
//
// Letters: T steps, B sequences in the batch, H hidden units (P with a projection), L layers,
// D directions (1 or 2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::layers {

/// Copies the value of `v`; allocates only where the shapes differ. Of the library.
template <class T>
void copy_value(const Variable<T>& v, Array<T>& into);

/// The state of an RNN or GRU as plain arrays, for carrying it from one tape to the next. A
/// default-constructed one stands for no state.
template <class T>
struct HiddenCarry {
  Array<T> h = Array<T>::from_shape({0});  ///< (L·D, B, H)

  [[nodiscard]] bool empty() const { return h.size() == 0; }

  /// Lets `bundle` save it: `named("carry", carry)`.
  void visit(auto&& part) { part("h", h); }
};

/// The state of an RNN or GRU: (L·D, B, H) for a layer, (B, H) for a cell.
template <class T>
struct HiddenState {
  static constexpr std::size_t parts = 1;
  using Carry = HiddenCarry<T>;
  Variable<T> h;

  /// The values, without the tape: gradients stop here.
  [[nodiscard]] Carry carry() const { return {h.value()}; }

  /// The same into arrays that are there, so that streaming allocates nothing.
  void carry(Carry& into) const { copy_value(h, into.h); }
};

/// The state of an LSTM as plain arrays. A default-constructed one stands for no state.
template <class T>
struct CellCarry {
  Array<T> h = Array<T>::from_shape({0});  ///< (L·D, B, H), or (L·D, B, P)
  Array<T> c = Array<T>::from_shape({0});  ///< (L·D, B, H)

  [[nodiscard]] bool empty() const { return h.size() == 0 && c.size() == 0; }

  /// Lets `bundle` save it: `named("carry", carry)`.
  void visit(auto&& part) {
    part("h", h);
    part("c", c);
  }
};

/// The state of an LSTM, hidden state and cell, shaped as HiddenState; h has P for H if there is a
/// projection.
template <class T>
struct CellState {
  static constexpr std::size_t parts = 2;
  using Carry = CellCarry<T>;
  Variable<T> h;
  Variable<T> c;

  /// The values, without the tape: gradients stop here.
  [[nodiscard]] Carry carry() const { return {h.value(), c.value()}; }

  /// The same into arrays that are there, so that streaming allocates nothing.
  void carry(Carry& into) const {
    copy_value(h, into.h);
    copy_value(c, into.c);
  }
};

/// The number of steps of each sequence of a batch, in any order; 0 is a sequence without steps.
using Lengths = std::vector<std::size_t>;

/// Which way a layer reads the sequence. In the state, layer l has place l·D + direction.
enum class Direction : std::uint8_t { forward, reverse };

/// Where a tape holds the steps of one call of a layer. For `Recurrence`, which see.
template <class T>
struct StepRecord {
  Variable<T> last;         // the call's last value, by which it knows its tape
  std::uint32_t first = 0;  // number of the call's first value
  std::size_t layers = 1;
  bool bidirectional = false;
  Lengths lengths;                       // empty: all steps
  std::vector<Variable<T>> values = {};  // with names, of a call that was not recorded

  [[nodiscard]] Array<T> gate(std::string_view name, std::size_t layer, Direction direction) const;
};

extern template struct StepRecord<float>;
extern template struct StepRecord<double>;

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
  /// sequence. Names are those in the layer's equations: "h" for an RNN; "i", "f", "g", "o", "c",
  /// "h" for an LSTM; "r", "z", "n", "h" for a GRU. They are read from the tape; those within a
  /// fused op are computed again from what it recorded, so that nothing is stored for it: that
  /// takes a call that was recorded, or a tape in primitive mode. ArgumentError, with the names
  /// there are, for another name, without steps or record; IndexError for another layer or
  /// direction; StaleVariable when the tape has been cleared since; GradientError when a parameter
  /// has changed since a fused call.
  [[nodiscard]] Array<T> gate(std::string_view name, std::size_t layer = 0,
                              Direction direction = Direction::forward) const {
    return record_.gate(name, layer, direction);
  }

  /// For layers: keeps the values with names of a call that was not recorded, for `gate`.
  void keep(std::vector<Variable<T>> values) { record_.values = std::move(values); }

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
