// SPDX-License-Identifier: MIT
// expected: GradientRule<Cube, 0
// expected: this op has no gradient rule for this input
#include <tapestry/autodiff.hpp>

struct Cube {
  static constexpr auto name = "cube";
  auto forward(const auto& x) const { return x * x * x; }
  auto backward(const auto& g, const auto& x) const { return g * 3.0 * x * x; }  // saves y, too
};

tapestry::Variable<float> cube(const tapestry::Variable<float>& x) {
  return tapestry::apply(Cube{}, x);
}
