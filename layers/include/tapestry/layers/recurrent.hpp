// SPDX-License-Identifier: MIT
// What the recurrent layers share: their weights and the states they carry.
//
// Letters: T steps, B sequences in the batch, I input features, H hidden units, L layers, G gates.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/variable.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry::layers {

/// The state of an RNN or GRU as plain arrays, for carrying it from one tape to the next. A
/// default-constructed one stands for zeros.
template <class T>
struct HiddenCarry {
  Array<T> h = Array<T>::from_shape({0});  ///< (L, B, H)

  [[nodiscard]] bool empty() const { return h.size() == 0; }
};

/// The state of an RNN or GRU after the last step.
template <class T>
struct HiddenState {
  using Carry = HiddenCarry<T>;
  Variable<T> h;  ///< (L, B, H)

  /// The values, without the tape: gradients stop here.
  [[nodiscard]] Carry carry() const { return {h.value()}; }
};

/// The state of an LSTM as plain arrays. A default-constructed one stands for zeros.
template <class T>
struct CellCarry {
  Array<T> h = Array<T>::from_shape({0});  ///< (L, B, H)
  Array<T> c = Array<T>::from_shape({0});  ///< (L, B, H)

  [[nodiscard]] bool empty() const { return h.size() == 0 && c.size() == 0; }
};

/// The state of an LSTM after the last step: hidden state and cell.
template <class T>
struct CellState {
  using Carry = CellCarry<T>;
  Variable<T> h;  ///< (L, B, H)
  Variable<T> c;  ///< (L, B, H)

  /// The values, without the tape: gradients stop here.
  [[nodiscard]] Carry carry() const { return {h.value(), c.value()}; }
};

/// What a recurrent layer returns; for structured bindings.
template <class T, class State>
struct Recurrence {
  Variable<T> output;  ///< (T, B, H): hidden state of the last layer at each step
  State state;
};

/// The weights of one layer of a stack, named, shaped and initialised as PyTorch's: all uniform in
/// [-1/√H, 1/√H), the gates one after another in the rows.
template <class T>
struct RecurrentWeights {
  Parameter<T> weight_ih;  ///< (G·H, I), or (G·H, H) above the first layer
  Parameter<T> weight_hh;  ///< (G·H, H)
  Parameter<T> bias_ih;    ///< (G·H)
  Parameter<T> bias_hh;    ///< (G·H)
};

/// What all recurrent layers can be told.
struct RecurrentOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  std::size_t num_layers = 1;   ///< L
  bool bias = true;
  double dropout = 0;  ///< in training, on the output of each layer but the last
};

/// Base of the recurrent layers: a stack of weights and the names under which `visit` shows them,
/// "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_ih_l1", ...
template <class T>
class RecurrentLayer : public Layer {
 public:
  using value_type = T;

  /// Weights of layer `layer` (0 to L - 1).
  [[nodiscard]] RecurrentWeights<T>& weights(std::size_t layer) { return weights_.at(layer); }

  [[nodiscard]] const RecurrentOptions& options() const { return options_; }

  void visit(auto&& part) {
    for (std::size_t l = 0; l < weights_.size(); ++l) {
      const std::string suffix = "_l" + std::to_string(l);
      part("weight_ih" + suffix, weights_[l].weight_ih);
      part("weight_hh" + suffix, weights_[l].weight_hh);
      if (!options_.bias) continue;
      part("bias_ih" + suffix, weights_[l].bias_ih);
      part("bias_hh" + suffix, weights_[l].bias_hh);
    }
  }

 protected:
  /// Throws ArgumentError when a size is 0 or dropout is outside [0, 1].
  RecurrentLayer(const char* name, std::size_t gates, const RecurrentOptions& options);

 private:
  RecurrentOptions options_;
  std::vector<RecurrentWeights<T>> weights_;
};

/// A recurrent layer over whole sequences, whose state is a HiddenState or a CellState.
template <class T, class StateType>
class Recurrent : public RecurrentLayer<T> {
 public:
  using State = StateType;
  using Carry = typename State::Carry;

  /// x (T, B, I) from a state of zeros. Throws ShapeError for another shape.
  Recurrence<T, State> operator()(const Variable<T>& x) { return run(x, nullptr); }

  /// From a carried state, through which no gradient flows; empty means zeros. ShapeError.
  Recurrence<T, State> operator()(const Variable<T>& x, const Carry& carry);

  /// From a state on the same tape, through which gradients flow. ShapeError.
  Recurrence<T, State> operator()(const Variable<T>& x, const State& state) {
    return run(x, &state);
  }

 protected:
  using RecurrentLayer<T>::RecurrentLayer;
  Recurrent(const Recurrent&) = default;
  Recurrent(Recurrent&&) noexcept = default;
  Recurrent& operator=(const Recurrent&) = default;
  Recurrent& operator=(Recurrent&&) noexcept = default;
  virtual ~Recurrent() = default;

  /// The recurrence from `initial`, or from zeros when it is null.
  virtual Recurrence<T, State> run(const Variable<T>& x, const State* initial) = 0;
};

extern template class RecurrentLayer<float>;
extern template class RecurrentLayer<double>;
extern template class Recurrent<float, HiddenState<float>>;
extern template class Recurrent<double, HiddenState<double>>;
extern template class Recurrent<float, CellState<float>>;
extern template class Recurrent<double, CellState<double>>;

}  // namespace tapestry::layers
