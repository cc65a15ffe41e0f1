// SPDX-License-Identifier: MIT
// A recurrent cell is a plain struct: its gates by name, its states, and the equations of one time
// step in the library's own ops.
//
//   struct MinimalGatedUnit {                        // Zhou, Wu, Zhang and Zhou 2016
//     static constexpr auto name = "mgu";
//     static constexpr std::array gates{"f", "n"};   // in the order of the weights' rows
//     static constexpr std::array states{"h"};
//
//     auto step(const auto& w, const auto& x, const auto& state) const {
//       const auto& [h] = state;
//       const auto f = sigmoid(w.input(x, "f") + w.hidden(h, "f")).named("f");
//       const auto n = tanh(w.input(x, "n") + w.hidden(f * h, "n")).named("n");
//       return std::array{((1.0 - f) * h + f * n).named("h")};
//     }
//   };
//
//   layers::Recurrent<MinimalGatedUnit> mgu({.input_size = 3, .hidden_size = 4});
//
// `step` returns the next states in the order of `states`; the first is the output of the layer. It
// must do the same ops each time; a cell that does not says so by a member `std::string
// why_not_fused() const`. Parameters follow from what it asks `w` for.
//
// Letters: B sequences in the batch, I input features, H hidden units, P the width of the first
// state (H without a projection), G gates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::layers {

/// No cell has more states than this.
inline constexpr std::size_t most_states = 4;

/// What the parameters of a cell follow from, besides the number of its inputs and its equations.
struct CellShape {
  std::string name = {};                 ///< for messages and scopes: "lstm"
  std::vector<std::string> gates = {};   ///< in the order of the weights' rows
  std::vector<std::string> states = {};  ///< the first is the output
  std::size_t hidden_size = 0;           ///< H
  std::size_t proj_size = 0;             ///< P; 0: no projection
  std::size_t norm_gates = 1;            ///< neighbouring gates that one layer norm spans
  bool bias = true;
  bool layer_norm = false;
  bool learned_initial_state = false;

  /// Width of a state: P for the first, H for the others.
  [[nodiscard]] std::size_t state_size(std::size_t state = 0) const {
    return state == 0 && proj_size > 0 ? proj_size : hidden_size;
  }
  /// Place of a gate among `gates`. ArgumentError, with the names there are, for another name.
  [[nodiscard]] std::size_t place_of(std::string_view gate) const;
};

/// Where the parameters of a step come from; of the library.
template <class T>
class ParameterSource {
 public:
  virtual ~ParameterSource() = default;
  /// The parameter as a variable, or an empty handle where the options do not ask for it.
  [[nodiscard]] virtual Variable<T> use(std::string_view name) const = 0;
  /// The product of `x` with rows of a weight, plus those of a bias, if the source has a way of its
  /// own; else an empty handle.
  [[nodiscard]] virtual Variable<T> affine(const Variable<T>& /*x*/, std::string_view /*weight*/,
                                           std::string_view /*bias*/, std::size_t /*first_row*/,
                                           std::size_t /*rows*/) const {
    return {};
  }
  /// What a matrix product of x, or of h, is multiplied by; empty handles for nothing.
  Variable<T> input_mask;
  Variable<T> state_mask;
};

/// The weights of one cell within one time step: what `step` gets as `w`. What the options do not
/// ask for (bias, layer norm, dropout) leaves its operand as it is. Shapes are checked by the ops.
template <class T>
class StepWeights {
 public:
  StepWeights(const CellShape& cell, const ParameterSource<T>& source)
      : cell_(cell), source_(source) {}

  /// W_ih x + b_ih for each row of x (B, I): of all gates (B, G·H), of one gate (B, H), or of the
  /// gates from `first` to `last`. ArgumentError for a gate that the cell does not have.
  [[nodiscard]] Variable<T> input(const Variable<T>& x) const { return of_input(x, all()); }
  [[nodiscard]] Variable<T> input(const Variable<T>& x, std::string_view gate) const {
    return of_input(x, range(gate, gate));
  }
  [[nodiscard]] Variable<T> input(const Variable<T>& x, std::string_view first,
                                  std::string_view last) const {
    return of_input(x, range(first, last));
  }

  /// W_hh h + b_hh for each row of h (B, P), in the same ways.
  [[nodiscard]] Variable<T> hidden(const Variable<T>& h) const { return of_hidden(h, all()); }
  [[nodiscard]] Variable<T> hidden(const Variable<T>& h, std::string_view gate) const {
    return of_hidden(h, range(gate, gate));
  }
  [[nodiscard]] Variable<T> hidden(const Variable<T>& h, std::string_view first,
                                   std::string_view last) const {
    return of_hidden(h, range(first, last));
  }

