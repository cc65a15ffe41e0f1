// SPDX-License-Identifier: MIT
// Recurrent layers: a cell, run over layers, directions and time steps.
//
// Letters: T steps, B sequences in the batch, I input features, H hidden units (P with a
// projection), L layers, D directions (1 or 2), G gates.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/variable.hpp"
#include "tapestry/layers/cell.hpp"
#include "tapestry/layers/module.hpp"
#include "tapestry/layers/recurrent_state.hpp"
#include "tapestry/layers/recurrent_weights.hpp"

namespace tapestry::layers {

/// Dropout in training whose mask is drawn once for each sequence in each call and is the same at
/// every step (Gal and Ghahramani 2016, one mask for all gates); a run from a carry draws anew.
/// Each layer and direction has masks of its own. They apply to what the matrix products see:
/// `input` to x(t), `state` to h(t-1).
struct VariationalDropout {
  double input = 0;
  double state = 0;
};

/// What all recurrent layers can be told, and all there is for a cell without options of its own.
/// The layers of the library have a flat struct each with these fields and more.
struct RecurrentOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  std::size_t num_layers = 1;   ///< L
  bool bias = true;             ///< additive parameters, those of layer norm included
  bool batch_first = false;     ///< input (B, T, I) and output (B, T, D·H); not states and gates
  double dropout = 0;           ///< in training, on the output of each layer but the last; L > 1
  bool bidirectional = false;   ///< a second set of cells reads each sequence from its end
  VariationalDropout variational_dropout = {};
  bool layer_norm = false;             ///< in the cell (Ba, Kiros and Hinton 2016)
  bool learned_initial_state = false;  ///< parameters h0 (and c0), used when no state is given

  /// The common part of a layer's own options.
  static RecurrentOptions of(const auto& o) {
    return {o.input_size,    o.hidden_size,
            o.num_layers,    o.bias,
            o.batch_first,   o.dropout,
            o.bidirectional, o.variational_dropout,
            o.layer_norm,    o.learned_initial_state};
  }
};

/// The options of a cell: those that it declares, or what all have.
template <class Cell>
struct CellOptionsOf {
  using type = RecurrentOptions;
};
template <class Cell>
requires requires { typename Cell::Options; }
struct CellOptionsOf<Cell> {
  using type = typename Cell::Options;
};

template <class Cell>
Cell make_cell(const auto& options) {
  if constexpr (std::is_constructible_v<Cell, decltype(options)>)
    return Cell(options);
  else
    return Cell{};
}

/// What the options and the declarations of a cell say together.
template <class Cell, class T>
CellShape cell_shape(const std::string& kind, const auto& options) {
  if constexpr (requires { Cell::template check<T>(kind, options); })
    Cell::template check<T>(kind, options);
  CellShape shape{.name = kind};
  shape.gates.assign(std::begin(Cell::gates), std::end(Cell::gates));
  shape.states.assign(std::begin(Cell::states), std::end(Cell::states));
  shape.hidden_size = options.hidden_size;
  shape.bias = options.bias;
  shape.layer_norm = options.layer_norm;
  if constexpr (requires { options.proj_size; }) shape.proj_size = options.proj_size;
  if constexpr (requires { Cell::norm_gates; }) shape.norm_gates = Cell::norm_gates;
  if constexpr (requires { options.learned_initial_state; })
    shape.learned_initial_state = options.learned_initial_state;
  return shape;
}

template <class T>
class StepProgram;

/// What a layer returns, whatever its cell; of the library.
template <class T>
struct LayerResult {
  Variable<T> output;
  std::array<Variable<T>, most_states> state;
  StepRecord<T> record;
};

/// What all recurrent layers have in common: a stack of weights, the names under which `visit`
/// shows them, "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_ih_l0_reverse",
/// ..., "weight_ih_l1", ..., and the driver that runs the cell over layers, directions and steps.
template <class T>
class RecurrentLayer : public Layer {
 public:
  using value_type = T;

  /// Weights of layer `layer` (0 to L - 1). IndexError when there is no such layer or direction.
  [[nodiscard]] RecurrentWeights<T>& weights(std::size_t layer,
                                             Direction direction = Direction::forward);

  [[nodiscard]] const RecurrentOptions& options() const { return options_; }
  [[nodiscard]] const CellShape& cell() const { return cell_; }

  /// D.
  [[nodiscard]] std::size_t directions() const { return options_.bidirectional ? 2 : 1; }

  /// Whether a call is recorded as one fused op for each layer and direction, as it is unless the
  /// tape is in primitive mode. Otherwise it is recorded step by step, with the same values and
  /// gradients up to rounding: `why_not_fused()` says why.
  [[nodiscard]] bool fuses() const { return why_not_fused().empty(); }

