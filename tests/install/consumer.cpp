// SPDX-License-Identifier: MIT
// Something of each component, and of each library that they are built on: BLAS and LAPACK for the
// spectrum, libzip for the file.
#include <tapestry/tapestry.hpp>

namespace tp = tapestry;

int main() {
  tp::layers::RNN<> rnn({.input_size = 1, .hidden_size = 2});
  tp::optim::Adam adam(tp::parameters(rnn), {.learning_rate = 0.1});
  const auto digits = tp::data::Vocabulary::of_characters("0123");
  auto x = tp::Array<float>::from_shape({3, 1, 1});
  x.fill(1);
  tp::Tape tape;
  tape.set_primitive(true);
  const auto h = rnn(tape.constant(x)).output;
  const auto loss = sum(square(h));
  loss.backward();
  const auto spectrum = tp::state_spectrum(tp::find_states(h, {"h"}));
  adam.step();
  tp::save_npz(rnn, "rnn.npz");
  return digits.size() == 4 && spectrum.steps.size() == 2 && loss.item() > 0 ? 0 : 1;
}
