// SPDX-License-Identifier: MIT
// Absolute value, sign, and the larger or smaller of two values.
#include <string>

#include "ops/library_op.hpp"

namespace tapestry {
namespace {

struct Abs {
  static constexpr auto name = "abs";
  static constexpr auto formula = "y = |x|";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& x) const { return abs(x); }
  auto backward(const auto& g, const auto& x) const { return g * sign(x); }
};

struct Sign {
  static constexpr auto name = "sign";
  static constexpr auto formula = "y = -1, 0 or 1";
  static constexpr Saves saves = save_nothing;
  static constexpr auto no_gradient = all_inputs;
  auto forward(const auto& x) const { return sign(x); }
};

struct Maximum {
  static constexpr auto name = "maximum";
  static constexpr auto formula = "y = the larger of a and b; equal ones share the gradient";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& a, const auto& b) const { return maximum(a, b); }
  auto backward(Wrt<0>, const auto& g, const auto& a, const auto& b) const {
    return where(a > b, g, where(a < b, 0.0, 0.5 * g));
  }
  auto backward(Wrt<1>, const auto& g, const auto& a, const auto& b) const {
    return where(b > a, g, where(b < a, 0.0, 0.5 * g));
  }
};

struct Minimum {
  static constexpr auto name = "minimum";
  static constexpr auto formula = "y = the smaller of a and b; equal ones share the gradient";
  static constexpr Saves saves = save_inputs;
  auto forward(const auto& a, const auto& b) const { return minimum(a, b); }
  auto backward(Wrt<0>, const auto& g, const auto& a, const auto& b) const {
    return where(a < b, g, where(a > b, 0.0, 0.5 * g));
  }
  auto backward(Wrt<1>, const auto& g, const auto& a, const auto& b) const {
    return where(b < a, g, where(b > a, 0.0, 0.5 * g));
  }
};

struct Clip {
  static constexpr auto name = "clip";
  static constexpr auto formula = "y = x, but at least low and at most high";
  static constexpr Saves saves = save_inputs;
  double low;
  double high;
  auto forward(const auto& x) const { return minimum(maximum(x, low), high); }
  auto backward(const auto& g, const auto& x) const {
    return where(x < low, 0.0, where(x > high, 0.0, g));
  }
  [[nodiscard]] OpAttributes attributes() const {
    return {{"", "[" + number_text(low) + ", " + number_text(high) + "]"}};
  }
};

}  // namespace

using detail::apply_op;
using detail::attempt;
using detail::constant_like;

template <class T>
Variable<T> abs(const Variable<T>& x) {
  return apply_op(Abs{}, x);
}
template <class T>
Variable<T> sign(const Variable<T>& x) {
  return apply_op(Sign{}, x);
}
template <class T>
Variable<T> maximum(const Variable<T>& a, const Variable<T>& b) {
  return apply_op(Maximum{}, a, b);
}
template <class T>
Variable<T> maximum(const Variable<T>& a, Number<T> b) {
  return attempt("maximum", a, [&] { return maximum(a, constant_like(a, b)); });
}
template <class T>
Variable<T> maximum(Number<T> a, const Variable<T>& b) {
  return maximum(b, a);
}
template <class T>
Variable<T> minimum(const Variable<T>& a, const Variable<T>& b) {
  return apply_op(Minimum{}, a, b);
}
template <class T>
Variable<T> minimum(const Variable<T>& a, Number<T> b) {
  return attempt("minimum", a, [&] { return minimum(a, constant_like(a, b)); });
}
template <class T>
Variable<T> minimum(Number<T> a, const Variable<T>& b) {
  return minimum(b, a);
}
template <class T>
Variable<T> clip(const Variable<T>& x, Number<T> low, Number<T> high) {
  return attempt("clip", x, [&] {
    if (!(low <= high))
      throw ArgumentError("clip", "the lower bound " + number_text(low) +
                                      " is not at most the upper bound " + number_text(high));
    return apply_op(Clip{low, high}, x);
  });
}

TAPESTRY_INSTANTIATE(abs, sign, clip)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&)), maximum, minimum)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, T)), maximum, minimum)
TAPESTRY_INSTANTIATE_AS((Variable<T>(T, const Variable<T>&)), maximum, minimum)

}  // namespace tapestry
