// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

struct GRUOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  std::size_t num_layers = 1;   ///< L
  bool bias = true;             ///< additive parameters, those of layer norm included
  double dropout = 0;           ///< in training, on the output of each layer but the last; L > 1
  bool bidirectional = false;   ///< D = 2
  VariationalDropout variational_dropout = {};  ///< the same masks at every step
  bool layer_norm = false;                      ///< within the cell, see below
  bool learned_initial_state = false;           ///< parameters h0 (and c0), without a given state
  bool reset_after = true;
};

/// A stack of gated recurrent units (Cho et al. 2014, with the reset gate after the matrix product
/// as in cuDNN), as torch.nn.GRU. Gates are stored in the order r z n:
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
template <class T = float>
class GRU : public Recurrent<T, HiddenState<T>> {
 public:
  /// Throws ArgumentError when a size is 0, a dropout rate is outside [0, 1], or there is dropout
  /// between layers and only one of them.
  explicit GRU(const GRUOptions& options);

 private:
  using typename Recurrent<T, HiddenState<T>>::Parts;
  Parts step(const StepWeights<T>& weights, const Variable<T>& x,
             const Parts& state) const override;
  SequenceResult<T, 1> sequence(const Variable<T>& x, const SequenceWeights<T>& weights,
                                const Parts& initial, bool reverse) const override;
  [[nodiscard]] bool has_sequence() const override { return reset_after_; }

  bool reset_after_;
};

struct GRUCellOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  bool bias = true;
  bool layer_norm = false;
  bool reset_after = true;
};

/// A single step of a GRU, as torch.nn.GRUCell: `h = cell(x, h)`.
template <class T = float>
class GRUCell : public RecurrentCell<T, HiddenState<T>> {
 public:
  /// Throws ArgumentError when a size is 0.
  explicit GRUCell(const GRUCellOptions& options);

  /// x (B, I), from h (B, H) or zeros: the next h (B, H). Throws ShapeError for other shapes.
  Variable<T> operator()(const Variable<T>& x) { return this->run(x, {})[0]; }
  Variable<T> operator()(const Variable<T>& x, const Variable<T>& h) {
    return this->run(x, {{h}})[0];
  }

 private:
  using typename RecurrentCell<T, HiddenState<T>>::Parts;
  Parts step(const StepWeights<T>& weights, const Variable<T>& x,
             const Parts& state) const override;

  bool reset_after_;
};

extern template class GRU<float>;
extern template class GRU<double>;
extern template class GRUCell<float>;
extern template class GRUCell<double>;

}  // namespace tapestry::layers
