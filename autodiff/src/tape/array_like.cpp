// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/array_like.hpp"

#include <algorithm>

#include "tapestry/autodiff/error.hpp"

namespace tapestry {
namespace detail {

std::string ragged_text(std::size_t part, const Shape& first, const Shape& other) {
  const std::string number = std::to_string(part);
  if (first.rank() != other.rank())
    return "part 0 has " + std::to_string(first.rank()) + " axes, part " + number + " has " +
           std::to_string(other.rank());
  if (first.rank() == 1)
    return "row 0 has " + std::to_string(first[0]) + " numbers, row " + number + " has " +
           std::to_string(other[0]);
  if (first.rank() == 2 && first[0] != other[0])
    return "matrix 0 has " + std::to_string(first[0]) + " rows, matrix " + number + " has " +
           std::to_string(other[0]);
  if (first.rank() == 2) return "the rows of the matrices differ in length";
  return "part 0 has shape " + first.str() + ", part " + number + " has " + other.str();
}

Indices indices_of(const char* where, const Gathered<std::int64_t>& integers) {
  if (!integers.problem.empty()) throw ShapeError(where, integers.problem);
  Indices result(Indices::shape_type(integers.shape.begin(), integers.shape.end()));
  std::ranges::copy(integers.numbers, result.data());
  return result;
}

template <class T>
Shape Braces<T>::shape(std::string_view where) const {
  if (is_number_) return {};
  Shape first;
  std::size_t count = 0;
  for (const Braces& part : parts_) {
    const Shape shape = part.shape(where);
    if (count == 0) first = shape;
    if (!(shape == first)) throw ShapeError(where, ragged_text(count, first, shape));
    ++count;
  }
  first.insert(0, count);
  return first;
}

template <class T>
T* Braces<T>::write(T* out) const {
  if (is_number_) {
    *out = number_;
    return out + 1;
  }
  for (const Braces& part : parts_) out = part.write(out);
  return out;
}

}  // namespace detail

template <class T>
Shape ArrayLike<T>::shape(std::string_view where) const {
  if (in_braces_) return detail::Braces<T>(braces_).shape(where);
  if (gathered_ && !gathered_->problem.empty()) throw ShapeError(where, gathered_->problem);
  return shape_;
}

template <class T>
void ArrayLike<T>::write(T* out) const {
  if (in_braces_)
    detail::Braces<T>(braces_).write(out);
  else if (is_number_)
    *out = number_;
  else
    std::copy_n(data_, shape_.size(), out);
}

template <class T>
Array<T> ArrayLike<T>::array(std::string_view where) const {
  const Shape extents = shape(where);
  Array<T> result(typename Array<T>::shape_type(extents.begin(), extents.end()));
  write(result.data());
  return result;
}

TAPESTRY_INSTANTIATE_TYPES(class detail::Braces, class ArrayLike)

}  // namespace tapestry
