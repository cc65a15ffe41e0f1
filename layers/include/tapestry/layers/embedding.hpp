// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry::layers {

/// A learned vector for each token, as torch.nn.Embedding.
///
/// tokens (...), weight (V, E), result (..., E). The initial weights are normal with variance 1.
template <class T = float>
class Embedding : public Layer {
 public:
  using value_type = T;

  /// `count` is the number of tokens V, `size` the length of a vector E. Throws ArgumentError when
  /// one of them is 0.
  Embedding(std::size_t count, std::size_t size);

  /// Throws an IndexError that names the first token outside [0, V) and its position.
  Variable<T> operator()(Tape<T>& tape, const Indices& tokens);

  [[nodiscard]] Parameter<T>& weight() { return weight_; }

  void visit(auto&& part) { part("weight", weight_); }

 private:
  Parameter<T> weight_;
};

TAPESTRY_EXTERN_TYPES(class Embedding)

}  // namespace tapestry::layers