  /// A parameter of the cell's own for elementwise use, of shape (H), or (blocks·H): "u" becomes
  /// "u_l0", ... It starts uniform in [-1/√H, 1/√H).
  [[nodiscard]] Variable<T> vector(std::string_view name) const { return source_.use(name); }

  /// Block `place` of the peepholes, (H).
  [[nodiscard]] Variable<T> peephole(std::size_t place) const;

  /// Layer norm of a cell state c (B, H) with its own gain and bias; c itself without layer norm.
  [[nodiscard]] Variable<T> normed(const Variable<T>& c) const;

  /// W_hr h for each row of h (B, H): (B, P); h itself without a projection.
  [[nodiscard]] Variable<T> projected(const Variable<T>& h) const;

 private:
  struct Rows {
    std::size_t first;
    std::size_t count;
  };
  [[nodiscard]] Rows all() const { return {0, cell_.gates.size() * cell_.hidden_size}; }
  [[nodiscard]] Rows range(std::string_view first, std::string_view last) const;
  [[nodiscard]] Variable<T> of_input(const Variable<T>& x, Rows rows) const;
  [[nodiscard]] Variable<T> of_hidden(const Variable<T>& h, Rows rows) const;
  [[nodiscard]] Variable<T> affine(const Variable<T>& x, std::string_view kind, Rows rows) const;
  [[nodiscard]] Variable<T> part(const Variable<T>& whole, Rows rows) const;
  [[nodiscard]] Variable<T> norm(const Variable<T>& x, std::string_view name, Rows rows) const;
  [[nodiscard]] Variable<T> standardised(const Variable<T>& x) const;

  const CellShape& cell_;
  const ParameterSource<T>& source_;
};

TAPESTRY_EXTERN_TYPES(class StepWeights)

/// A kernel of the library that stands for all ops between the products of a step and its end. It
/// is held to these ops by tests.
enum class StepAccelerator : std::uint8_t { none, lstm, gru };

/// A cell's equations, whatever its type; of the library.
template <class T>
class Equations {
 public:
  virtual ~Equations() = default;
  /// The states after x (B, I) came to `state`, as many as there are states.
  virtual void step(const StepWeights<T>& w, const Variable<T>& x,
                    std::span<const Variable<T>> state, std::span<Variable<T>> next) const = 0;
  /// Why the step must not be recorded, for people; empty if it may be.
  [[nodiscard]] virtual std::string why_not_fused() const { return {}; }
  /// The kernel that computes the same.
  [[nodiscard]] virtual StepAccelerator accelerator() const { return StepAccelerator::none; }
  /// Equations that ask for the same parameters and can be recorded; null for these themselves.
  [[nodiscard]] virtual std::shared_ptr<const Equations> recordable() const { return nullptr; }
};

template <class Cell, class T>
class EquationsOf final : public Equations<T> {
 public:
  static constexpr std::size_t states = std::size(Cell::states);
  static_assert(states >= 1 && states <= most_states, "a cell has 1 to 4 states");

  explicit EquationsOf(Cell cell) : cell_(std::move(cell)) {}

  void step(const StepWeights<T>& w, const Variable<T>& x, std::span<const Variable<T>> state,
            std::span<Variable<T>> next) const override {
    std::array<Variable<T>, states> before;
    for (std::size_t k = 0; k < states; ++k) before[k] = state[k];
    const auto after = cell_.step(w, x, std::as_const(before));
    static_assert(std::tuple_size_v<std::remove_const_t<decltype(after)>> == states,
                  "step returns a std::array with one variable for each of the cell's states");
    for (std::size_t k = 0; k < states; ++k) next[k] = after[k];
  }

  [[nodiscard]] std::string why_not_fused() const override {
    if constexpr (requires { cell_.why_not_fused(); })
      return cell_.why_not_fused();
    else
      return {};
  }
  [[nodiscard]] StepAccelerator accelerator() const override {
    if constexpr (requires { cell_.accelerator(); })
      return cell_.accelerator();
    else
      return StepAccelerator::none;
  }
  [[nodiscard]] std::shared_ptr<const Equations<T>> recordable() const override {
    if constexpr (requires { cell_.recordable(); })
      return std::make_shared<EquationsOf>(cell_.recordable());
    else
      return nullptr;
  }

 private:
  Cell cell_;
};

}  // namespace tapestry::layers
