// SPDX-License-Identifier: MIT
// Inputs that are one-hot vectors: what multiplies them is looked up instead. The numbers are those
// of the product as long as the weights are finite.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "tapestry/autodiff/op.hpp"
#include "tapestry/kernels/gemm.hpp"
#include "tapestry/kernels/team.hpp"

namespace tapestry::layers {

/// Where the only number of a row is that is not 0, if it is 1; else `columns`.
template <class T>
std::size_t position_of_one(const T* row, std::size_t columns) {
  const auto filled = [](T x) { return x != T{0}; };
  const T* end = row + columns;
  const T* one = std::find_if(row, end, filled);
  if (one == end || *one != T{1} || std::any_of(one + 1, end, filled)) return columns;
  return static_cast<std::size_t>(one - row);
}

/// The positions of the ones in a matrix of one-hot rows; nothing if a row is something else. Reads
/// no more than the first such row.
template <class T>
std::span<const std::uint32_t> one_hot_positions(std::size_t rows, std::size_t columns, const T* x,
                                                 Memory<T>& memory) {
  static_assert(sizeof(T) >= sizeof(std::uint32_t));
  if (rows == 0 || position_of_one(x, columns) == columns) return {};
  auto* positions = reinterpret_cast<std::uint32_t*>(memory.temporary(rows));
  std::uninitialized_fill_n(positions, rows, 0);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t position = position_of_one(x + row * columns, columns);
    if (position == columns) return {};
    positions[row] = static_cast<std::uint32_t>(position);
  }
  return {positions, rows};
}

/// Calls `body(range)` for parts of `count` rows or columns with `length` numbers each.
template <class Body>
void for_lines(std::size_t count, std::size_t length, const Body& body) {
  constexpr std::size_t unit = 16;  // numbers of a cache line
  const std::size_t parts = detail::parts_for(count * length * 4, count / unit + 1);
  detail::parallel(parts,
                   [&](std::size_t part) { body(detail::part_of(count, parts, part, unit)); });
}

/// to(row, ...) = table(positions[row], ...), for `width` columns.
template <class T>
void look_up(std::span<const std::uint32_t> positions, std::size_t width,
             detail::Rows<const T> table, detail::Rows<T> to) {
  for_lines(positions.size(), width, [&](const detail::Range& rows) {
    for (std::size_t row = rows.first; row < rows.last; ++row)
      std::copy_n(table.from(positions[row]).data, width, to.from(row).data);
  });
}

/// to(row, i) = matrix(i, positions[row]): for a few rows, from the transpose of a table.
template <class T>
void look_up_columns(std::span<const std::uint32_t> positions, std::size_t width,
                     detail::Rows<const T> matrix, detail::Rows<T> to) {
  for (std::size_t row = 0; row < positions.size(); ++row)
    for (std::size_t i = 0; i < width; ++i)
      to.from(row).data[i] = matrix.from(i).data[positions[row]];
}

/// table(positions[row], ...) += from(row, ...).
template <class T>
void add_up(std::span<const std::uint32_t> positions, std::size_t width, detail::Rows<const T> from,
            detail::Rows<T> table) {
  for_lines(width, positions.size(), [&](const detail::Range& columns) {
    for (std::size_t row = 0; row < positions.size(); ++row) {
      const T* x = from.from(row).data;
      T* sum = table.from(positions[row]).data;
      for (std::size_t i = columns.first; i < columns.last; ++i) sum[i] += x[i];
    }
  });
}

}  // namespace tapestry::layers
