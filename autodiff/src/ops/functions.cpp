// SPDX-License-Identifier: MIT
// Functions of one variable, elementwise. Rules are written with the output where that is cheaper.
#include <string>

#include "ops/library_op.hpp"
#include "tapestry/kernels/detail/vector_math.hpp"

namespace tapestry {
namespace {

struct Exp {
  static constexpr auto name = "exp";
  static constexpr auto formula = "y = e^x";
  static constexpr Saves saves = save_output;
  auto forward(const auto& x) const { return exp(x); }
  template <class T>
  void forward_array(const Out<T>& y, const In<T>& x) const {
    detail::vector_math<T>().exp(x.data, y.data, y.size());
  }
  auto backward(const auto& g, const auto& y) const { return g * y; }
};

struct Log {
  static constexpr auto name = "log";
  static constexpr auto formula = "y = log x";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& x) const { return log(x); }
  auto backward(const auto& g, const auto& x) const { return g / x; }
};

struct Log1p {
  static constexpr auto name = "log1p";
  static constexpr auto formula = "y = log(1 + x)";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& x) const { return log1p(x); }
  auto backward(const auto& g, const auto& x) const { return g / (1.0 + x); }
};

struct Expm1 {
  static constexpr auto name = "expm1";
  static constexpr auto formula = "y = e^x - 1";
  static constexpr Saves saves = save_output;
  auto forward(const auto& x) const { return expm1(x); }
  auto backward(const auto& g, const auto& y) const { return g * (y + 1.0); }
};

struct Sqrt {
  static constexpr auto name = "sqrt";
  static constexpr auto formula = "y = x^(1/2)";
  static constexpr Saves saves = save_output;
  auto forward(const auto& x) const { return sqrt(x); }
  auto backward(const auto& g, const auto& y) const { return g / (2.0 * y); }
};

struct Square {
  static constexpr auto name = "square";
  static constexpr auto formula = "y = x^2";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& x) const { return x * x; }
  auto backward(const auto& g, const auto& x) const { return g * (2.0 * x); }
};

struct PowScalar {
  static constexpr auto name = "pow_scalar";
  static constexpr auto formula = "y = x^p";
  static constexpr Saves saves = save_inputs;
  double p;
  auto forward(const auto& x) const { return pow(x, p); }
  auto backward(const auto& g, const auto& x) const {
    // x^(p - 1) would be infinite at x = 0 where the derivative of a constant is 0.
    return p == 0 ? g * 0.0 : g * (p * pow(x, p - 1));
  }
  [[nodiscard]] OpAttributes attributes() const { return {{"exponent", p}}; }
};

struct Pow {
  static constexpr auto name = "pow";
  static constexpr auto formula = "y = a^b; d_b is 0 where a = 0, as in PyTorch";
  auto forward(const auto& a, const auto& b) const { return pow(a, b); }
  auto backward(Wrt<0>, const auto& g, const auto&, const auto& a, const auto& b) const {
    // 0 where both are 0; b = 0 alone is no reason, for the derivative by b is not 0 there.
    const auto slope = g * b * pow(a, b - 1.0);
    return where(a, slope, where(b, slope, 0.0));
  }
  auto backward(Wrt<1>, const auto& g, const auto& y, const auto& a, const auto&) const {
    return where(a, g * y * log(where(a, a, 1.0)), 0.0);  // the second derivative meets no log 0
  }
};

struct Sin {
  static constexpr auto name = "sin";
  static constexpr auto formula = "y = sin x";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& x) const { return sin(x); }
  auto backward(const auto& g, const auto& x) const { return g * cos(x); }
};

struct Cos {
  static constexpr auto name = "cos";
  static constexpr auto formula = "y = cos x";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& x) const { return cos(x); }
  auto backward(const auto& g, const auto& x) const { return -(g * sin(x)); }
};

