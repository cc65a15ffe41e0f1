// SPDX-License-Identifier: MIT
// How one value changes with another, two answers side by side.
//
// In h2 = relu(U x2 + V h1), where h1 depends on U as well, ∂h2/∂U holds h1 constant: it is the
// immediate derivative, the sum over the gradient paths on which there is no other named value.
// dh2/dU sums over all paths. Both leave the tape as it is.
#pragma once

#include <span>
#include <type_traits>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/variable.hpp"
#include "tapestry/study/source.hpp"

namespace tapestry {

/// ∂y/∂x with all other values that have names held constant: shape y.shape + x.shape, element
/// (i..., k...) the derivative of y(i...) with respect to x(k...), of a parameter with respect to
/// all its uses together; zeros where there is none. One sweep for each element of `y`. Throws
/// StaleVariable; GradientError when one of them needs no gradient, or the parameter is not used;
/// ShapeError beyond `Shape::max_rank` axes.
template <class T>
[[nodiscard]] Array<T> partial(const Variable<T>& y, const Source<std::type_identity_t<T>>& x);

/// The same with just these values held constant: `partial(h2, U, {h1})`.
template <class T>
[[nodiscard]] Array<T> partial(const Variable<T>& y, const Source<std::type_identity_t<T>>& x,
                               std::span<const Variable<T>> held);
template <class T, std::size_t n>
[[nodiscard]] Array<T> partial(const Variable<T>& y, const Source<std::type_identity_t<T>>& x,
                               const Variable<T> (&held)[n]) {
  return partial(y, x, std::span<const Variable<T>>(held));
}

/// dy/dx with nothing held constant: what `jacobian` gives, without a trace on the tape.
template <class T>
[[nodiscard]] Array<T> total(const Variable<T>& y, const Source<std::type_identity_t<T>>& x);

}  // namespace tapestry
