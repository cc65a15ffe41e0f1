// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "tapestry/autodiff/parameter.hpp"

namespace tapestry::layers {

/// The parameters of one cell, or of one layer and direction of a stack, named, shaped and
/// initialised as PyTorch's: uniform in [-1/√H, 1/√H), except where noted. The gates lie one after
/// another in the rows. A parameter that the options do not ask for has rank 0 and is not visited.
///
/// Letters: G gates, I inputs, H hidden units, P units of the projection (H without one).
template <class T>
struct RecurrentWeights {
  Parameter<T> weight_ih;     ///< (G·H, I)
  Parameter<T> weight_hh;     ///< (G·H, P)
  Parameter<T> bias_ih;       ///< (G·H)
  Parameter<T> bias_hh;       ///< (G·H)
  Parameter<T> weight_hr;     ///< projection of an LSTM (P, H)
  Parameter<T> peephole;      ///< of an LSTM (3·H): i f o
  Parameter<T> norm_ih_gain;  ///< layer norm (G·H), at first 1
  Parameter<T> norm_ih_bias;  ///< (G·H), at first 0
  Parameter<T> norm_hh_gain;  ///< (G·H), at first 1
  Parameter<T> norm_hh_bias;  ///< (G·H), at first 0
  Parameter<T> norm_c_gain;   ///< of an LSTM (H), at first 1
  Parameter<T> norm_c_bias;   ///< of an LSTM (H), at first 0
  Parameter<T> h0;            ///< learned initial state (P), at first 0
  Parameter<T> c0;            ///< of an LSTM (H), at first 0

  /// Shows those there are, named as above with `suffix` ("_l0", "_l0_reverse") added.
  void visit(const std::string& suffix, auto&& part) {
    using Named = std::pair<const char*, Parameter<T>*>;
    for (const auto& [name, parameter] : std::to_array<Named>({{"weight_ih", &weight_ih},
                                                               {"weight_hh", &weight_hh},
                                                               {"bias_ih", &bias_ih},
                                                               {"bias_hh", &bias_hh},
                                                               {"weight_hr", &weight_hr},
                                                               {"peephole", &peephole},
                                                               {"norm_ih_gain", &norm_ih_gain},
                                                               {"norm_ih_bias", &norm_ih_bias},
                                                               {"norm_hh_gain", &norm_hh_gain},
                                                               {"norm_hh_bias", &norm_hh_bias},
                                                               {"norm_c_gain", &norm_c_gain},
                                                               {"norm_c_bias", &norm_c_bias},
                                                               {"h0", &h0},
                                                               {"c0", &c0}}))
      if (parameter->shape().rank() > 0) part(name + suffix, *parameter);
  }
};

/// What the parameters of a cell follow from, besides the number of its inputs. For the layers of
/// the library.
struct CellOptions {
  const char* kind = "";        ///< for messages: "lstm"
  std::size_t gates = 1;        ///< G
  std::size_t norm_gates = 1;   ///< how many gates one layer norm spans
  std::size_t hidden_size = 0;  ///< H
  std::size_t proj_size = 0;    ///< P; 0: no projection
  bool has_cell = false;        ///< its state has a cell c besides h
  bool bias = true;
  bool layer_norm = false;
  bool peephole = false;
  bool learned_initial_state = false;

  /// P, or H without a projection: what h has.
  [[nodiscard]] std::size_t state_size() const { return proj_size > 0 ? proj_size : hidden_size; }
};

/// New parameters of a cell with `input_size` inputs, random numbers from `default_generator()`.
template <class T>
RecurrentWeights<T> make_weights(const CellOptions& options, std::size_t input_size,
                                 const std::string& suffix);

extern template struct RecurrentWeights<float>;
extern template struct RecurrentWeights<double>;

}  // namespace tapestry::layers
