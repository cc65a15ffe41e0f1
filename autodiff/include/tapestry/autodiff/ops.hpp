// SPDX-License-Identifier: MIT
// Operations on variables. They check their operands when they are called and throw ShapeError or
// IndexError naming the op, the shapes and the place; a call that throws leaves the tape as it was.
// Operands must be of one tape. Names and meaning are NumPy's where NumPy has the operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/shape.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// A number beside a variable: anything that converts to its scalar type.
template <class T>
using Number = std::type_identity_t<T>;

// Arithmetic, elementwise with NumPy's broadcasting ------------------------------------------------

/// a + b. ShapeError when the shapes do not broadcast.
template <class T>
Variable<T> operator+(const Variable<T>& a, const Variable<T>& b);
/// a - b, as above.
template <class T>
Variable<T> operator-(const Variable<T>& a, const Variable<T>& b);
/// a b, elementwise, as above.
template <class T>
Variable<T> operator*(const Variable<T>& a, const Variable<T>& b);
/// a / b, as above.
template <class T>
Variable<T> operator/(const Variable<T>& a, const Variable<T>& b);
/// -x.
template <class T>
Variable<T> operator-(const Variable<T>& x);

/// With a number on either side.
template <class T>
Variable<T> operator+(const Variable<T>& x, Number<T> c);
template <class T>
Variable<T> operator+(Number<T> c, const Variable<T>& x);
template <class T>
Variable<T> operator-(const Variable<T>& x, Number<T> c);
template <class T>
Variable<T> operator-(Number<T> c, const Variable<T>& x);
template <class T>
Variable<T> operator*(const Variable<T>& x, Number<T> c);
template <class T>
Variable<T> operator*(Number<T> c, const Variable<T>& x);
template <class T>
Variable<T> operator/(const Variable<T>& x, Number<T> c);
template <class T>
Variable<T> operator/(Number<T> c, const Variable<T>& x);

// Comparisons: 1 where true, 0 where false, and no gradient ----------------------------------------

