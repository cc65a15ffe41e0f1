// SPDX-License-Identifier: MIT
// The four operations, between variables and with numbers.
#include <string>

#include "ops/library_op.hpp"

namespace tapestry {
namespace {

struct Add {
  static constexpr auto name = "add";
  static constexpr auto formula = "y = a + b";
  static constexpr Saves saves = save_nothing;
  auto forward(const auto& a, const auto& b) const { return a + b; }
  auto backward(Wrt<0>, const auto& g) const { return g; }
  auto backward(Wrt<1>, const auto& g) const { return g; }
};

struct Subtract {
  static constexpr auto name = "subtract";
  static constexpr auto formula = "y = a - b";
  static constexpr Saves saves = save_nothing;
  auto forward(const auto& a, const auto& b) const { return a - b; }
  auto backward(Wrt<0>, const auto& g) const { return g; }
  auto backward(Wrt<1>, const auto& g) const { return -g; }
};

struct Multiply {
  static constexpr auto name = "multiply";
  static constexpr auto formula = "y = a b";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& a, const auto& b) const { return a * b; }
  auto backward(Wrt<0>, const auto& g, const auto&, const auto& b) const { return g * b; }
  auto backward(Wrt<1>, const auto& g, const auto& a, const auto&) const { return g * a; }
};

struct Divide {
  static constexpr auto name = "divide";
  static constexpr auto formula = "y = a / b";
  static constexpr Saves saves = {.output = true, .inputs = 0b10};
  auto forward(const auto& a, const auto& b) const { return a / b; }
  auto backward(Wrt<0>, const auto& g, const auto&, const auto&, const auto& b) const {
    return g / b;
  }
  auto backward(Wrt<1>, const auto& g, const auto& y, const auto&, const auto& b) const {
    return -(g * y / b);
  }
};

struct Negative {
  static constexpr auto name = "negative";
  static constexpr auto formula = "y = -x";
  static constexpr Saves saves = save_nothing;
  auto forward(const auto& x) const { return -x; }
  auto backward(const auto& g) const { return -g; }
};

struct AddScalar {
  static constexpr auto name = "add_scalar";
  static constexpr auto formula = "y = x + c";
  static constexpr Saves saves = save_nothing;
  double c;
  auto forward(const auto& x) const { return x + c; }
  auto backward(const auto& g) const { return g; }
  [[nodiscard]] OpAttributes attributes() const { return {{"+"}, {"", c}}; }
};

struct SubtractFromScalar {
  static constexpr auto name = "subtract_from_scalar";
  static constexpr auto formula = "y = c - x";
  static constexpr Saves saves = save_nothing;
  double c;
  auto forward(const auto& x) const { return c - x; }
  auto backward(const auto& g) const { return -g; }
  [[nodiscard]] OpAttributes attributes() const { return {{"", c}, {"-"}}; }
};

struct MultiplyScalar {
  static constexpr auto name = "multiply_scalar";
  static constexpr auto formula = "y = c x";
  static constexpr Saves saves = save_nothing;
  double c;
  auto forward(const auto& x) const { return x * c; }
  auto backward(const auto& g) const { return g * c; }
  [[nodiscard]] OpAttributes attributes() const { return {{"*"}, {"", c}}; }
};

struct DivideByScalar {
  static constexpr auto name = "divide_by_scalar";
  static constexpr auto formula = "y = x / c";
  static constexpr Saves saves = save_nothing;
  double c;
  auto forward(const auto& x) const { return x / c; }
  auto backward(const auto& g) const { return g / c; }
  [[nodiscard]] OpAttributes attributes() const { return {{"/"}, {"", c}}; }
};

struct DivideScalar {
  static constexpr auto name = "divide_scalar";
  static constexpr auto formula = "y = c / x";
  double c;
  auto forward(const auto& x) const { return c / x; }
  auto backward(const auto& g, const auto& y, const auto& x) const { return -(g * y / x); }
  [[nodiscard]] OpAttributes attributes() const { return {{"", c}, {"/"}}; }
};

}  // namespace

using detail::apply_op;

template <class T>
Variable<T> operator+(const Variable<T>& a, const Variable<T>& b) {
  return apply_op(Add{}, a, b);
}
template <class T>
Variable<T> operator-(const Variable<T>& a, const Variable<T>& b) {
  return apply_op(Subtract{}, a, b);
}
template <class T>
Variable<T> operator*(const Variable<T>& a, const Variable<T>& b) {
  return apply_op(Multiply{}, a, b);
}
template <class T>
Variable<T> operator/(const Variable<T>& a, const Variable<T>& b) {
  return apply_op(Divide{}, a, b);
}
template <class T>
Variable<T> operator-(const Variable<T>& x) {
  return apply_op(Negative{}, x);
}
template <class T>
Variable<T> operator+(const Variable<T>& x, Number<T> c) {
  return apply_op(AddScalar{c}, x);
}
template <class T>
Variable<T> operator+(Number<T> c, const Variable<T>& x) {
  return apply_op(AddScalar{c}, x);
}
template <class T>
Variable<T> operator-(const Variable<T>& x, Number<T> c) {
  return apply_op(AddScalar{-c}, x);
}
template <class T>
Variable<T> operator-(Number<T> c, const Variable<T>& x) {
  return apply_op(SubtractFromScalar{c}, x);
}
template <class T>
Variable<T> operator*(const Variable<T>& x, Number<T> c) {
  return apply_op(MultiplyScalar{c}, x);
}
template <class T>
Variable<T> operator*(Number<T> c, const Variable<T>& x) {
  return apply_op(MultiplyScalar{c}, x);
}
template <class T>
Variable<T> operator/(const Variable<T>& x, Number<T> c) {
  return apply_op(DivideByScalar{c}, x);
}
template <class T>
Variable<T> operator/(Number<T> c, const Variable<T>& x) {
  return apply_op(DivideScalar{c}, x);
}

TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&)),
                        operator+, operator-, operator*, operator/)
TAPESTRY_INSTANTIATE_AS(
    (Variable<T>(const Variable<T>&, T)), operator+, operator-, operator*, operator/)
TAPESTRY_INSTANTIATE_AS(
    (Variable<T>(T, const Variable<T>&)), operator+, operator-, operator*, operator/)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&)), operator-)

}  // namespace tapestry
