// SPDX-License-Identifier: MIT
// Elements turned round, repeated, surrounded and left out.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tapestry/autodiff/ops/number.hpp"
#include "tapestry/autodiff/shape.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// The elements in reverse order along the given axes, or all. IndexError when an axis is out of
/// range or given twice.
template <class T>
Variable<T> flip(const Variable<T>& x, const Axes& axes = {});

/// How many elements to put before and after those of an axis.
struct PadWidth {
  std::int64_t before = 0;
  std::int64_t after = 0;
};

/// x surrounded by `value`: pad(x, {{1, 2}, {0, 0}}) puts one row above a matrix and two below. A
/// single width holds for all axes. ArgumentError when the widths are neither one nor one for each
/// axis, or when one is negative.
template <class T>
Variable<T> pad(const Variable<T>& x, const std::vector<PadWidth>& widths, Number<T> value = 0);

/// Each element `count` times, one after another along `axis`; in row-major order when none is
/// given (the result then has rank 1). `take` serves for counts that differ. ArgumentError when the
/// count is negative. PyTorch's `repeat` is `tile`.
template <class T>
Variable<T> repeat(const Variable<T>& x, std::int64_t count,
                   std::optional<int> axis = std::nullopt);
/// The whole array `counts[i]` times along axis i: tile(x, {2, 1}). As in NumPy, the shorter of
/// `counts` and the shape of x is filled up with leading ones.
template <class T>
Variable<T> tile(const Variable<T>& x, const Shape& counts);

/// The lower triangle of the matrices (..., M, N): 0 where the column is beyond row + diagonal,
/// whatever stood there. ShapeError when there are fewer than two axes.
template <class T>
Variable<T> tril(const Variable<T>& x, std::int64_t diagonal = 0);
/// The upper triangle: 0 where the column is before row + diagonal. As above.
template <class T>
Variable<T> triu(const Variable<T>& x, std::int64_t diagonal = 0);

}  // namespace tapestry
