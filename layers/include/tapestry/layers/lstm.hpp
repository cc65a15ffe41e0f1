// SPDX-License-Identifier: MIT
#pragma once

#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

/// A stack of long short-term memories (Hochreiter and Schmidhuber 1997, with the forget gate of
/// Gers et al. 2000), as torch.nn.LSTM. Gates are stored in the order i f g o:
///
///   i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)
///   f = sigmoid(W_if x + b_if + W_hf h + b_hf)
///   g = tanh(W_ig x + b_ig + W_hg h + b_hg)
///   o = sigmoid(W_io x + b_io + W_ho h + b_ho)
///   c' = f c + i g
///   h' = o tanh(c')
///
/// x (T, B, I), output (T, B, H), state.h and state.c (L, B, H); W_i (4H, I), W_h (4H, H), b (4H).
template <class T = float>
class LSTM : public Recurrent<T, CellState<T>> {
 public:
  /// Throws ArgumentError when a size is 0 or dropout is outside [0, 1].
  explicit LSTM(const RecurrentOptions& options);

 private:
  Recurrence<T, CellState<T>> run(const Variable<T>& x, const CellState<T>* initial) override;
};

extern template class LSTM<float>;
extern template class LSTM<double>;

}  // namespace tapestry::layers
