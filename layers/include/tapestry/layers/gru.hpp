// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "tapestry/autodiff/ops.hpp"
#include "tapestry/layers/activation.hpp"
#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

struct GRUOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  std::size_t num_layers = 1;   ///< L
  bool bias = true;             ///< additive parameters, those of layer norm included
  bool batch_first = false;     ///< input (B, T, I) and output (B, T, D·H)
  double dropout = 0;           ///< in training, on the output of each layer but the last; L > 1
  bool bidirectional = false;   ///< D = 2
  VariationalDropout variational_dropout = {};  ///< the same masks at every step
  bool layer_norm = false;                      ///< within the cell, see below
  bool learned_initial_state = false;           ///< a parameter h0, without a given state
  bool reset_after = true;
  ActivationFunction activation = Activation::tanh;               ///< of n
  ActivationFunction recurrent_activation = Activation::sigmoid;  ///< of r and z
};

struct GRUCellOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  bool bias = true;
  bool layer_norm = false;
  bool reset_after = true;
  ActivationFunction activation = Activation::tanh;
  ActivationFunction recurrent_activation = Activation::sigmoid;
};

namespace cells {

/// The equations of a gated recurrent unit (Cho et al. 2014).
struct GRU : GateActivations {
  using Options = GRUOptions;
  static constexpr auto name = "gru";
  static constexpr std::array gates{"r", "z", "n"};
  static constexpr std::array states{"h"};
  static constexpr std::size_t norm_gates = 2;

  bool reset_after;

  explicit GRU(const auto& o) : GateActivations(o), reset_after(o.reset_after) {}

  auto step(const auto& w, const auto& x, const auto& state) const {
    const auto& [h] = state;
    const auto from_x = split(w.input(x), 3, -1);
    const auto from_h = reset_after ? split(w.hidden(h), 3, -1)             // r z n
                                    : split(w.hidden(h, "r", "z"), 2, -1);  // r z
    const auto r = recurrent_activation(from_x[0] + from_h[0]).named("r");
    const auto z = recurrent_activation(from_x[1] + from_h[1]).named("z");
    const auto n =
        activation(from_x[2] + (reset_after ? r * from_h[2] : w.hidden(r * h, "n"))).named("n");
    return std::array{((1 - z) * n + z * h).named("h")};
  }

  [[nodiscard]] StepAccelerator accelerator() const {
    return reset_after && are_usual() ? StepAccelerator::gru : StepAccelerator::none;
  }
  /// The same with activations that go by name.
  [[nodiscard]] GRU recordable() const { return with_usual(*this); }
};

}  // namespace cells

/// A stack of gated recurrent units, with the reset gate after the matrix product as in cuDNN, as
/// torch.nn.GRU. Gates are stored in the order r z n:
///
///   r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
///   z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
///   n = tanh(W_in x + b_in + r (W_hn h + b_hn))
///   h' = (1 - z) n + z h
///
/// x (T, B, I), output (T, B, D·H), state.h (L·D, B, H); W_i (3H, I), above the first layer
/// (3H, D·H), W_h (3H, H), b (3H).
///
/// Options, with PyTorch's meaning where PyTorch has them, and:
///   reset_after  if false, the reset gate comes before the matrix product (Cho et al. 2014):
///                  n = tanh(W_in x + b_in + W_hn (r h) + b_hn)
///                The parameters are the same; of the two biases only the sum matters then.
///   layer_norm   LN of the products W_i x and W_h h, with rows r and z normalised together and
///                rows n on their own (Ba, Kiros and Hinton 2016, supplement):
///                  LN(a) = gain (a - mean(a)) / √(variance(a) + 10⁻⁵) + bias
///   activation, recurrent_activation
///                what stands for tanh and for the sigmoid, as in Keras: by name, or any function
template <class T = float>
using GRU = Recurrent<cells::GRU, T>;

/// A single step of a GRU, as torch.nn.GRUCell: `h = cell(x, h)`.
template <class T = float>
using GRUCell = RecurrentCell<cells::GRU, T, GRUCellOptions>;

extern template class Recurrent<cells::GRU, float>;
extern template class Recurrent<cells::GRU, double>;
extern template class RecurrentCell<cells::GRU, float, GRUCellOptions>;
extern template class RecurrentCell<cells::GRU, double, GRUCellOptions>;

}  // namespace tapestry::layers
