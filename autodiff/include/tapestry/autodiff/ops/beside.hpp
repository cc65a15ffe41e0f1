// SPDX-License-Identifier: MIT
// Numbers beside a variable: an array, a view, a vector or a span as an operand is a constant.
#pragma once

#include <type_traits>

#include "tapestry/autodiff/array_like.hpp"
#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

template <class X>
inline constexpr bool is_variable = false;
template <class T>
inline constexpr bool is_variable<Variable<T>> = true;

/// A variable and, next to it, numbers that become a constant on its tape.
template <class X, class Y>
concept VariableBeside = is_variable<std::remove_cvref_t<X>> &&
    ConstantFor<Y, typename std::remove_cvref_t<X>::value_type>;

/// The numbers as a constant on the tape of x, for `op`. Where `fill` is true, a single number
/// stands for an array of the shape of x. Throws as `Tape::constant` does.
template <class T>
Variable<T> constant_beside(const char* op, const Variable<T>& x, const ArrayLike<T>& numbers,
                            bool fill = false);

/// `f(c)` for the numbers as a constant c. A call that fails leaves the tape as it was.
template <class T, class F>
Variable<T> beside(const char* op, const Variable<T>& x,
                   const ArrayLike<std::type_identity_t<T>>& numbers, const F& f) {
  return attempt(x.state(op), [&] { return f(constant_beside(op, x, numbers)); });
}

}  // namespace tapestry::detail
