// SPDX-License-Identifier: MIT
// Links tapestry::study alone: the spectrum of two states, for which LAPACK is needed.
#include <tapestry/autodiff.hpp>
#include <tapestry/study.hpp>

namespace tp = tapestry;

int main() {
  tp::Tape<double> tape;
  const auto w = tape.variable({{0.5, 0.25}, {-0.25, 0.5}}, "W");
  const auto first = matmul(tape.constant({{1.0, 2.0}}), w);
  const auto second = matmul(tanh(first), w);
  const auto spectrum = tp::state_spectrum<double>({{0, {first}}, {1, {second}}});
  return spectrum.steps.size() == 1 && !spectrum.steps.empty() ? 0 : 1;
}