template <class T>
Variable<T> operator>(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> operator<(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> operator>=(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> operator<=(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> operator>(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> operator<(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> operator>=(const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> operator<=(const Variable<T>& a, Number<T> b);
/// 1 where a = b.
template <class T>
Variable<T> equal(const Variable<T>& a, const Variable<T>& b);

/// a where the condition is not 0, b elsewhere. The condition has no gradient.
template <class T>
Variable<T> where(const Variable<T>& condition, const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> where(const Variable<T>& condition, const Variable<T>& a, Number<T> b);
template <class T>
Variable<T> where(const Variable<T>& condition, Number<T> a, const Variable<T>& b);

// Functions of one variable, elementwise -----------------------------------------------------------

/// e^x.
template <class T>
Variable<T> exp(const Variable<T>& x);
/// Natural logarithm.
template <class T>
Variable<T> log(const Variable<T>& x);
/// Square root.
template <class T>
Variable<T> sqrt(const Variable<T>& x);
/// x².
template <class T>
Variable<T> square(const Variable<T>& x);
/// x^exponent.
template <class T>
Variable<T> pow(const Variable<T>& x, Number<T> exponent);
/// x^y, for x > 0 where the gradient by y is wanted.
template <class T>
Variable<T> pow(const Variable<T>& x, const Variable<T>& y);
/// Hyperbolic tangent.
template <class T>
Variable<T> tanh(const Variable<T>& x);
/// 1 / (1 + e^-x), without overflow.
template <class T>
Variable<T> sigmoid(const Variable<T>& x);
/// max(x, 0); its gradient at 0 is 0.
template <class T>
Variable<T> relu(const Variable<T>& x);
/// log(1 + e^x), without overflow.
template <class T>
Variable<T> softplus(const Variable<T>& x);

// Reductions: over all axes, or those given; `keepdims` leaves them with extent 1 -------------------

/// Sum.
template <class T>
Variable<T> sum(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
/// Arithmetic mean; NaN over no elements.
template <class T>
Variable<T> mean(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
/// Largest element; where several are equal they share the gradient. ShapeError over no elements.
template <class T>
Variable<T> max(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
/// log(sum(exp(x))), without overflow.
template <class T>
Variable<T> logsumexp(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);

// Along one axis ------------------------------------------------------------------------------------

/// exp(x) / sum(exp(x)), without overflow.
template <class T>
Variable<T> softmax(const Variable<T>& x, int axis = -1);
/// log(softmax(x)), computed as x - logsumexp(x).
template <class T>
Variable<T> log_softmax(const Variable<T>& x, int axis = -1);

// Matrix products -----------------------------------------------------------------------------------

struct MatmulOptions {
  bool transpose_a = false;  ///< use a with its last two axes exchanged, without a copy
  bool transpose_b = false;
};

/// Matrix product (..., M, K) x (..., K, N) -> (..., M, N). Leading axes are batches and
/// broadcast; an operand of rank 1 is a row on the left and a column on the right, as in NumPy.
/// ShapeError when the inner dimensions differ or an operand has rank 0.
template <class T>
Variable<T> matmul(const Variable<T>& a, const Variable<T>& b, MatmulOptions options = {});

// Shape ---------------------------------------------------------------------------------------------

/// The same elements in another shape; one extent may be `rest`. No copy.
template <class T>
Variable<T> reshape(const Variable<T>& x, const Shape& shape);
/// A new axis of extent 1 before axis `axis`. No copy.
template <class T>
Variable<T> expand_dims(const Variable<T>& x, int axis);
/// Without axis `axis`, which must have extent 1. No copy.
template <class T>
Variable<T> squeeze(const Variable<T>& x, int axis);
/// Axes in the given order; reversed when none is given.
template <class T>
Variable<T> transpose(const Variable<T>& x, const Axes& order = {});
/// Repeats axes of extent 1, and adds leading ones, up to `shape`.
template <class T>
Variable<T> broadcast_to(const Variable<T>& x, const Shape& shape);

/// Elements start, start + step, ... before stop of axis `axis`. Negative positions count from the
/// end and those beyond it are clipped, as in Python; `step` is positive. ArgumentError otherwise.
template <class T>
Variable<T> slice(const Variable<T>& x, int axis, std::int64_t start, std::int64_t stop,
                  std::int64_t step = 1);
/// Element `index` of axis `axis`, without that axis: x[index] for axis 0. IndexError outside.
template <class T>
Variable<T> select(const Variable<T>& x, int axis, std::int64_t index);

/// Arrays one after another along an axis that exists. ShapeError when the other extents differ.
template <class T>
Variable<T> concatenate(std::span<const Variable<T>> x, int axis = 0);
template <class T>
Variable<T> concatenate(const std::vector<Variable<T>>& x, int axis = 0) {
  return concatenate(std::span<const Variable<T>>(x), axis);
}
/// Arrays of one shape along a new axis.
template <class T>
Variable<T> stack(std::span<const Variable<T>> x, int axis = 0);
template <class T>
Variable<T> stack(const std::vector<Variable<T>>& x, int axis = 0) {
  return stack(std::span<const Variable<T>>(x), axis);
}
/// `sections` equal parts along an axis. ShapeError when its extent is not a multiple.
template <class T>
std::vector<Variable<T>> split(const Variable<T>& x, std::size_t sections, int axis = 0);

/// Elements `indices` of axis `axis`: the axis is replaced by the axes of `indices`. Negative
/// indices count from the end. IndexError names the first one outside.
template <class T>
Variable<T> take(const Variable<T>& x, const Indices& indices, int axis = 0);

// Random --------------------------------------------------------------------------------------------

/// Each element 0 with probability `p`, divided by 1 - p otherwise; x itself when not `training`.
/// Draws from `default_generator()`. ArgumentError when p is outside [0, 1].
template <class T>
Variable<T> dropout(const Variable<T>& x, double p, bool training = true);

// Loss ----------------------------------------------------------------------------------------------

enum class Reduction : std::uint8_t { mean, sum, none };

template <class T>
struct CrossEntropyOptions {
  /// `mean` divides by the weight of the targets that are not ignored.
  Reduction reduction = Reduction::mean;
  /// Targets with this value do not count.
  std::int64_t ignore_index = -100;
  /// Share of the target distribution spread evenly over all classes, in [0, 1].
  double label_smoothing = 0;
  /// Weight of each class, (V); none means 1.
  std::optional<Array<T>> weight = std::nullopt;
};

/// Cross entropy of softmax(logits) against class numbers, as torch.nn.functional.cross_entropy:
/// logits (..., V), targets (...) in [0, V); a scalar, or (...) without reduction. A fused op: the
/// softmax is never stored. ShapeError, IndexError (naming the first bad target), ArgumentError.
template <class T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits, const Indices& targets,
                                  const CrossEntropyOptions<std::type_identity_t<T>>& options = {});

}  // namespace tapestry
