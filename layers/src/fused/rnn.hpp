// SPDX-License-Identifier: MIT
#pragma once

#include "fused/sequence.hpp"

namespace tapestry::layers {

template <class T>
struct FusedRnn {
  Variable<T> output;  ///< (T, B, H)
  Variable<T> h;       ///< (B, H)
};

/// One layer of a simple RNN in one direction as one node. An empty `h0` stands for zeros. Throws
/// ShapeError, StaleVariable.
template <class T>
FusedRnn<T> fused_rnn(const Variable<T>& x, const SequenceWeights<T>& weights,
                      Activation activation, const Variable<T>& h0 = {}, bool reverse = false);

}  // namespace tapestry::layers
