// SPDX-License-Identifier: MIT
// Activation functions beyond tanh, sigmoid and relu.
#include <numbers>
#include <string>

#include "ops/library_op.hpp"

namespace tapestry {
namespace {

struct Erf {
  static constexpr auto name = "erf";
  static constexpr auto formula = "y = 2 / √π ∫ e^-t² dt from 0 to x";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& x) const { return erf(x); }
  auto backward(const auto& g, const auto& x) const {
    return g * (2.0 * std::numbers::inv_sqrtpi * exp(-(x * x)));
  }
};

struct Gelu {
  static constexpr auto name = "gelu";
  static constexpr auto formula =
      "y = x Φ(x), with the normal distribution Φ (Hendrycks and Gimpel 2016)";
  static constexpr Saves saves = save_inputs;
  static auto cumulative(const auto& x) { return 0.5 + 0.5 * erf(x * (0.5 * std::numbers::sqrt2)); }
  static auto density(const auto& x) {
    return (0.5 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi) * exp(-0.5 * (x * x));
  }
  auto forward(const auto& x) const { return x * cumulative(x); }
  auto backward(const auto& g, const auto& x) const { return g * (cumulative(x) + x * density(x)); }
};

struct Silu {
  static constexpr auto name = "silu";
  static constexpr auto formula = "y = x sigmoid(x)";
  auto forward(const auto& x) const { return x * sigmoid(x); }
  auto backward(const auto& g, const auto& y, const auto& x) const {
    const auto s = sigmoid(x);
    return g * (s + y * (1.0 - s));
  }
};

struct Elu {
  static constexpr auto name = "elu";
  static constexpr auto formula = "y = x where x > 0, else a (e^x - 1)";
  static constexpr Saves saves = save_inputs;
  double a;
  auto forward(const auto& x) const { return where(x > 0.0, x, a * expm1(minimum(x, 0.0))); }
  auto backward(const auto& g, const auto& x) const {
    return where(x > 0.0, g, g * (a * exp(where(x >= 0.0, 0.0, x))));  // NaN stays
  }
  [[nodiscard]] OpAttributes attributes() const { return {{"alpha", a}}; }
};

struct LeakyRelu {
  static constexpr auto name = "leaky_relu";
  static constexpr auto formula = "y = x where x > 0, else s x";
  static constexpr Saves saves = save_inputs;
  double s;
  auto forward(const auto& x) const { return where(x > 0.0, x, s * x); }
  auto backward(const auto& g, const auto& x) const { return where(x > 0.0, g, s * g); }
  [[nodiscard]] OpAttributes attributes() const { return {{"slope", s}}; }
};

struct HardTanh {
  static constexpr auto name = "hard_tanh";
  static constexpr auto formula = "y = x, but at least -1 and at most 1";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& x) const { return minimum(maximum(x, -1.0), 1.0); }
  auto backward(const auto& g, const auto& x) const { return where(abs(x) < 1.0, g, 0.0); }
};

struct HardSigmoid {
  static constexpr auto name = "hard_sigmoid";
  static constexpr auto formula = "y = x / 6 + 1/2, but at least 0 and at most 1";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& x) const { return minimum(maximum(x / 6.0 + 0.5, 0.0), 1.0); }
  auto backward(const auto& g, const auto& x) const { return where(abs(x) < 3.0, g / 6.0, 0.0); }
};

struct HardSwish {
  static constexpr auto name = "hard_swish";
  static constexpr auto formula = "y = x hard_sigmoid(x)";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& x) const { return x * minimum(maximum(x / 6.0 + 0.5, 0.0), 1.0); }
  auto backward(const auto& g, const auto& x) const {
    return where(abs(x) < 3.0, g * (x / 3.0 + 0.5), where(x > 0.0, g, 0.0));
  }
};

}  // namespace

using detail::apply_op;
using detail::attempt;

template <class T>
Variable<T> erf(const Variable<T>& x) {
  return apply_op(Erf{}, x);
}
template <class T>
Variable<T> gelu(const Variable<T>& x) {
  return apply_op(Gelu{}, x);
}
template <class T>
Variable<T> silu(const Variable<T>& x) {
  return apply_op(Silu{}, x);
}
template <class T>
Variable<T> elu(const Variable<T>& x, double alpha) {
  return attempt("elu", x, [&] {
    detail::check_finite<T>("elu", "alpha", alpha);
    return apply_op(Elu{alpha}, x);
  });
}
template <class T>
Variable<T> leaky_relu(const Variable<T>& x, double slope) {
  return attempt("leaky_relu", x, [&] {
    detail::check_finite<T>("leaky_relu", "slope", slope);
    return apply_op(LeakyRelu{slope}, x);
  });
}
template <class T>
Variable<T> hard_tanh(const Variable<T>& x) {
  return apply_op(HardTanh{}, x);
}
template <class T>
Variable<T> hard_sigmoid(const Variable<T>& x) {
  return apply_op(HardSigmoid{}, x);
}
template <class T>
Variable<T> hard_swish(const Variable<T>& x) {
  return apply_op(HardSwish{}, x);
}

TAPESTRY_INSTANTIATE(erf, gelu, silu, elu, leaky_relu, hard_tanh, hard_sigmoid, hard_swish)

}  // namespace tapestry
