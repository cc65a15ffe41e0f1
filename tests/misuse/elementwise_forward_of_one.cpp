// SPDX-License-Identifier: MIT
// expected: ElementwiseOp<Sum, float
// expected: this elementwise op needs `auto forward(const auto& x...) const`
#include <tapestry/autodiff.hpp>

struct Sum {
  static constexpr auto name = "sum_of_two";
  auto forward(const auto& a) const { return a; }
  auto backward(tapestry::Wrt<0>, const auto& g, const auto&, const auto&, const auto&) const {
    return g;
  }
  auto backward(tapestry::Wrt<1>, const auto& g, const auto&, const auto&, const auto&) const {
    return g;
  }
};

tapestry::Variable<float> sum_of_two(const tapestry::Variable<float>& a) {
  return tapestry::apply(Sum{}, a, a);
}
