// SPDX-License-Identifier: MIT
// What the recurrent layers share: their options, parameters, and how they are called.
//
// Letters: T steps, B sequences in the batch, I input features, H hidden units (P with a
// projection), L layers, D directions (1 or 2), G gates.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/variable.hpp"
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

/// What all recurrent layers can be told. Each layer has a flat struct of its own with these fields
/// and more.
struct RecurrentOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  std::size_t num_layers = 1;   ///< L
  bool bias = true;             ///< additive parameters, those of layer norm included
  double dropout = 0;           ///< in training, on the output of each layer but the last; L > 1
  bool bidirectional = false;   ///< a second set of cells reads each sequence from its end
  VariationalDropout variational_dropout = {};
  bool layer_norm = false;             ///< in the cell (Ba, Kiros and Hinton 2016)
  bool learned_initial_state = false;  ///< parameters h0 (and c0), used when no state is given

  /// The common part of a layer's own options.
  static RecurrentOptions of(const auto& o) {
    return {o.input_size,
            o.hidden_size,
            o.num_layers,
            o.bias,
            o.dropout,
            o.bidirectional,
            o.variational_dropout,
            o.layer_norm,
            o.learned_initial_state};
  }
};

/// The products of one cell's weights at one time step; of the library.
template <class T>
class StepWeights;
/// The weights of one layer and direction as variables; of the library.
template <class T>
struct SequenceWeights;
/// Runs of a layer over sequences; of the library.
template <class T, class State>
class PrimitiveRun;
template <class T, class State>
class FusedRun;

/// The parts of a state, h or h and c. Each is (B, H) within a step, (L·D, B, H) for a stack.
template <class T, std::size_t n>
using StateParts = std::array<Variable<T>, n>;

/// What one layer computes in one direction over all steps; of the library.
template <class T, std::size_t n>
struct SequenceResult {
  Variable<T> output;     ///< (T, B, H)
  StateParts<T, n> last;  ///< (B, H) each
};

/// Base of the recurrent layers: a stack of weights and the names under which `visit` shows them,
/// "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_ih_l0_reverse", ...,
/// "weight_ih_l1", ...
template <class T>
class RecurrentLayer : public Layer {
 public:
  using value_type = T;

  /// Weights of layer `layer` (0 to L - 1). IndexError when there is no such layer or direction.
  [[nodiscard]] RecurrentWeights<T>& weights(std::size_t layer,
                                             Direction direction = Direction::forward);

  [[nodiscard]] const RecurrentOptions& options() const { return options_; }
  [[nodiscard]] const CellOptions& cell_options() const { return cell_; }

  /// D.
  [[nodiscard]] std::size_t directions() const { return options_.bidirectional ? 2 : 1; }

  void visit(auto&& part) {
    this->check_there();
    for (std::size_t k = 0; k < weights_.size(); ++k) weights_[k].visit(suffix(k), part);
  }

 protected:
  /// Throws ArgumentError when a size is 0, a dropout rate is outside [0, 1], or there is dropout
  /// between layers and only one of them.
  RecurrentLayer(CellOptions cell, const RecurrentOptions& options);

 private:
  [[nodiscard]] std::string suffix(std::size_t place) const {
    return "_l" + std::to_string(place / directions()) +
           (place % directions() == 1 ? "_reverse" : "");
  }

  RecurrentOptions options_;
  CellOptions cell_;
  std::vector<RecurrentWeights<T>> weights_;  // at l·D + direction
};

/// A recurrent layer over whole sequences, whose state is a HiddenState or a CellState.
///
/// A call is recorded as one fused op for each layer and direction where `fuses()` says so. It is
/// recorded in primitive ops, step by step, with the same values and gradients up to rounding,
/// where the options need it; when lengths end a sequence before step T; and on a tape in primitive
/// mode. Drawings, `gate` and messages about numbers that are not finite show the steps either way.
template <class T, class StateType>
class Recurrent : public RecurrentLayer<T> {
 public:
  using State = StateType;
  using Carry = typename State::Carry;
  using Result = Recurrence<T, State>;

  /// x (T, B, I) from a state of zeros, or the learned one. Throws ShapeError for another shape.
  Result operator()(const Variable<T>& x) { return run(x, nullptr, nullptr); }

  /// From a carried state, through which no gradient flows; an empty one is none. The reverse
  /// direction of a bidirectional layer starts from its own part of it, at the end. ShapeError.
  Result operator()(const Variable<T>& x, const Carry& carry) { return run(x, carry, nullptr); }

  /// From a state on the same tape, through which gradients flow. ShapeError.
  Result operator()(const Variable<T>& x, const State& state) { return run(x, &state, nullptr); }

