// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

/// What an RNN applies to its new state.
enum class Activation : std::uint8_t { tanh, relu, identity };

struct RNNOptions {
  std::size_t input_size = 0;   ///< I
  std::size_t hidden_size = 0;  ///< H
  std::size_t num_layers = 1;   ///< L
  Activation activation = Activation::tanh;
  bool bias = true;
  double dropout = 0;  ///< in training, on the output of each layer but the last
};

/// A stack of simple recurrent layers (Elman 1990), as torch.nn.RNN:
///
///   h(t) = f(W_ih x(t) + b_ih + W_hh h(t-1) + b_hh)
///
/// x (T, B, I), output (T, B, H), state.h (L, B, H); W_ih (H, I), W_hh (H, H), b (H).
template <class T = float>
class RNN : public Recurrent<T, HiddenState<T>> {
 public:
  /// Throws ArgumentError when a size is 0 or dropout is outside [0, 1].
  explicit RNN(const RNNOptions& options);

 private:
  Recurrence<T, HiddenState<T>> run(const Variable<T>& x, const HiddenState<T>* initial) override;

  Activation activation_;
};

extern template class RNN<float>;
extern template class RNN<double>;

}  // namespace tapestry::layers
