// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/ops/gradient_control.hpp"

#include <string>

#include "ops/library_op.hpp"

namespace tapestry {
namespace {

struct ScaleGradient {
  static constexpr auto name = "scale_gradient";
  static constexpr auto formula = "y = x; the gradient is multiplied by the factor";
  static constexpr Saves saves = save_nothing;
  double factor;
  auto forward(const auto& x) const { return x; }
  auto backward(const auto& g) const { return g * factor; }
  static bool alias(const Shape&, std::size_t& offset) {
    offset = 0;
    return true;
  }
  [[nodiscard]] OpAttributes attributes() const { return {{"factor", factor}}; }
};

}  // namespace

template <class T>
Variable<T> scale_gradient(const Variable<T>& x, double factor) {
  return detail::attempt("scale_gradient", x, [&] {
    detail::check_finite<T>("scale_gradient", "the factor", factor);
    return detail::apply_op(ScaleGradient{factor}, x);
  });
}

TAPESTRY_INSTANTIATE(scale_gradient)

}  // namespace tapestry