  /// The op of the cell's step that mixes the sequences of a batch or has no kernel, or what else
  /// stands in the way, for people; empty if nothing does.
  [[nodiscard]] std::string why_not_fused() const;

  /// Names of the values that the cell's equations name: gates, then states, then others.
  [[nodiscard]] std::vector<std::string> value_names() const;
  /// Whether a value of that name is the result of a sigmoid, and lies in (0, 1).
  [[nodiscard]] bool is_sigmoid(std::string_view name) const;

  void visit(auto&& part) {
    this->check_there();
    for (std::size_t k = 0; k < weights_.size(); ++k) weights_[k].visit(suffix(k), part);
  }

 protected:
  /// Throws ArgumentError when a size is 0, a dropout rate is outside [0, 1], or there is dropout
  /// between layers and only one of them.
  RecurrentLayer(CellShape cell, std::shared_ptr<const Equations<T>> equations,
                 const RecurrentOptions& options);
  RecurrentLayer(const RecurrentLayer&) = default;
  RecurrentLayer(RecurrentLayer&&) noexcept = default;
  RecurrentLayer& operator=(const RecurrentLayer&) = default;
  RecurrentLayer& operator=(RecurrentLayer&&) noexcept = default;
  virtual ~RecurrentLayer() = default;

  /// Starts the biases of a gate at `value` altogether.
  void set_gate_bias(std::string_view gate, double value);

  /// From a state of zeros, or the learned one, where `initial` is empty. ShapeError.
  LayerResult<T> run(const Variable<T>& x, std::span<const Variable<T>> initial,
                     const Lengths* lengths);
  /// From carried arrays.
  LayerResult<T> run(const Variable<T>& x, std::span<const Array<T>* const> carried,
                     const Lengths* lengths);

  /// O of a layer that computes an output of its own from each state; 0 if it does not.
  [[nodiscard]] virtual std::size_t output_size() const { return 0; }
  /// That output (B, O), from the state (B, D·H).
  virtual Variable<T> output(const Variable<T>& state) { return state; }

 private:
  class Run;
  [[nodiscard]] std::string suffix(std::size_t place) const {
    return "_l" + std::to_string(place / directions()) +
           (place % directions() == 1 ? "_reverse" : "");
  }
  [[nodiscard]] const std::shared_ptr<const StepProgram<T>>& program(std::size_t layer) const;

  RecurrentOptions options_;
  CellShape cell_;
  std::shared_ptr<const Equations<T>> equations_;
  // Of the lowest layer and of those above it, without masks and with them.
  std::array<std::shared_ptr<const StepProgram<T>>, 4> programs_;
  std::vector<RecurrentWeights<T>> weights_;  // at l·D + direction
};

/// The layer of a cell: `Recurrent<MinimalGatedUnit> mgu({.input_size = 3, .hidden_size = 4});`.
/// LSTM, GRU and RNN are layers of this kind. An option that the cell does not have does not
/// compile. Drawings, `gate` and messages about numbers that are not finite show the steps.
template <class Cell, class T = float>
class Recurrent : public RecurrentLayer<T> {
 public:
  using Options = typename CellOptionsOf<Cell>::type;
  using State = StateOf<T, std::size(Cell::states)>;
  using Carry = typename State::Carry;
  using Result = Recurrence<T, State>;

  /// Throws ArgumentError when a size is 0, a dropout rate is outside [0, 1], there is dropout
  /// between layers and only one of them, or an option of the cell's own does not fit.
  explicit Recurrent(const Options& options) : Recurrent(options, make_cell<Cell>(options)) {}

  /// The same with a cell that has members of its own.
  Recurrent(const Options& options, Cell cell)
      : RecurrentLayer<T>(cell_shape<Cell, T>(Cell::name, options),
                          std::make_shared<EquationsOf<Cell, T>>(std::move(cell)),
                          RecurrentOptions::of(options)) {
    if constexpr (requires { options.forget_bias; })
      if (options.forget_bias) this->set_gate_bias("f", *options.forget_bias);
  }

  /// x (T, B, I), or (B, T, I) with `batch_first`, from a state of zeros, or the learned one.
  /// Throws ShapeError for another shape.
  Result operator()(const Variable<T>& x) { return from_zeros(x, nullptr); }

  /// From a carried state, through which no gradient flows; an empty one is none. The reverse
  /// direction of a bidirectional layer starts from its own part of it, at the end. ShapeError.
  Result operator()(const Variable<T>& x, const Carry& carry) {
    return from_carry(x, carry, nullptr);
  }

  /// From a state on the same tape, through which gradients flow. ShapeError.
  Result operator()(const Variable<T>& x, const State& state) {
    return from_state(x, state, nullptr);
  }

