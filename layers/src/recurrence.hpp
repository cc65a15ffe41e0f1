// SPDX-License-Identifier: MIT
// What the equations of the recurrent layers and cells are written in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "equations.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

/// A constant with the same number everywhere.
template <class T>
Variable<T> filled(detail::TapeState<T>& tape, const Shape& shape, T value, const char* name) {
  const std::uint32_t index = tape.add_leaf(shape, Role::constant, false, name);
  std::fill_n(tape.entries[index].data, shape.size(), value);
  return {tape, index};
}

/// Whether the options ask for a parameter.
template <class T>
bool present(const Parameter<T>& parameter) {
  return parameter.shape().rank() > 0;
}

/// The masks of variational dropout for one layer and direction; empty handles where there is none.
template <class T>
struct StepMasks {
  Variable<T> input;
  Variable<T> state;
};

/// The products of one cell's weights at one time step. Each use of a parameter is a node of its
/// own on the tape. What the options do not ask for leaves its operand as it is.
template <class T>
class StepWeights {
 public:
  StepWeights(detail::TapeState<T>& tape, const CellOptions& cell, RecurrentWeights<T>& weights,
              StepMasks<T> masks = {})
      : tape_(tape), cell_(cell), weights_(weights), masks_(std::move(masks)) {}

  /// W_ih x + b_ih, for each row of x (B, I): (B, G·H).
  [[nodiscard]] Variable<T> input(const Variable<T>& x) const {
    RecurrentWeights<T>& w = weights_;
    const Variable<T> product = rows_times(masked(x, masks_.input), w.weight_ih, {});
    return shifted(normed(product, w.norm_ih_gain, w.norm_ih_bias, {}), w.bias_ih, {});
  }

  /// W_hh h + b_hh, for each row of h (B, P): (B, G·H), or of the gates that are asked for.
  [[nodiscard]] Variable<T> hidden(const Variable<T>& h, GateRange gates = {}) const {
    RecurrentWeights<T>& w = weights_;
    const Variable<T> product = rows_times(masked(h, masks_.state), w.weight_hh, gates);
    return shifted(normed(product, w.norm_hh_gain, w.norm_hh_bias, gates), w.bias_hh, gates);
  }

  /// a + p c, with the peephole p of the `place`-th gate that has one, for a and c (B, H).
  [[nodiscard]] Variable<T> peep(const Variable<T>& a, const Variable<T>& c,
                                 std::size_t place) const {
    return present(weights_.peephole) ? a + rows(weights_.peephole, {place, 1}) * c : a;
  }

  /// LN(c), for each row of c (B, H).
  [[nodiscard]] Variable<T> normed_cell(const Variable<T>& c) const {
    return normed(c, weights_.norm_c_gain, weights_.norm_c_bias, {});
  }

  /// W_hr h, for each row of h (B, H): (B, P).
  [[nodiscard]] Variable<T> projected(const Variable<T>& h) const {
    return present(weights_.weight_hr) ? rows_times(h, weights_.weight_hr, {}) : h;
  }

 private:
  static Variable<T> masked(const Variable<T>& x, const Variable<T>& mask) {
    return mask.valid() ? x * mask : x;
  }

  Variable<T> rows(Parameter<T>& parameter, GateRange gates) const {
    const Variable<T> all(tape_, tape_.watch(parameter));
    if (gates.count == 0) return all;
    const auto start = static_cast<std::int64_t>(gates.first * cell_.hidden_size);
    return slice(all, 0, start, start + static_cast<std::int64_t>(gates.count * cell_.hidden_size));
  }

  Variable<T> rows_times(const Variable<T>& x, Parameter<T>& weight, GateRange gates) const {
    return matmul(x, rows(weight, gates), {.transpose_b = true});
  }

  Variable<T> shifted(const Variable<T>& x, Parameter<T>& bias, GateRange gates) const {
    return present(bias) ? x + rows(bias, gates) : x;
  }

  Variable<T> normed(const Variable<T>& x, Parameter<T>& gain, Parameter<T>& bias,
                     GateRange gates) const {
    return present(gain) ? shifted(standardised(x) * rows(gain, gates), bias, gates) : x;
  }

  /// Each row of x with mean 0 and variance 1, taken over as many gates as one norm spans.
  Variable<T> standardised(const Variable<T>& x) const {
    const auto end = static_cast<std::int64_t>(x.shape().back());
    const auto width = static_cast<std::int64_t>(cell_.norm_gates * cell_.hidden_size);
    std::vector<Variable<T>> blocks;
    for (std::int64_t start = 0; start < end; start += width) {
      const Variable<T> block = width < end ? slice(x, -1, start, start + width) : x;
      const Variable<T> spread = sqrt(var(block, -1, {.keepdims = true}) + T(1e-5));
      blocks.push_back((block - mean(block, -1, true)) / spread);
    }
    return blocks.size() == 1 ? blocks[0] : concatenate(blocks, -1);
  }

  detail::TapeState<T>& tape_;
  const CellOptions& cell_;
  RecurrentWeights<T>& weights_;
  StepMasks<T> masks_;
};

}  // namespace tapestry::layers
