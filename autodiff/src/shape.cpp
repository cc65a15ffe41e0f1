// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/shape.hpp"

#include <algorithm>

#include "tapestry/autodiff/error.hpp"

namespace tapestry {

void Shape::insert(std::size_t axis, std::size_t extent) {
  push_back(extent);
  std::rotate(extents_.begin() + axis, extents_.begin() + rank_ - 1, extents_.begin() + rank_);
}

void Shape::erase(std::size_t axis) {
  std::rotate(extents_.begin() + axis, extents_.begin() + axis + 1, extents_.begin() + rank_);
  extents_[--rank_] = 0;
}

Shape Shape::part(std::size_t first, std::size_t last) const {
  Shape shape;
  for (std::size_t i = first; i < last; ++i) shape.push_back(extents_[i]);
  return shape;
}

std::string Shape::str() const {
  std::string text = "(";
  for (std::size_t i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string(extents_[i]);
  return text + (rank_ == 1 ? ",)" : ")");
}

void Shape::throw_too_many() {
  throw ShapeError("shape", "more than " + std::to_string(max_rank) + " axes");
}

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  if (a == b) return a;
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const std::size_t lead = longer.rank() - shorter.rank();
  Shape result = longer;
  for (std::size_t i = 0; i < shorter.rank(); ++i) {
    std::size_t& extent = result[lead + i];
    if (extent == shorter[i] || shorter[i] == 1) continue;
    if (extent != 1)
      throw ShapeError(op, "shapes do not broadcast: " + a.str() + " and " + b.str());
    extent = shorter[i];
  }
  return result;
}

std::size_t normalize_axis(const char* op, int axis, std::size_t rank) {
  const int n = static_cast<int>(rank);
  if (axis < -n || axis >= n)
    throw IndexError(op, "axis " + std::to_string(axis) + " is out of range for an array of " +
                             std::to_string(rank) + (rank == 1 ? " axis" : " axes"));
  return static_cast<std::size_t>(axis < 0 ? axis + n : axis);
}

std::uint32_t axis_set(const char* op, const Axes& axes, std::size_t rank) {
  if (axes.all()) return (1u << rank) - 1;
  std::uint32_t set = 0;
  for (const int axis : axes) {
    const std::uint32_t bit = 1u << normalize_axis(op, axis, rank);
    if ((set & bit) != 0) throw IndexError(op, "axis " + std::to_string(axis) + " is given twice");
    set |= bit;
  }
  return set;
}

Shape reduced_shape(const Shape& shape, std::uint32_t set, bool keepdims) {
  Shape result;
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    const bool reduced = (set >> i & 1) != 0;
    if (!reduced || keepdims) result.push_back(reduced ? 1 : shape[i]);
  }
  return result;
}

Shape position_of(const Shape& shape, std::size_t flat) {
  Shape position = shape;
  for (std::size_t i = shape.rank(); i-- > 0; flat /= shape[i]) position[i] = flat % shape[i];
  return position;
}

std::array<std::size_t, Shape::max_rank> strides_of(const Shape& shape) {
  std::array<std::size_t, Shape::max_rank> strides{};
  std::size_t step = 1;
  for (std::size_t i = shape.rank(); i-- > 0;) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

}  // namespace tapestry
