// SPDX-License-Identifier: MIT
// expected: GradientRule<Product, 1
// expected: this op has no gradient rule for this input
#include <tapestry/autodiff.hpp>

struct Product {
  static constexpr auto name = "product";
  auto forward(const auto& a, const auto& b) const { return a * b; }
  auto backward(tapestry::Wrt<0>, const auto& g, const auto&, const auto&, const auto& b) const {
    return g * b;
  }
};

tapestry::Variable<double> product(const tapestry::Variable<double>& a) {
  return tapestry::apply(Product{}, a, a);
}
