// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/parameter.hpp"

namespace tapestry::layers {

/// The parameters of one cell, or of one layer and direction of a stack, named, shaped and
/// initialised as PyTorch's: uniform in [-1/√H, 1/√H), except where noted. The gates lie one after
/// another in the rows. A parameter that the cell or its options do not ask for has rank 0 and is
/// not visited.
///
/// Letters: G gates, I inputs, H hidden units, P units of the projection (H without one).
template <class T>
struct RecurrentWeights {
  Parameter<T> weight_ih;     ///< (G·H, I)
  Parameter<T> weight_hh;     ///< (G·H, P)
  Parameter<T> bias_ih;       ///< (G·H)
  Parameter<T> bias_hh;       ///< (G·H)
  Parameter<T> weight_hr;     ///< projection (P, H)
  Parameter<T> peephole;      ///< of an LSTM (3·H): i f o
  Parameter<T> norm_ih_gain;  ///< layer norm (G·H), at first 1
  Parameter<T> norm_ih_bias;  ///< (G·H), at first 0
  Parameter<T> norm_hh_gain;  ///< (G·H), at first 1
  Parameter<T> norm_hh_bias;  ///< (G·H), at first 0
  Parameter<T> norm_c_gain;   ///< of a cell state (H), at first 1
  Parameter<T> norm_c_bias;   ///< of a cell state (H), at first 0
  Parameter<T> h0;            ///< learned initial state (P), at first 0
  Parameter<T> c0;            ///< of a second state (H), at first 0
  std::vector<std::pair<std::string, Parameter<T>>> vectors;  ///< `w.vector(name)` (H), in order

  /// Calls `action(name, parameter)` for all of them, those of rank 0 included.
  void for_each(auto&& action) {
    for (const auto& [name, member] : names()) action(name, this->*member);
    for (auto& [name, parameter] : vectors) action(std::string_view(name), parameter);
  }

  /// Shows those there are, named as above with `suffix` ("_l0", "_l0_reverse") added.
  void visit(const std::string& suffix, auto&& part) {
    for_each([&](std::string_view name, Parameter<T>& parameter) {
      if (parameter.shape().rank() > 0) part(std::string(name) + suffix, parameter);
    });
  }

  /// The parameter of that name; null when there is none.
  [[nodiscard]] Parameter<T>* find(std::string_view name) {
    for (const auto& [other, member] : names())
      if (other == name) return (this->*member).shape().rank() > 0 ? &(this->*member) : nullptr;
    for (auto& [other, parameter] : vectors)
      if (other == name) return &parameter;
    return nullptr;
  }

  /// The parameter of a cell's own, `w.vector(name)`. ArgumentError when there is none.
  [[nodiscard]] Parameter<T>& vector(std::string_view name);

 private:
  using Named = std::pair<std::string_view, Parameter<T> RecurrentWeights::*>;
  static const std::array<Named, 14>& names() {
    static constexpr std::array<Named, 14> all{{{"weight_ih", &RecurrentWeights::weight_ih},
                                                {"weight_hh", &RecurrentWeights::weight_hh},
                                                {"bias_ih", &RecurrentWeights::bias_ih},
                                                {"bias_hh", &RecurrentWeights::bias_hh},
                                                {"weight_hr", &RecurrentWeights::weight_hr},
                                                {"peephole", &RecurrentWeights::peephole},
                                                {"norm_ih_gain", &RecurrentWeights::norm_ih_gain},
                                                {"norm_ih_bias", &RecurrentWeights::norm_ih_bias},
                                                {"norm_hh_gain", &RecurrentWeights::norm_hh_gain},
                                                {"norm_hh_bias", &RecurrentWeights::norm_hh_bias},
                                                {"norm_c_gain", &RecurrentWeights::norm_c_gain},
                                                {"norm_c_bias", &RecurrentWeights::norm_c_bias},
                                                {"h0", &RecurrentWeights::h0},
                                                {"c0", &RecurrentWeights::c0}}};
    return all;
  }
};

TAPESTRY_EXTERN_TYPES(struct RecurrentWeights)

}  // namespace tapestry::layers
