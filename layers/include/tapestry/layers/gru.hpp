// SPDX-License-Identifier: MIT
#pragma once

#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

/// A stack of gated recurrent units (Cho et al. 2014, with the reset gate after the matrix product
/// as in cuDNN), as torch.nn.GRU. Gates are stored in the order r z n:
///
///   r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
///   z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
///   n = tanh(W_in x + b_in + r (W_hn h + b_hn))
///   h' = (1 - z) n + z h
///
/// x (T, B, I), output (T, B, H), state.h (L, B, H); W_i (3H, I), W_h (3H, H), b (3H).
template <class T = float>
class GRU : public Recurrent<T, HiddenState<T>> {
 public:
  /// Throws ArgumentError when a size is 0 or dropout is outside [0, 1].
  explicit GRU(const RecurrentOptions& options);

 private:
  Recurrence<T, HiddenState<T>> run(const Variable<T>& x, const HiddenState<T>* initial) override;
};

extern template class GRU<float>;
extern template class GRU<double>;

}  // namespace tapestry::layers
