// SPDX-License-Identifier: MIT
#pragma once

#include "fused/sequence.hpp"

namespace tapestry::layers {

template <class T>
struct FusedLstm {
  Variable<T> output;  ///< (T, B, H)
  Variable<T> h;       ///< (B, H)
  Variable<T> c;       ///< (B, H)
};

/// One LSTM layer in one direction as one node; gates i f g o. Empty `h0` and `c0` stand for zeros.
/// Throws ShapeError, StaleVariable.
template <class T>
FusedLstm<T> fused_lstm(const Variable<T>& x, const SequenceWeights<T>& weights,
                        const Variable<T>& h0 = {}, const Variable<T>& c0 = {},
                        bool reverse = false);

}  // namespace tapestry::layers
