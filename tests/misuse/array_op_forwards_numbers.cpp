// SPDX-License-Identifier: MIT
// expected: ArrayValue<Double, float
// expected: this op declares `infer` and so needs `void forward(Out<T> y, In<T> x...) const`
#include <tapestry/autodiff.hpp>

struct Double {
  static constexpr auto name = "double";
  tapestry::Shape infer(const auto& x) const { return x; }
  auto forward(const auto& x) const { return 2.0 * x; }
  auto backward(const auto& g, const auto&, const auto&) const { return 2.0F * g; }
};

tapestry::Variable<float> doubled(const tapestry::Variable<float>& x) {
  return tapestry::apply(Double{}, x);
}
