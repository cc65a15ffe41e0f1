// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "tapestry/layers/activation.hpp"
#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

template <class T = float>
struct RNNOptions {
  std::size_t input_size = 0;                        ///< I
  std::size_t hidden_size = 0;                       ///< H
  std::size_t num_layers = 1;                        ///< L
  ActivationFunction activation = Activation::tanh;  ///< f_s
  bool bias = true;            ///< additive parameters, those of layer norm included
  bool batch_first = false;    ///< input (B, T, I) and output (B, T, D·H)
  double dropout = 0;          ///< in training, on the output of each layer but the last; L > 1
  bool bidirectional = false;  ///< D = 2
  VariationalDropout variational_dropout = {};  ///< the same masks at every step
  bool layer_norm = false;                      ///< within the cell, see below
  bool learned_initial_state = false;           ///< a parameter h0, without a given state
  std::size_t output_size = 0;                  ///< O; 0: the output is h
  ActivationFunction output_activation = Activation::identity;  ///< f_o
};

template <class T = float>
struct RNNCellOptions {
  std::size_t input_size = 0;                        ///< I
  std::size_t hidden_size = 0;                       ///< H
  ActivationFunction activation = Activation::tanh;  ///< f_s
  bool bias = true;
  bool layer_norm = false;
};

namespace cells {

/// The equation of a simple recurrent layer (Elman 1990).
template <class T>
struct RNN {
  using Options = RNNOptions<T>;
  static constexpr auto name = "rnn";
  static constexpr std::array gates{"h"};
  static constexpr std::array states{"h"};

  ActivationFunction activation;

  explicit RNN(const auto& o) : activation(o.activation) {}

  auto step(const auto& w, const auto& x, const auto& state) const {
    const auto& [h] = state;
    const auto from_x = w.input(x);
    return std::array{activation(from_x + w.hidden(h)).named("h")};
  }

  /// Throws ArgumentError when an option does not fit.
  template <class U>
  static void check(const std::string& kind, const auto& o) {
    o.activation.template check<U>(kind, "activation");
  }
};

}  // namespace cells

/// A stack of simple recurrent layers, as torch.nn.RNN:
///
///   h(t) = f_s(W_ih x(t) + b_ih + W_hh h(t-1) + b_hh)
///
/// x (T, B, I), output (T, B, D·H), state.h (L·D, B, H); W_ih (H, I), above the first layer
/// (H, D·H), W_hh (H, H), b (H).
///
/// Options, with PyTorch's meaning where PyTorch has them, and:
///   activation      f_s. On a tape in primitive mode it is also computed for sequences that have
///                   ended, and must be finite and have a finite slope there, at 0 for instance
///   output_size     the state machine of textbooks: the output is, with h of the last layer,
///                     y(t) = f_o(W_ho h(t) + b_ho)
///                   of shape (T, B, O); "weight_ho" (O, D·H), "bias_ho" (O), uniform in
///                   [-1/√(D·H), 1/√(D·H)); h remains to be seen by `gate("h")`
///   layer_norm      LN(W_ih x) and LN(W_hh h), each over its H units, in place of the products
///                   (Ba, Kiros and Hinton 2016, with separate norms as for their LSTM):
///                     LN(a) = gain (a - mean(a)) / √(variance(a) + 10⁻⁵) + bias
template <class T = float>
class RNN : public Recurrent<cells::RNN<T>, T> {
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
  [[nodiscard]] std::size_t output_size() const override;
  Variable<T> output(const Variable<T>& state) override;

  ActivationFunction output_activation_;
  Parameter<T> weight_ho_;
  Parameter<T> bias_ho_;
};

/// A single step of an RNN, as torch.nn.RNNCell: `h = cell(x, h)`.
template <class T = float>
using RNNCell = RecurrentCell<cells::RNN<T>, T, RNNCellOptions<T>>;

extern template class Recurrent<cells::RNN<float>, float>;
extern template class Recurrent<cells::RNN<double>, double>;
extern template class RNN<float>;
extern template class RNN<double>;
extern template class RecurrentCell<cells::RNN<float>, float, RNNCellOptions<float>>;
extern template class RecurrentCell<cells::RNN<double>, double, RNNCellOptions<double>>;

}  // namespace tapestry::layers
