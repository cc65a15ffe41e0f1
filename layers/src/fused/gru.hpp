// SPDX-License-Identifier: MIT
#pragma once

#include "fused/sequence.hpp"

namespace tapestry::layers {

template <class T>
struct FusedGru {
  Variable<T> output;  ///< (T, B, H)
  Variable<T> h;       ///< (B, H)
};

/// One GRU layer in one direction as one node; gates r z n, the reset gate after the product. An
/// empty `h0` stands for zeros. Throws ShapeError, StaleVariable.
template <class T>
FusedGru<T> fused_gru(const Variable<T>& x, const SequenceWeights<T>& weights,
                      const Variable<T>& h0 = {}, bool reverse = false);

}  // namespace tapestry::layers
