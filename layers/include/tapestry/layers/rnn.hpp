// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

/// Activation functions that go by name.
enum class Activation : std::uint8_t { tanh, relu, sigmoid, identity };

/// One of those, or any function of a variable that keeps its shape:
/// `.activation = [](const auto& v) { return sin(v); }`.
template <class T>
class ActivationFunction {
 public:
  using Function = std::function<Variable<T>(const Variable<T>&)>;

  ActivationFunction(Activation name) : name_(name) {}  // NOLINT: a name will do

  template <class F>
  requires std::is_invocable_r_v<Variable<T>, F&, const Variable<T>&> ActivationFunction(
      F function)  // NOLINT: so will a lambda
      : function_(std::move(function)) {}

  /// The name, if it goes by one.
  [[nodiscard]] std::optional<Activation> name() const { return name_; }
  /// The function; empty if it goes by name.
  [[nodiscard]] const Function& function() const { return function_; }

 private:
  std::optional<Activation> name_;
  Function function_;
};

template <class T = float>
struct RNNOptions {
  std::size_t input_size = 0;                           ///< I
  std::size_t hidden_size = 0;                          ///< H
  std::size_t num_layers = 1;                           ///< L
  ActivationFunction<T> activation = Activation::tanh;  ///< f_s
  bool bias = true;            ///< additive parameters, those of layer norm included
  double dropout = 0;          ///< in training, on the output of each layer but the last; L > 1
  bool bidirectional = false;  ///< D = 2
  VariationalDropout variational_dropout = {};  ///< the same masks at every step
  bool layer_norm = false;                      ///< within the cell, see below
  bool learned_initial_state = false;           ///< parameters h0 (and c0), without a given state
  std::size_t output_size = 0;                  ///< O; 0: the output is h
  ActivationFunction<T> output_activation = Activation::identity;  ///< f_o
};

/// A stack of simple recurrent layers (Elman 1990), as torch.nn.RNN:
///
///   h(t) = f_s(W_ih x(t) + b_ih + W_hh h(t-1) + b_hh)
///
/// x (T, B, I), output (T, B, D·H), state.h (L·D, B, H); W_ih (H, I), above the first layer
/// (H, D·H), W_hh (H, H), b (H).
///
/// Options, with PyTorch's meaning where PyTorch has them, and:
///   activation      f_s. Where lengths are given, it is also computed for sequences that have
///                   ended, and must be finite and have a finite slope there, at 0 for instance
///   output_size     the state machine of textbooks: the output is, with h of the last layer,
///                     y(t) = f_o(W_ho h(t) + b_ho)
///                   of shape (T, B, O); "weight_ho" (O, D·H), "bias_ho" (O), uniform in
///                   [-1/√(D·H), 1/√(D·H)); h remains to be seen by `gate("h")`
///   layer_norm      LN(W_ih x) and LN(W_hh h), each over its H units, in place of the products
///                   (Ba, Kiros and Hinton 2016, with separate norms as for their LSTM):
///                     LN(a) = gain (a - mean(a)) / √(variance(a) + 10⁻⁵) + bias
template <class T = float>
class RNN : public Recurrent<T, HiddenState<T>> {
 public:
  /// Throws ArgumentError when a size is 0, a dropout rate is outside [0, 1], there is dropout
  /// between layers and only one of them, a function is empty, or there is an output activation
  /// without an output.
  explicit RNN(const RNNOptions<T>& options);

  /// W_ho and b_ho. Of rank 0 when there is no output, or no bias.
  [[nodiscard]] Parameter<T>& weight_ho() { return weight_ho_; }
  [[nodiscard]] Parameter<T>& bias_ho() { return bias_ho_; }

  void visit(auto&& part) {
    RecurrentLayer<T>::visit(part);
    if (weight_ho_.shape().rank() > 0) part("weight_ho", weight_ho_);
    if (bias_ho_.shape().rank() > 0) part("bias_ho", bias_ho_);
  }

 private:
  using typename Recurrent<T, HiddenState<T>>::Parts;
  Parts step(const StepWeights<T>& weights, const Variable<T>& x,
             const Parts& state) const override;
  SequenceResult<T, 1> sequence(const Variable<T>& x, const SequenceWeights<T>& weights,
                                const Parts& initial, bool reverse) const override;
  [[nodiscard]] bool has_sequence() const override;
  [[nodiscard]] std::size_t output_size() const override;
  Variable<T> output(const Variable<T>& state) override;

  ActivationFunction<T> activation_;
  ActivationFunction<T> output_activation_;
  Parameter<T> weight_ho_;
  Parameter<T> bias_ho_;
};

template <class T = float>
struct RNNCellOptions {
  std::size_t input_size = 0;                           ///< I
  std::size_t hidden_size = 0;                          ///< H
  ActivationFunction<T> activation = Activation::tanh;  ///< f_s
  bool bias = true;
  bool layer_norm = false;
};

/// A single step of an RNN, as torch.nn.RNNCell: `h = cell(x, h)`.
template <class T = float>
class RNNCell : public RecurrentCell<T, HiddenState<T>> {
 public:
  /// Throws ArgumentError when a size is 0 or the activation an empty function.
  explicit RNNCell(const RNNCellOptions<T>& options);

  /// x (B, I), from h (B, H) or zeros: the next h (B, H). Throws ShapeError for other shapes.
  Variable<T> operator()(const Variable<T>& x) { return this->run(x, {})[0]; }
  Variable<T> operator()(const Variable<T>& x, const Variable<T>& h) {
    return this->run(x, {{h}})[0];
  }

 private:
  using typename RecurrentCell<T, HiddenState<T>>::Parts;
  Parts step(const StepWeights<T>& weights, const Variable<T>& x,
             const Parts& state) const override;

  ActivationFunction<T> activation_;
};

extern template class RNN<float>;
extern template class RNN<double>;
extern template class RNNCell<float>;
extern template class RNNCell<double>;

}  // namespace tapestry::layers
