// SPDX-License-Identifier: MIT
// Derivatives of results on a tape, as torch.autograd.functional has them for functions: products
// with the Jacobian J of y with respect to x from either side, J itself, and the same for second
// derivatives.
//
// What is said of `gradients` holds for all of them: `x` may be leaves or intermediate results,
// gradients kept elsewhere are left alone, and without `differentiable` the results are constants,
// for which nothing else stays on the tape. They throw StaleVariable; GradientError when an `x`
// needs no gradient, or `y` depends on nothing that needs one; ShapeError when a vector has another
// shape than what it belongs to. Where `y` does not depend on an `x`, derivatives are zeros.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <type_traits>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/gradient.hpp"
#include "tapestry/autodiff/parameter_list.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// Vector times Jacobian, Jᵀ u: `u` is shaped like `y`, the result like `x`. One backward pass.
template <class T>
Variable<T> vjp(const Variable<T>& y, const Variable<T>& x, const Variable<T>& u,
                GradientOptions options = {});

/// The same for several `x`, by one pass: `const auto [dx, dw] = vjp(y, {x, w}, u);`.
template <class T>
std::vector<Variable<T>> vjp(const Variable<T>& y, std::span<const Variable<T>> x,
                             const Variable<T>& u, GradientOptions options = {});
template <class T, std::size_t n>
std::array<Variable<T>, n> vjp(const Variable<T>& y, const Variable<T> (&x)[n],
                               const Variable<T>& u, GradientOptions options = {}) {
  return detail::as_list<n>(vjp(y, std::span<const Variable<T>>(x), u, options));
}

/// Jacobian times vector, J v: the derivative of `y` when `x` moves along `v`, which is shaped like
/// `x`; the result is shaped like `y`. It is the derivative of Jᵀ u with respect to u, so it costs
/// a recorded backward pass and a second one through it.
template <class T>
Variable<T> jvp(const Variable<T>& y, const Variable<T>& x, const Variable<T>& v,
                GradientOptions options = {});

/// The same when several `x` move, each along its `v`: `jvp(y, {x, w}, {dx, dw})`. ShapeError when
/// there are not as many.
template <class T>
Variable<T> jvp(const Variable<T>& y, std::span<const Variable<T>> x,
                std::span<const Variable<T>> v, GradientOptions options = {});
template <class T, std::size_t n>
Variable<T> jvp(const Variable<T>& y, const Variable<T> (&x)[n], const Variable<T> (&v)[n],
                GradientOptions options = {}) {
  return jvp(y, std::span<const Variable<T>>(x), std::span<const Variable<T>>(v), options);
}

/// All partial derivatives: shape y.shape + x.shape, element (i..., k...) the derivative of y(i...)
/// with respect to x(k...). One backward pass for each element of `y`. ShapeError beyond
/// `Shape::max_rank` axes.
template <class T>
Variable<T> jacobian(const Variable<T>& y, const Variable<T>& x, GradientOptions options = {});

/// Second derivatives of a scalar: shape x.shape + x.shape, the Jacobian of its gradient.
/// GradientError when `y` is not a scalar.
template <class T>
Variable<T> hessian(const Variable<T>& y, const Variable<T>& x, GradientOptions options = {});

/// Hessian of a scalar times vector, H v, shaped like `x` as `v` is, without the Hessian: the
/// gradient of <gradient, v>, two backward passes. GradientError when `y` is not a scalar.
template <class T>
Variable<T> hessian_vector_product(const Variable<T>& y, const Variable<T>& x, const Variable<T>& v,
                                   GradientOptions options = {});

/// The same for several `x`, with the mixed derivatives: part i is sum_j (d²y / dx_i dx_j) v_j.
template <class T>
std::vector<Variable<T>> hessian_vector_product(const Variable<T>& y,
                                                std::span<const Variable<T>> x,
                                                std::span<const Variable<T>> v,
                                                GradientOptions options = {});
template <class T, std::size_t n>
std::array<Variable<T>, n> hessian_vector_product(const Variable<T>& y, const Variable<T> (&x)[n],
                                                  const Variable<T> (&v)[n],
                                                  GradientOptions options = {}) {
  return detail::as_list<n>(hessian_vector_product(y, std::span<const Variable<T>>(x),
                                                   std::span<const Variable<T>>(v), options));
}

// The same with respect to parameters, such as those of a model: `parameters(model)`. The
// derivative by a parameter is the sum over all its uses on the tape of y, zeros where there is
// none. `v` holds an array for each parameter, of its shape. ArgumentError when the tape uses none
// of them, GradientError when one that it uses is frozen.

/// Gradients of a scalar, one for each parameter.
template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y,
                                   const ParameterList<std::type_identity_t<T>>& parameters,
                                   GradientOptions options = {});

/// `const auto [dw, db] = gradients(loss, {linear.weight(), linear.bias()});`
template <class T, std::size_t n>
std::array<Variable<T>, n> gradients(
    const Variable<T>& y,
    const std::reference_wrapper<Parameter<std::type_identity_t<T>>> (&parameters)[n],
    GradientOptions options = {}) {
  ParameterList<T> list;
  for (Parameter<T>& parameter : parameters) list.push_back(&parameter);
  return detail::as_list<n>(gradients(y, list, options));
}

/// Jacobian times vector: the derivative of `y` when the parameters move along `v`.
template <class T>
Variable<T> jvp(const Variable<T>& y, const ParameterList<std::type_identity_t<T>>& parameters,
                const std::vector<Array<std::type_identity_t<T>>>& v, GradientOptions options = {});

/// The Jacobian with respect to one parameter: shape y.shape + parameter.shape.
template <class T>
Variable<T> jacobian(const Variable<T>& y, Parameter<std::type_identity_t<T>>& parameter,
                     GradientOptions options = {});

/// Hessian of a scalar times vector, one part for each parameter.
template <class T>
std::vector<Variable<T>> hessian_vector_product(
    const Variable<T>& y, const ParameterList<std::type_identity_t<T>>& parameters,
    const std::vector<Array<std::type_identity_t<T>>>& v, GradientOptions options = {});

}  // namespace tapestry
