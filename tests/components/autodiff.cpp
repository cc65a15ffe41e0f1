// SPDX-License-Identifier: MIT
// Links tapestry::autodiff alone: a gradient, and the graph as a picture.
#include <tapestry/autodiff.hpp>

int main() {
  tapestry::Tape tape;
  const auto x = tape.variable(3.0F, "x");
  const auto y = square(x);
  y.backward();
  return x.grad()() == 6 && tapestry::to_dot(y).find("square") != std::string::npos ? 0 : 1;
}