struct Tanh {
  static constexpr auto name = "tanh";
  static constexpr auto formula = "y = tanh x";
  static constexpr Saves saves = save_output;
  auto forward(const auto& x) const { return tanh(x); }
  template <class T>
  void forward_array(const Out<T>& y, const In<T>& x) const {
    detail::vector_math<T>().tanh(x.data, y.data, y.size());
  }
  auto backward(const auto& g, const auto& y) const { return g * (1.0 - y * y); }
};

struct Sigmoid {
  static constexpr auto name = "sigmoid";
  static constexpr auto formula = "y = 1 / (1 + e^-x)";
  static constexpr Saves saves = save_output;
  auto forward(const auto& x) const { return sigmoid(x); }
  template <class T>
  void forward_array(const Out<T>& y, const In<T>& x) const {
    detail::vector_math<T>().sigmoid(x.data, y.data, y.size());
  }
  auto backward(const auto& g, const auto& y) const { return g * (y * (1.0 - y)); }
};

struct Relu {
  static constexpr auto name = "relu";
  static constexpr auto formula = "y = max(x, 0)";
  static constexpr Saves saves = save_output;
  auto forward(const auto& x) const { return maximum(x, 0.0); }
  auto backward(const auto& g, const auto& y) const { return where(y <= 0.0, 0.0, g); }
};

struct Softplus {
  static constexpr auto name = "softplus";
  static constexpr auto formula = "y = log(1 + e^x)";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& x) const { return maximum(x, 0.0) + log1p(exp(-abs(x))); }
  auto backward(const auto& g, const auto& x) const { return g * sigmoid(x); }
};

}  // namespace

using detail::apply_op;
using detail::attempt;
using detail::constant_like;

template <class T>
Variable<T> exp(const Variable<T>& x) {
  return apply_op(Exp{}, x);
}
template <class T>
Variable<T> log(const Variable<T>& x) {
  return apply_op(Log{}, x);
}
template <class T>
Variable<T> log1p(const Variable<T>& x) {
  return apply_op(Log1p{}, x);
}
template <class T>
Variable<T> expm1(const Variable<T>& x) {
  return apply_op(Expm1{}, x);
}
template <class T>
Variable<T> sqrt(const Variable<T>& x) {
  return apply_op(Sqrt{}, x);
}
template <class T>
Variable<T> square(const Variable<T>& x) {
  return apply_op(Square{}, x);
}
template <class T>
Variable<T> pow(const Variable<T>& x, Number<T> exponent) {
  return apply_op(PowScalar{exponent}, x);
}
template <class T>
Variable<T> pow(const Variable<T>& x, const Variable<T>& y) {
  return apply_op(Pow{}, x, y);
}
template <class T>
Variable<T> pow(Number<T> base, const Variable<T>& exponent) {
  return attempt("pow", exponent, [&] { return pow(constant_like(exponent, base), exponent); });
}
template <class T>
Variable<T> sin(const Variable<T>& x) {
  return apply_op(Sin{}, x);
}
template <class T>
Variable<T> cos(const Variable<T>& x) {
  return apply_op(Cos{}, x);
}
template <class T>
Variable<T> tanh(const Variable<T>& x) {
  return apply_op(Tanh{}, x);
}
template <class T>
Variable<T> sigmoid(const Variable<T>& x) {
  return apply_op(Sigmoid{}, x);
}
template <class T>
Variable<T> relu(const Variable<T>& x) {
  return apply_op(Relu{}, x);
}
template <class T>
Variable<T> softplus(const Variable<T>& x) {
  return apply_op(Softplus{}, x);
}

TAPESTRY_INSTANTIATE(exp, log, log1p, expm1, sqrt, square, sin, cos, tanh, sigmoid, relu, softplus)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, T)), pow)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&)), pow)
TAPESTRY_INSTANTIATE_AS((Variable<T>(T, const Variable<T>&)), pow)

}  // namespace tapestry
