// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "tapestry/autodiff/ops.hpp"
#include "tapestry/layers/activation.hpp"
#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

struct LSTMOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  std::size_t num_layers = 1;   ///< L
  bool bias = true;             ///< additive parameters, those of layer norm included
  bool batch_first = false;     ///< input (B, T, I) and output (B, T, D·H)
  double dropout = 0;           ///< in training, on the output of each layer but the last; L > 1
  bool bidirectional = false;   ///< D = 2
  VariationalDropout variational_dropout = {};  ///< the same masks at every step
  bool layer_norm = false;                      ///< within the cell, see below
  bool learned_initial_state = false;           ///< parameters h0 and c0, without a given state
  bool peephole = false;
  std::size_t proj_size = 0;  ///< P; 0: no projection
  std::optional<double> forget_bias = std::nullopt;
  ActivationFunction activation = Activation::tanh;               ///< of g and of the output
  ActivationFunction recurrent_activation = Activation::sigmoid;  ///< of i, f and o
};

struct LSTMCellOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  bool bias = true;
  bool layer_norm = false;
  bool peephole = false;
  std::size_t proj_size = 0;  ///< P; 0: no projection
  std::optional<double> forget_bias = std::nullopt;
  ActivationFunction activation = Activation::tanh;
  ActivationFunction recurrent_activation = Activation::sigmoid;
};

namespace cells {

/// The equations of a long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate
/// of Gers, Schmidhuber and Cummins 2000).
struct LSTM : GateActivations {
  using Options = LSTMOptions;
  static constexpr auto name = "lstm";
  static constexpr std::array gates{"i", "f", "g", "o"};
  static constexpr std::array states{"h", "c"};
  static constexpr std::size_t norm_gates = 4;

  bool peephole;

  explicit LSTM(const auto& o) : GateActivations(o), peephole(o.peephole) {}

  auto step(const auto& w, const auto& x, const auto& state) const {
    const auto& [h, c] = state;
    const auto from_x = w.input(x);
    const auto a = split(from_x + w.hidden(h), 4, -1);
    const auto i = recurrent_activation(peep(w, a[0], c, 0)).named("i");
    const auto f = recurrent_activation(peep(w, a[1], c, 1)).named("f");
    const auto g = activation(a[2]).named("g");
    const auto next_c = (f * c + i * g).named("c");
    const auto o = recurrent_activation(peep(w, a[3], next_c, 2)).named("o");
    return std::array{w.projected(o * activation(w.normed(next_c))).named("h"), next_c};
  }

  [[nodiscard]] StepAccelerator accelerator() const {
    return !peephole && are_usual() ? StepAccelerator::lstm : StepAccelerator::none;
  }
  /// The same with activations that go by name.
  [[nodiscard]] LSTM recordable() const { return with_usual(*this); }

  /// Throws ArgumentError when an option does not fit.
  template <class T>
  static void check(const std::string& kind, const auto& o) {
    check_sizes(kind, o.hidden_size, o.proj_size, o.forget_bias, o.bias);
    GateActivations::check<T>(kind, o);
  }

 private:
  /// a + p c with the peephole p of a gate.
  auto peep(const auto& w, const auto& a, const auto& c, std::size_t gate) const {
    return peephole ? a + w.peephole(gate) * c : a;
  }
  static void check_sizes(const std::string& kind, std::size_t hidden_size, std::size_t proj_size,
                          std::optional<double> forget_bias, bool bias);
};

}  // namespace cells

/// A stack of long short-term memories, as torch.nn.LSTM. Gates are stored in the order i f g o:
///
///   i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)
///   f = sigmoid(W_if x + b_if + W_hf h + b_hf)
///   g = tanh(W_ig x + b_ig + W_hg h + b_hg)
///   o = sigmoid(W_io x + b_io + W_ho h + b_ho)
///   c' = f c + i g
///   h' = o tanh(c')
///
/// x (T, B, I), output (T, B, D·H), state.h and state.c (L·D, B, H); W_i (4H, I), above the first
/// layer (4H, D·H), W_h (4H, H), b (4H).
///
/// Options, with PyTorch's meaning where PyTorch has them, and:
///   peephole     p_i c within i, p_f c within f, and p_o c' within o, elementwise (Gers and
///                Schmidhuber 2000); "peephole_l0" (3H) holds p in the order i f o
///   proj_size    h' = W_hr (o tanh(c')), "weight_hr_l0" (P, H) (Sak, Senior and Beaufays 2014): h
///                has P units in place of H: W_h is (4H, P), W_i above the first layer (4H, D·P),
///                the output (T, B, D·P)
///   layer_norm   LN(W_i x) and LN(W_h h), each over all 4H rows, in place of the products, and
///                h' = o tanh(LN(c')) (Ba, Kiros and Hinton 2016, supplement):
///                  LN(a) = gain (a - mean(a)) / √(variance(a) + 10⁻⁵) + bias
///   forget_bias  b_if starts at this value and b_hf at 0, so that cells first remember
///                (Jozefowicz, Zaremba and Sutskever 2015 advise 1). ArgumentError without biases
///   activation, recurrent_activation
///                what stands for tanh and for the sigmoid, as in Keras: by name, or any function
template <class T = float>
using LSTM = Recurrent<cells::LSTM, T>;

/// A single step of an LSTM, as torch.nn.LSTMCell: `const auto [h, c] = cell(x, {h0, c0});`.
template <class T = float>
using LSTMCell = RecurrentCell<cells::LSTM, T, LSTMCellOptions>;

extern template class Recurrent<cells::LSTM, float>;
extern template class Recurrent<cells::LSTM, double>;
extern template class RecurrentCell<cells::LSTM, float, LSTMCellOptions>;
extern template class RecurrentCell<cells::LSTM, double, LSTMCellOptions>;

}  // namespace tapestry::layers
