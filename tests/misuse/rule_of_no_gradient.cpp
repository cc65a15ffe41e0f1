// SPDX-License-Identifier: MIT
// expected: GradientRule<Step, 0
// expected: this op declares that this input has no gradient, but has a rule for it
#include <tapestry/autodiff.hpp>

struct Step {
  static constexpr auto name = "step";
  static constexpr auto no_gradient = tapestry::inputs(0);
  auto forward(const auto& x) const { return x > 0.0; }
  auto backward(const auto& g, const auto&, const auto&) const { return g * 0.0; }
};

tapestry::Variable<float> step(const tapestry::Variable<float>& x) {
  return tapestry::apply(Step{}, x);
}
