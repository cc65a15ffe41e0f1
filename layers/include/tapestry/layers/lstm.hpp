// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>

#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

struct LSTMOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  std::size_t num_layers = 1;   ///< L
  bool bias = true;             ///< additive parameters, those of layer norm included
  double dropout = 0;           ///< in training, on the output of each layer but the last; L > 1
  bool bidirectional = false;   ///< D = 2
  VariationalDropout variational_dropout = {};  ///< the same masks at every step
  bool layer_norm = false;                      ///< within the cell, see below
  bool learned_initial_state = false;           ///< parameters h0 (and c0), without a given state
  bool peephole = false;
  std::size_t proj_size = 0;  ///< P; 0: no projection
  std::optional<double> forget_bias = std::nullopt;
};

/// A stack of long short-term memories (Hochreiter and Schmidhuber 1997, with the forget gate of
/// Gers, Schmidhuber and Cummins 2000), as torch.nn.LSTM. Gates are stored in the order i f g o:
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
///                (Jozefowicz, Zaremba and Sutskever 2015 advise 1)
template <class T = float>
class LSTM : public Recurrent<T, CellState<T>> {
 public:
  /// Throws ArgumentError when a size is 0, a dropout rate is outside [0, 1], there is dropout
  /// between layers and only one of them, P is not below H, or there is a forget bias without
  /// biases.
  explicit LSTM(const LSTMOptions& options);

 private:
  using typename Recurrent<T, CellState<T>>::Parts;
  Parts step(const StepWeights<T>& weights, const Variable<T>& x,
             const Parts& state) const override;
  SequenceResult<T, 2> sequence(const Variable<T>& x, const SequenceWeights<T>& weights,
                                const Parts& initial, bool reverse) const override;
};

struct LSTMCellOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  bool bias = true;
  bool layer_norm = false;
  bool peephole = false;
  std::size_t proj_size = 0;  ///< P; 0: no projection
  std::optional<double> forget_bias = std::nullopt;
};

/// A single step of an LSTM, as torch.nn.LSTMCell: `const auto [h, c] = cell(x, {h0, c0});`.
template <class T = float>
class LSTMCell : public RecurrentCell<T, CellState<T>> {
 public:
  /// Throws ArgumentError as LSTM does.
  explicit LSTMCell(const LSTMCellOptions& options);

  /// x (B, I), from h (B, H), or (B, P), and c (B, H) or zeros: the next h and c. Throws ShapeError
  /// for other shapes.
  CellState<T> operator()(const Variable<T>& x) { return next(x, {}); }
  CellState<T> operator()(const Variable<T>& x, const CellState<T>& state) {
    return next(x, {{state.h, state.c}});
  }

 private:
  using typename RecurrentCell<T, CellState<T>>::Parts;
  CellState<T> next(const Variable<T>& x, const std::optional<Parts>& state) {
    const Parts parts = this->run(x, state);
    return {parts[0], parts[1]};
  }
  Parts step(const StepWeights<T>& weights, const Variable<T>& x,
             const Parts& state) const override;
};

extern template class LSTM<float>;
extern template class LSTM<double>;
extern template class LSTMCell<float>;
extern template class LSTMCell<double>;

}  // namespace tapestry::layers
