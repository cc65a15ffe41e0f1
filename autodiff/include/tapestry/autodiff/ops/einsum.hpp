// SPDX-License-Identifier: MIT
// Sums of products in Einstein's notation.
#pragma once

#include <array>
#include <concepts>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// Sums of products, as numpy.einsum: a letter for each axis of each operand, and those of the
/// result after "->"; what is not there is summed over.
///
///   einsum("ij,jk->ik", a, b)     matrix product
///   einsum("bth,bsh->bts", q, k)  scores of attention
///   einsum("ii->", a)             trace
///
/// A letter given twice to one operand takes its diagonal. "..." stands for leading axes, which
/// broadcast. Without "->" the result has the letters that occur once, in alphabetical order.
/// Axes of one letter have one extent, or 1, which broadcasts; within one operand they are equal.
/// Operands are contracted from left to right, as products of matrices; no product on the way may
/// have more than `Shape::max_rank` axes. ArgumentError when the subscripts make no sense,
/// ShapeError when an operand does not fit them.
template <class T>
Variable<T> einsum(std::string_view subscripts, std::span<const Variable<T>> operands);
template <class T>
Variable<T> einsum(std::string_view subscripts, const std::vector<Variable<T>>& operands) {
  return einsum(subscripts, std::span<const Variable<T>>(operands));
}
template <class T>
Variable<T> einsum(std::string_view subscripts, std::initializer_list<Variable<T>> operands) {
  return einsum(subscripts, std::span<const Variable<T>>(operands.begin(), operands.size()));
}
template <class T, std::same_as<Variable<T>>... Rest>
Variable<T> einsum(std::string_view subscripts, const Variable<T>& x, const Rest&... rest) {
  const std::array<Variable<T>, 1 + sizeof...(Rest)> operands{x, rest...};
  return einsum(subscripts, std::span<const Variable<T>>(operands));
}

}  // namespace tapestry
