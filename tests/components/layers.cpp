// SPDX-License-Identifier: MIT
// Links tapestry::layers alone: a fused layer, and a file that needs libzip.
#include <tapestry/layers.hpp>

namespace tp = tapestry;

int main() {
  tp::layers::GRU<> gru({.input_size = 3, .hidden_size = 4});
  tp::Tape tape;
  const auto loss = mean(gru(tape.constant(tp::Array<float>::from_shape({2, 1, 3}))).output);
  tp::save_npz(gru, "gru.npz");
  tp::load_npz(gru, "gru.npz");
  return loss.shape().size() == 1 ? 0 : 1;
}
