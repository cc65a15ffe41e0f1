// SPDX-License-Identifier: MIT
// Comparisons, which have no gradient, and the choice between two values by their result.
#include <string>

#include "ops/library_op.hpp"

namespace tapestry {
namespace {

struct Greater {
  static constexpr auto name = "greater";
  static constexpr auto formula = "y = 1 where a > b, else 0";
  static constexpr Saves saves = save_nothing;
  static constexpr auto no_gradient = all_inputs;
  auto forward(const auto& a, const auto& b) const { return a > b; }
};

struct GreaterEqual {
  static constexpr auto name = "greater_equal";
  static constexpr auto formula = "y = 1 where a >= b, else 0";
  static constexpr Saves saves = save_nothing;
  static constexpr auto no_gradient = all_inputs;
  auto forward(const auto& a, const auto& b) const { return a >= b; }
};

struct Less {
  static constexpr auto name = "less";
  static constexpr auto formula = "y = 1 where a < b, else 0";
  static constexpr Saves saves = save_nothing;
  static constexpr auto no_gradient = all_inputs;
  auto forward(const auto& a, const auto& b) const { return a < b; }
};

struct LessEqual {
  static constexpr auto name = "less_equal";
  static constexpr auto formula = "y = 1 where a <= b, else 0";
  static constexpr Saves saves = save_nothing;
  static constexpr auto no_gradient = all_inputs;
  auto forward(const auto& a, const auto& b) const { return a <= b; }
};

struct Equal {
  static constexpr auto name = "equal";
  static constexpr auto formula = "y = 1 where a = b, else 0";
  static constexpr Saves saves = save_nothing;
  static constexpr auto no_gradient = all_inputs;
  auto forward(const auto& a, const auto& b) const { return equal(a, b); }
};

struct NotEqual {
  static constexpr auto name = "not_equal";
  static constexpr auto formula = "y = 0 where a = b, else 1";
  static constexpr Saves saves = save_nothing;
  static constexpr auto no_gradient = all_inputs;
  auto forward(const auto& a, const auto& b) const { return 1.0 - equal(a, b); }
};

struct Where {
  static constexpr auto name = "where";
  static constexpr auto formula = "y = b where a is not 0, else c";
  static constexpr Saves saves = save_input(0);
  static constexpr auto no_gradient = inputs(0);
  auto forward(const auto& c, const auto& a, const auto& b) const { return where(c, a, b); }
  auto backward(Wrt<1>, const auto& g, const auto& c) const { return where(c, g, 0.0); }
  auto backward(Wrt<2>, const auto& g, const auto& c) const { return where(c, 0.0, g); }
};

struct MaskedFill {
  static constexpr auto name = "masked_fill";
  static constexpr auto formula = "y = v where b is not 0, else a";
  static constexpr Saves saves = save_input(1);
  static constexpr auto no_gradient = inputs(1);
  double v;
  auto forward(const auto& x, const auto& m) const { return where(m, v, x); }
  auto backward(Wrt<0>, const auto& g, const auto& m) const { return where(m, 0.0, g); }
  [[nodiscard]] OpAttributes attributes() const { return {{"value", v}}; }
};

}  // namespace

using detail::apply_op;
using detail::attempt;
using detail::constant_like;

template <class T>
Variable<T> operator>(const Variable<T>& a, const Variable<T>& b) {
  return apply_op(Greater{}, a, b);
}
template <class T>
Variable<T> operator<(const Variable<T>& a, const Variable<T>& b) {
  return apply_op(Less{}, a, b);
}
template <class T>
Variable<T> operator>=(const Variable<T>& a, const Variable<T>& b) {
  return apply_op(GreaterEqual{}, a, b);
}
template <class T>
Variable<T> operator<=(const Variable<T>& a, const Variable<T>& b) {
  return apply_op(LessEqual{}, a, b);
}
template <class T>
Variable<T> operator>(const Variable<T>& a, Number<T> b) {
  return attempt(Greater::name, a, [&] { return a > constant_like(a, b); });
}
template <class T>
Variable<T> operator>(Number<T> a, const Variable<T>& b) {
  return attempt(Greater::name, b, [&] { return constant_like(b, a) > b; });
}
template <class T>
Variable<T> operator<(const Variable<T>& a, Number<T> b) {
  return attempt(Less::name, a, [&] { return a < constant_like(a, b); });
}
template <class T>
Variable<T> operator<(Number<T> a, const Variable<T>& b) {
  return attempt(Less::name, b, [&] { return constant_like(b, a) < b; });
}
template <class T>
Variable<T> operator>=(const Variable<T>& a, Number<T> b) {
  return attempt(GreaterEqual::name, a, [&] { return a >= constant_like(a, b); });
}
template <class T>
Variable<T> operator>=(Number<T> a, const Variable<T>& b) {
  return attempt(GreaterEqual::name, b, [&] { return constant_like(b, a) >= b; });
}
template <class T>
Variable<T> operator<=(const Variable<T>& a, Number<T> b) {
  return attempt(LessEqual::name, a, [&] { return a <= constant_like(a, b); });
}
template <class T>
Variable<T> operator<=(Number<T> a, const Variable<T>& b) {
  return attempt(LessEqual::name, b, [&] { return constant_like(b, a) <= b; });
}
template <class T>
Variable<T> equal(const Variable<T>& a, const Variable<T>& b) {
  return apply_op(Equal{}, a, b);
}
template <class T>
Variable<T> equal(const Variable<T>& a, Number<T> b) {
  return attempt("equal", a, [&] { return equal(a, constant_like(a, b)); });
}
template <class T>
Variable<T> equal(Number<T> a, const Variable<T>& b) {
  return equal(b, a);
}
template <class T>
Variable<T> not_equal(const Variable<T>& a, const Variable<T>& b) {
  return apply_op(NotEqual{}, a, b);
}
template <class T>
Variable<T> not_equal(const Variable<T>& a, Number<T> b) {
  return attempt("not_equal", a, [&] { return not_equal(a, constant_like(a, b)); });
}
template <class T>
Variable<T> not_equal(Number<T> a, const Variable<T>& b) {
  return not_equal(b, a);
}
template <class T>
Variable<T> where(const Variable<T>& condition, const Variable<T>& a, const Variable<T>& b) {
  return apply_op(Where{}, condition, a, b);
}
template <class T>
Variable<T> where(const Variable<T>& condition, const Variable<T>& a, Number<T> b) {
  return attempt("where", a, [&] { return where(condition, a, constant_like(a, b)); });
}
template <class T>
Variable<T> where(const Variable<T>& condition, Number<T> a, const Variable<T>& b) {
  return attempt("where", b, [&] { return where(condition, constant_like(b, a), b); });
}
template <class T>
Variable<T> where(const Variable<T>& condition, Number<T> a, Number<T> b) {
  return attempt("where", condition, [&] {
    return where(condition, constant_like(condition, a), constant_like(condition, b));
  });
}
template <class T>
Variable<T> masked_fill(const Variable<T>& x, const Variable<T>& mask, Number<T> value) {
  return apply_op(MaskedFill{value}, x, mask);
}

TAPESTRY_INSTANTIATE(masked_fill)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&)),
                        operator>, operator<, operator>=, operator<=, equal, not_equal)
TAPESTRY_INSTANTIATE_AS(
    (Variable<T>(const Variable<T>&, T)), operator>, operator<, operator>=, operator<=, equal,
    not_equal)
TAPESTRY_INSTANTIATE_AS(
    (Variable<T>(T, const Variable<T>&)), operator>, operator<, operator>=, operator<=, equal,
    not_equal)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&, const Variable<T>&)),
                        where)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&, T)), where)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, T, const Variable<T>&)), where)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, T, T)), where)

}  // namespace tapestry
