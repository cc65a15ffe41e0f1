// SPDX-License-Identifier: MIT
// expected: NotSaved
#include <tapestry/autodiff.hpp>

struct Square {
  static constexpr auto name = "my_square";
  static constexpr tapestry::Saves saves = tapestry::save_output;
  auto forward(const auto& x) const { return x * x; }
  auto backward(const auto& g, const auto&, const auto& x) const { return g * (2.0 * x); }
};

tapestry::Variable<float> my_square(const tapestry::Variable<float>& x) {
  return tapestry::apply(Square{}, x);
}