  /// Sequences of different lengths, `lstm(x, Lengths{5, 3})`: sequence b ends after lengths[b]
  /// steps. The output past its end is zero, its final state that of its last step, and the reverse
  /// direction starts at its own end: as if each sequence were run alone. What x holds past the end
  /// has no effect, be it NaN, and no gradient. ShapeError when the lengths are not B,
  /// ArgumentError when one exceeds T.
  Result operator()(const Variable<T>& x, const Lengths& lengths) {
    return run(x, nullptr, &lengths);
  }
  Result operator()(const Variable<T>& x, const Carry& carry, const Lengths& lengths) {
    return run(x, carry, &lengths);
  }
  Result operator()(const Variable<T>& x, const State& state, const Lengths& lengths) {
    return run(x, &state, &lengths);
  }

  /// Whether there is a fused op for the layer's options. There is none with layer norm, peepholes,
  /// a projection, variational dropout in training, the reset gate before the product, an
  /// activation that does not go by name, or an output of the RNN's own.
  [[nodiscard]] bool fuses() const;

 protected:
  using Parts = StateParts<T, State::parts>;

  using RecurrentLayer<T>::RecurrentLayer;
  Recurrent(const Recurrent&) = default;
  Recurrent(Recurrent&&) noexcept = default;
  Recurrent& operator=(const Recurrent&) = default;
  Recurrent& operator=(Recurrent&&) noexcept = default;
  virtual ~Recurrent() = default;

  /// The equations: the state after x (B, I) came to `state`.
  virtual Parts step(const StepWeights<T>& weights, const Variable<T>& x,
                     const Parts& state) const = 0;

  /// O of a layer that computes an output of its own from each state; 0 if it does not.
  [[nodiscard]] virtual std::size_t output_size() const { return 0; }
  /// That output (B, O), from the state (B, D·H).
  virtual Variable<T> output(const Variable<T>& state) { return state; }

  /// One layer and direction as a fused op, x (T, B, I) from `initial`, or zeros for empty handles.
  virtual SequenceResult<T, State::parts> sequence(const Variable<T>& x,
                                                   const SequenceWeights<T>& weights,
                                                   const Parts& initial, bool reverse) const = 0;
  /// Whether there is one for the options of this kind of layer.
  [[nodiscard]] virtual bool has_sequence() const { return true; }

 private:
  friend class PrimitiveRun<T, State>;
  friend class FusedRun<T, State>;
  Result run(const Variable<T>& x, const State* initial, const Lengths* lengths);
  Result run(const Variable<T>& x, const Carry& carry, const Lengths* lengths);
};

/// A single step of an RNN, LSTM or GRU, with the parameters of one layer: "weight_ih",
/// "weight_hh", "bias_ih", "bias_hh", ...
template <class T, class StateType>
class RecurrentCell : public Layer {
 public:
  using value_type = T;
  using State = StateType;

  [[nodiscard]] RecurrentWeights<T>& weights() { return weights_; }
  [[nodiscard]] const CellOptions& options() const { return cell_; }

  void visit(auto&& part) { weights_.visit("", part); }

 protected:
  using Parts = StateParts<T, State::parts>;

  /// Throws ArgumentError when a size is 0.
  RecurrentCell(const CellOptions& cell, std::size_t input_size);
  RecurrentCell(const RecurrentCell&) = default;
  RecurrentCell(RecurrentCell&&) noexcept = default;
  RecurrentCell& operator=(const RecurrentCell&) = default;
  RecurrentCell& operator=(RecurrentCell&&) noexcept = default;
  virtual ~RecurrentCell() = default;

  /// The equations: the state after x (B, I) came to `state`.
  virtual Parts step(const StepWeights<T>& weights, const Variable<T>& x,
                     const Parts& state) const = 0;

  /// Checks the shapes and computes the step, from zeros when there is no state.
  Parts run(const Variable<T>& x, const std::optional<Parts>& state);

 private:
  CellOptions cell_;
  std::size_t input_size_;
  RecurrentWeights<T> weights_;
};

extern template class RecurrentLayer<float>;
extern template class RecurrentLayer<double>;
extern template class Recurrent<float, HiddenState<float>>;
extern template class Recurrent<double, HiddenState<double>>;
extern template class Recurrent<float, CellState<float>>;
extern template class Recurrent<double, CellState<double>>;
extern template class RecurrentCell<float, HiddenState<float>>;
extern template class RecurrentCell<double, HiddenState<double>>;
extern template class RecurrentCell<float, CellState<float>>;
extern template class RecurrentCell<double, CellState<double>>;

}  // namespace tapestry::layers
