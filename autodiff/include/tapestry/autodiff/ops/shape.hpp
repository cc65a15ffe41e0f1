// SPDX-License-Identifier: MIT
// Shapes, parts, and lookups.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/array_like.hpp"
#include "tapestry/autodiff/shape.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// The same elements in another shape; one extent may be `rest`. No copy.
template <class T>
Variable<T> reshape(const Variable<T>& x, const Shape& shape);
/// A new axis of extent 1 before axis `axis`. No copy.
template <class T>
Variable<T> expand_dims(const Variable<T>& x, int axis);
/// Without axis `axis`, which must have extent 1. No copy.
template <class T>
Variable<T> squeeze(const Variable<T>& x, int axis);
/// Without all axes of extent 1. No copy.
template <class T>
Variable<T> squeeze(const Variable<T>& x);
/// Axes in the given order; reversed when none is given.
template <class T>
Variable<T> transpose(const Variable<T>& x, const Axes& order = {});
/// Axes `source` at the places `destination`; the others keep their order. ArgumentError when they
/// are not equally many, IndexError when one is out of range or given twice.
template <class T>
Variable<T> moveaxis(const Variable<T>& x, const Axes& source, const Axes& destination);
/// Axes `a` and `b` exchanged. IndexError when one is out of range.
template <class T>
Variable<T> swapaxes(const Variable<T>& x, int a, int b);
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
template <class T>
Variable<T> concatenate(std::initializer_list<Variable<T>> x, int axis = 0) {
  return concatenate(std::span<const Variable<T>>(x.begin(), x.size()), axis);
}
/// Arrays of one shape along a new axis.
template <class T>
Variable<T> stack(std::span<const Variable<T>> x, int axis = 0);
template <class T>
Variable<T> stack(const std::vector<Variable<T>>& x, int axis = 0) {
  return stack(std::span<const Variable<T>>(x), axis);
}
template <class T>
Variable<T> stack(std::initializer_list<Variable<T>> x, int axis = 0) {
  return stack(std::span<const Variable<T>>(x.begin(), x.size()), axis);
}
/// `sections` equal parts along an axis. ShapeError when its extent is not a multiple.
template <class T>
std::vector<Variable<T>> split(const Variable<T>& x, std::size_t sections, int axis = 0);

/// Elements `indices` of axis `axis`: the axis is replaced by the axes of `indices`. Negative
/// indices count from the end. Unlike NumPy's, it works on axis 0 when none is given. IndexError
/// names the first one outside.
template <class T>
Variable<T> take(const Variable<T>& x, const Indices& indices, int axis = 0);
/// The same with positions in a vector, a span or another range of integers.
template <class T>
Variable<T> take(const Variable<T>& x, const detail::IntegerRange auto& indices, int axis = 0) {
  return take(x, detail::indices_of("take", indices), axis);
}
/// PyTorch's gather: y[i, j, ...] = x[indices[i, j, ...], j, ...] for axis 0, and so on. `indices`
/// has as many axes as x and the shape of the result; only along `axis` it may be longer than x.
/// NumPy's `take_along_axis`, but without broadcasting. ShapeError when the indices do not fit,
/// IndexError names the first one outside.
template <class T>
Variable<T> gather(const Variable<T>& x, const Indices& indices, int axis);
/// x with `parts` added at `indices` of axis `axis`, as often as an index occurs: NumPy's `add.at`,
/// PyTorch's `index_add`, and what `take` does to gradients. `parts` is shaped like take(x,
/// indices, axis). IndexError names the first index outside; ShapeError when `parts` has another
/// shape.
template <class T>
Variable<T> scatter_add(const Variable<T>& x, const Indices& indices, const Variable<T>& parts,
                        int axis = 0);
/// A constant (..., count) on `tape`: 1 at the index, 0 elsewhere, for each of `indices` (...).
/// IndexError names the first index outside [0, count).
template <class T>
Variable<T> one_hot(Tape<T>& tape, const Indices& indices, std::size_t count);

}  // namespace tapestry
