// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/parameter_list.hpp"
#include "tapestry/autodiff/print.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

struct GradcheckOptions {
  /// Step of the differences, times max(1, |x|). 0 stands for 1e-5, or 5e-3 for float.
  double step = 0;
  /// Derivatives a and n agree if |a - n| <= absolute_tolerance + relative_tolerance max(|a|, |n|).
  /// 0 stands for 1e-7 and 1e-6, or 1e-2 for float.
  double absolute_tolerance = 0;
  double relative_tolerance = 0;
  /// Also checks the derivatives of the gradient, and that the recorded gradient is the other one.
  bool second_order = false;
};

struct GradcheckResult {
  bool passed = true;
  /// Largest |analytic - numeric|. A check that fails ends there, without the second order.
  double largest_error = 0;
  /// The worst disagreement: with respect to which input and element, both values.
  std::string message;

  explicit operator bool() const { return passed; }
};

namespace detail {

template <class T>
using CheckedFunction = std::function<Variable<T>(std::span<const Variable<T>>)>;

template <class T>
GradcheckResult check_inputs(const CheckedFunction<T>& f, std::vector<Array<T>> inputs,
                             const GradcheckOptions& options);

template <class T>
GradcheckResult check_parameters(const std::function<Variable<T>(Tape<T>&)>& f,
                                 const ParameterList<T>& parameters,
                                 const GradcheckOptions& options);

/// Scalar type of an array, view or other xtensor expression.
template <class X>
using ScalarOf = std::remove_cv_t<typename X::value_type>;

template <class F, class... X>
GradcheckResult gradcheck_of(const F& f, const GradcheckOptions& options, const X&... x) {
  using T = std::common_type_t<ScalarOf<X>...>;
  const CheckedFunction<T> function = [&f](std::span<const Variable<T>> v) {
    return [&]<std::size_t... i>(std::index_sequence<i...>)->Variable<T> { return f(v[i]...); }
    (std::make_index_sequence<sizeof...(X)>{});
  };
  return check_inputs<T>(function, {Array<T>(x)...}, options);
}

}  // namespace detail

/// Compares the gradients of `f` with central differences: `gradcheck(f, x.value()).passed`. `f` is
/// called with a variable for each array (or view, or xtensor expression) and returns a variable of
/// any shape; it must give the same for the same input. All elements of the Jacobian are compared
/// when there are at most 32 outputs, and in any case those of a weighted sum of the outputs. Meant
/// for double; in float only coarse errors show. Choose inputs away from kinks and poles.
template <class F, class X>
GradcheckResult gradcheck(const F& f, const X& x, const GradcheckOptions& options = {}) {
  return detail::gradcheck_of(f, options, x);
}

/// The same for a function of two or three inputs.
template <class F, class X0, class X1>
requires(!std::is_convertible_v<X1, GradcheckOptions>) GradcheckResult
    gradcheck(const F& f, const X0& x0, const X1& x1, const GradcheckOptions& options = {}) {
  return detail::gradcheck_of(f, options, x0, x1);
}
template <class F, class X0, class X1, class X2>
requires(!std::is_convertible_v<X2, GradcheckOptions>) GradcheckResult
    gradcheck(const F& f, const X0& x0, const X1& x1, const X2& x2,
              const GradcheckOptions& options = {}) {
  return detail::gradcheck_of(f, options, x0, x1, x2);
}

/// The same for any number of inputs, which `f` gets as a span of variables.
template <class F, class T>
GradcheckResult gradcheck(const F& f, const std::vector<Array<T>>& inputs,
                          const GradcheckOptions& options = {}) {
  return detail::check_inputs<T>(f, inputs, options);
}

/// The same with respect to parameters: `gradcheck([&](auto& tape) { return loss(model, tape); },
/// parameters(model))`. Their values are changed during the check and put back; their gradients are
/// left alone, and frozen ones are not checked.
template <class F, class T>
GradcheckResult gradcheck(const F& f, const ParameterList<T>& parameters,
                          const GradcheckOptions& options = {}) {
  return detail::check_parameters<T>(f, parameters, options);
}

}  // namespace tapestry
