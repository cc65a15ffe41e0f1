// SPDX-License-Identifier: MIT
// expected: FusedOp<Triple, float
// expected: this op declares `expand`, its definition in other ops, and so needs a kernel
#include <tapestry/autodiff.hpp>

struct Triple {
  static constexpr auto name = "triple";
  tapestry::Shape infer(const tapestry::Shape& x) const { return x; }
  template <class T>
  void forward(const tapestry::Out<T>& y, const tapestry::In<T>& x) const {
    for (std::size_t k = 0; k < y.size(); ++k) y.data[k] = 3 * x.data[k];
  }
  auto backward(const auto& g, const auto&, const auto&) const { return 3.0F * g; }
  auto expand(const auto& x) const { return x + x + x; }
};

tapestry::Variable<float> triple(const tapestry::Variable<float>& x) {
  return tapestry::apply(Triple{}, x);
}
