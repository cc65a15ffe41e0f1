// SPDX-License-Identifier: MIT
// The data of the adding problem (Hochreiter and Schmidhuber 1997): of many random numbers two are
// marked, one in each half, and their sum is asked for.
#pragma once

#include <tapestry/autodiff.hpp>
#include <tapestry/layers.hpp>

#include <cstddef>

struct AddingBatch {
  tapestry::Array<float> x;       ///< (T, B, 2): a number, and 1 where it is marked
  tapestry::Array<float> target;  ///< (B)
};

/// A recurrent layer that is to say the sum.
template <class Layer>
struct Adder {
  Layer layer;
  tapestry::layers::Linear<> head;

  void visit(auto&& part) {
    part("layer", layer);
    part("head", head);
  }

  /// The sums for x (T, B, 2), as said after the last step: (B).
  auto operator()(const tapestry::Variable<>& x) {
    return select(head(select(layer(x).output, 0, -1)), -1, 0);
  }

  /// What it would say after each step: (T, B).
  auto at_every_step(const tapestry::Variable<>& x) { return select(head(layer(x).output), -1, 0); }
};

/// `size` sequences (B) of `length` steps (T).
AddingBatch draw_adding(std::size_t length, std::size_t size, tapestry::Generator& random);
