// SPDX-License-Identifier: MIT
// What the ops of the library share, beyond what users of op.hpp have.
#pragma once

#include <cmath>
#include <string>

#include "tape/gradient_ops.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/op.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/kernels/detail/simd.hpp"

namespace tapestry {

/// Integers that an op keeps: they live in the tape, so that an op stays a plain value.
struct IndexView {
  const std::int64_t* data = nullptr;
  Shape shape;
};

namespace detail {

/// Runs the body of op `name` on `x`: a call that fails leaves the tape as it was and says where.
template <class T, class Body>
auto attempt(const char* name, const Variable<T>& x, const Body& body) {
  return attempt(x.state(name), body);
}

/// Throws unless all operands of a function that is put together from ops are of one tape: each of
/// its ops would check, but some would be applied before.
template <class T, class... Rest>
void check_one_tape(const char* name, const Variable<T>& x, const Rest&... rest) {
  (static_cast<void>(operand(name, x.state(name), rest)), ...);
}

/// Applies one of the library's own ops: its loops run on packs.
template <class Op, class T, class... Rest>
Variable<T> apply_op(const Op& op, const Variable<T>& x, const Rest&... rest) {
  return apply_with<Pack<T>>(op, x, rest...);
}

/// Copies indices into the tape.
template <class T>
IndexView keep_indices(TapeState<T>& state, const Indices& indices) {
  const void* copy = state.attach(indices.data(), indices.size() * sizeof(std::int64_t));
  return {static_cast<const std::int64_t*>(copy), Shape(indices.shape())};
}

/// Throws unless the number is finite as a T; `option` is what the user calls it.
template <class T>
void check_finite(const char* op, const char* option, double value) {
  const double kept = static_cast<double>(static_cast<T>(value));
  if (!std::isfinite(kept))
    throw ArgumentError(op, std::string(option) + " must be finite, not " + number_text(kept));
}

/// An array seen as (outer, axis, inner).
struct SplitAtAxis {
  std::size_t outer = 1;
  std::size_t inner = 1;

  SplitAtAxis(const Shape& shape, std::size_t axis) {
    for (std::size_t i = 0; i < axis; ++i) outer *= shape[i];
    for (std::size_t i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
};

/// What undoes a permutation of axes.
inline Shape inverse_of(const Shape& order) {
  Shape inverse = order;
  for (std::size_t i = 0; i < order.rank(); ++i) inverse[order[i]] = i;
  return inverse;
}

/// A constant of rank 0 on the tape of `x`.
template <class T>
Variable<T> constant_like(const Variable<T>& x, T value) {
  TapeState<T>& state = x.state("constant");
  const std::uint32_t index = state.add_leaf(Shape{}, Role::constant, false, {});
  *state.entries[index].data = value;
  return {state, index};
}

/// target = (or +=) x summed over the axes along which `target` has extent 1. Both have one rank.
template <class T>
void reduce_add(const Out<T>& target, const In<T>& x);

/// Axis i of the result is axis order[i] of `x`, which has as many; x itself when that is nothing.
template <class T>
Variable<T> permute(const Variable<T>& x, const Shape& order);

/// Zeros of the given shape with `x` in place of its slice: the transpose of `slice`.
template <class T>
Variable<T> slice_put(const Variable<T>& x, const Shape& shape, std::size_t axis, std::size_t start,
                      std::size_t step, bool drop);

/// Zeros of the given shape with the parts of `x` added at `indices` of `axis`: the transpose of
/// `take`. `indices` live in the tape.
template <class T>
Variable<T> take_put(const Variable<T>& x, const IndexView& indices, const Shape& shape,
                     std::size_t axis);

}  // namespace detail
}  // namespace tapestry
