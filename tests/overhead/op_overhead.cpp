// SPDX-License-Identifier: MIT
// A chain of 1,000 elementwise ops on one element, forward and backward, `runs` times on one tape:
// `op_overhead runs`. What an op costs is the difference between more and fewer runs.
#include <cstdlib>

#include "tapestry/autodiff.hpp"

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::atoi(argv[1]) : 1;
  tapestry::Tape<float> tape;
  for (int run = 0; run < runs; ++run) {
    tape.clear();
    const auto x = tape.variable(0.5F), w = tape.variable(0.999F);
    auto y = x;
    for (int i = 0; i < 1000; ++i) y = i % 3 == 0 ? y * w : i % 3 == 1 ? y + w : tanh(y);
    y.backward();
  }
}
