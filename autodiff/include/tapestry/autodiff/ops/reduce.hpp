// SPDX-License-Identifier: MIT
// Reductions over all axes, or those given; `keepdims` leaves them with extent 1. IndexError when
// an axis is out of range or given twice.
#pragma once

#include <optional>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/shape.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// Sum.
template <class T>
Variable<T> sum(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
/// Arithmetic mean; NaN over no elements.
template <class T>
Variable<T> mean(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
/// Largest element; where several are equal they share the gradient. NaN where an element is, and
/// so are the gradients there. ShapeError over no elements. For the larger of two values see
/// `maximum`.
template <class T>
Variable<T> max(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
/// Smallest element, as above.
template <class T>
Variable<T> min(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
/// Product; 1 over no elements. Its gradient is right where elements are 0, too.
template <class T>
Variable<T> prod(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
/// log(sum(exp(x))), without overflow.
template <class T>
Variable<T> logsumexp(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);

struct SpreadOptions {
  int ddof = 0;           ///< divide by n - ddof: 0 for a population, 1 for a sample
  bool keepdims = false;  ///< leave the axes with extent 1
};

/// Variance: sum((x - mean(x))²) / (n - ddof) over n elements. n - ddof counts as 0 where it is
/// negative: the result is then infinite, or NaN if all elements are equal. Note that PyTorch's
/// default is ddof = 1.
template <class T>
Variable<T> var(const Variable<T>& x, const Axes& axes = {}, SpreadOptions options = {});
/// Standard deviation: sqrt(var(x)), whose gradient is 0 where it is 0. NumPy's `std`.
template <class T>
Variable<T> stddev(const Variable<T>& x, const Axes& axes = {}, SpreadOptions options = {});
/// Euclidean length sqrt(sum(x²)), without overflow; over two axes, the Frobenius norm. Its
/// gradient is 0 where it is 0. The second argument is axes, not the order that NumPy's has there.
template <class T>
Variable<T> norm(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);

/// Sums of the elements up to and including each, along `axis`, or in row-major order when none is
/// given (the result then has rank 1).
template <class T>
Variable<T> cumsum(const Variable<T>& x, std::optional<int> axis = std::nullopt);

/// Position of the largest element along `axis`, or among all in row-major order when none is
/// given; the first of equal ones, and a NaN before any number. Plain numbers without gradient.
/// ShapeError over no elements.
template <class T>
Indices argmax(const Variable<T>& x, std::optional<int> axis = std::nullopt, bool keepdims = false);
/// Position of the smallest element, as above.
template <class T>
Indices argmin(const Variable<T>& x, std::optional<int> axis = std::nullopt, bool keepdims = false);

}  // namespace tapestry