  /// Sequences of different lengths, `lstm(x, Lengths{5, 3})`: sequence b ends after lengths[b]
  /// steps. The output past its end is zero, its final state that of its last step, and the reverse
  /// direction starts at its own end: as if each sequence were run alone. What x holds past the end
  /// has no effect, be it NaN, and no gradient. ShapeError when the lengths are not B,
  /// ArgumentError when one exceeds T.
  Result operator()(const Variable<T>& x, const Lengths& lengths) {
    return from_zeros(x, &lengths);
  }
  Result operator()(const Variable<T>& x, const Carry& carry, const Lengths& lengths) {
    return from_carry(x, carry, &lengths);
  }
  Result operator()(const Variable<T>& x, const State& state, const Lengths& lengths) {
    return from_state(x, state, &lengths);
  }

 private:
  static Result result(LayerResult<T> r) {
    State state;
    if constexpr (State::parts == 1)
      state = {r.state[0]};
    else if constexpr (State::parts == 2)
      state = {r.state[0], r.state[1]};
    else
      for (std::size_t k = 0; k < State::parts; ++k) state.values[k] = r.state[k];
    return {std::move(r.output), std::move(state), std::move(r.record)};
  }
  Result from_zeros(const Variable<T>& x, const Lengths* lengths) {
    return result(this->run(x, std::span<const Variable<T>>(), lengths));
  }
  Result from_state(const Variable<T>& x, const State& state, const Lengths* lengths) {
    const auto initial = state.variables();
    return result(this->run(x, std::span<const Variable<T>>(initial), lengths));
  }
  Result from_carry(const Variable<T>& x, const Carry& carry, const Lengths* lengths) {
    if (carry.empty()) return from_zeros(x, lengths);
    const auto arrays = carry.arrays();
    return result(this->run(x, std::span<const Array<T>* const>(arrays), lengths));
  }
};

/// What single-step cells have in common.
template <class T>
class StepLayer : public Layer {
 public:
  using value_type = T;

  [[nodiscard]] RecurrentWeights<T>& weights() { return weights_; }
  [[nodiscard]] const CellShape& options() const { return cell_; }
  [[nodiscard]] const CellShape& cell() const { return cell_; }

  void visit(auto&& part) {
    this->check_there();
    weights_.visit("", part);
  }

 protected:
  /// Throws ArgumentError when a size is 0.
  StepLayer(CellShape cell, std::shared_ptr<const Equations<T>> equations, std::size_t input_size);

  void set_gate_bias(std::string_view gate, double value);

  /// Checks the shapes and computes the step, from zeros when there is no state.
  void run(const Variable<T>& x, std::span<const Variable<T>> state, std::span<Variable<T>> next);

 private:
  CellShape cell_;
  std::shared_ptr<const Equations<T>> equations_;
  std::size_t input_size_;
  RecurrentWeights<T> weights_;
};

/// What the single step of a cell without options of its own can be told.
struct StepOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  bool bias = true;
  bool layer_norm = false;
};

/// A single step of a cell, with the parameters of one layer: "weight_ih", "weight_hh", "bias_ih",
/// "bias_hh", ... With one state, `h = cell(x, h)`; with several, `state = cell(x, state)`.
template <class Cell, class T = float, class Options = StepOptions>
class RecurrentCell : public StepLayer<T> {
 public:
  static constexpr std::size_t states = std::size(Cell::states);
  using State = StateOf<T, states>;
  /// What a step takes and gives: h alone, or all states.
  using Step = std::conditional_t<states == 1, Variable<T>, State>;

  /// Throws ArgumentError when a size is 0 or an option of the cell's own does not fit.
  explicit RecurrentCell(const Options& options)
      : StepLayer<T>(cell_shape<Cell, T>(std::string(Cell::name) + "_cell", options),
                     std::make_shared<EquationsOf<Cell, T>>(make_cell<Cell>(options)),
                     options.input_size) {
    if constexpr (requires { options.forget_bias; })
      if (options.forget_bias) this->set_gate_bias("f", *options.forget_bias);
  }

  /// x (B, I), from the state, (B, H) each and (B, P) for h with a projection, or zeros: the next
  /// state. Throws ShapeError for other shapes.
  Step operator()(const Variable<T>& x) { return next(x, {}); }
  Step operator()(const Variable<T>& x, const Step& state) {
    if constexpr (states == 1) {
      return next(x, {&state, 1});
    } else {
      const auto parts = state.variables();
      return next(x, parts);
    }
  }

 private:
  Step next(const Variable<T>& x, std::span<const Variable<T>> state) {
    std::array<Variable<T>, states> after;
    this->run(x, state, after);
    if constexpr (states == 1)
      return after[0];
    else if constexpr (states == 2)
      return {after[0], after[1]};
    else
      return {after};
  }
};

TAPESTRY_EXTERN_TYPES(class RecurrentLayer, class StepLayer)

}  // namespace tapestry::layers
