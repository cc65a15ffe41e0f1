// SPDX-License-Identifier: MIT
#include <tapestry/tapestry.hpp>

int main() {
  tapestry::Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto y = sum(x * x);
  y.backward();
  return y.value()() == 5.0 && x.grad()(0) == 2.0 && x.grad()(1) == 4.0 ? 0 : 1;
}
