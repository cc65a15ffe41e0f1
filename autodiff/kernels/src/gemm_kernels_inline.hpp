// SPDX-License-Identifier: MIT
// Included once for each architecture.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "gemm_kernels.hpp"
#include "tapestry/kernels/detail/xsimd.hpp"
#include "transpose.hpp"

namespace tapestry::detail {

template <class T, Architecture architecture>
struct GemmKernelsFor {
  using Batch = BatchOf<T, architecture>;
  static constexpr std::size_t lanes = Batch::size;
  static constexpr std::size_t vectors = 2;  // of a panel

  // As many sums as there are registers, but for a row of the panel and an element of A.
  static constexpr bool many_registers = lanes * sizeof(T) == 64;
  static constexpr std::size_t most_rows = many_registers ? 12 : 6;
  static constexpr std::size_t rows_in_cache = 10 * most_rows;

  /// A part of A times a panel, added to what is in a part of C, to a row, or to nothing.
  struct Tile {
    std::size_t depth;
    const T* a;
    std::size_t a_stride;
    const T* panel;
    T* c;
    std::size_t c_stride;
    std::size_t columns;  // of C; the panel's are whole batches
    bool accumulate;
    const T* row;
  };

  /// Calls `body` with the numbers below `count` as constants.
  template <std::size_t count, class Body>
  [[gnu::always_inline]] static void unrolled(const Body& body) {
    [&]<std::size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
      (body(std::integral_constant<std::size_t, i>{}), ...);
    }
    (std::make_index_sequence<count>{});
  }

  /// `transposed`: what is stored of A is its transpose.
  template <std::size_t rows, std::size_t width, bool transposed>
  static void tile(const Tile& t) {
    Batch sums[rows][width];
    unrolled<rows>([&](auto r) __attribute__((always_inline)) {
      unrolled<width>([&](auto v) __attribute__((always_inline)) { sums[r][v] = Batch(T(0)); });
    });
    const T* panel = t.panel;
    for (std::size_t k = 0; k < t.depth; ++k, panel += width * lanes) {
      Batch right[width];
      unrolled<width>([&](auto v) __attribute__((always_inline)) {
        right[v] = Batch::load_unaligned(panel + v * lanes);
      });
      unrolled<rows>([&](auto r) __attribute__((always_inline)) {
        const Batch left(transposed ? t.a[k * t.a_stride + r] : t.a[r * t.a_stride + k]);
        unrolled<width>([&](auto v) __attribute__((always_inline)) {
          sums[r][v] = multiply_add(left, right[v], sums[r][v]);
        });
      });
    }
    if (t.columns < width * lanes) return store_part(t, sums);
    const bool added = t.accumulate || t.row;
    unrolled<rows>([&](auto r) __attribute__((always_inline)) {
      unrolled<width>([&](auto v) __attribute__((always_inline)) {
        T* c = t.c + r * t.c_stride + v * lanes;
        const T* before = t.accumulate ? c : t.row + v * lanes;
        (added ? Batch::load_unaligned(before) + sums[r][v] : sums[r][v]).store_unaligned(c);
      });
    });
  }

  template <std::size_t rows, std::size_t width>
  [[gnu::always_inline]] static void store_part(const Tile& t, const Batch (&sums)[rows][width]) {
    T whole[rows * width * lanes];
    unrolled<rows>([&](auto r) __attribute__((always_inline)) {
      unrolled<width>([&](auto v) __attribute__((always_inline)) {
        sums[r][v].store_unaligned(whole + (r * width + v) * lanes);
      });
    });
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < t.columns; ++i) {
        const T sum = whole[r * width * lanes + i];
        T& c = t.c[r * t.c_stride + i];
        c = t.accumulate ? c + sum : t.row ? t.row[i] + sum : sum;
      }
  }

  using TileFunction = void (*)(const Tile&);

  /// The functions for 1, 2, ... rows.
  template <std::size_t width, bool transposed>
  static constexpr auto tile_functions = []<std::size_t... r>(std::index_sequence<r...>) {
    return std::array<TileFunction, most_rows>{&tile<r + 1, width, transposed>...};
  }
  (std::make_index_sequence<most_rows>{});

  /// All rows with one panel, in tiles of nearly the same height.
  template <bool transposed>
  static void multiply_panel(Tile t, std::size_t rows) {
    const auto& functions =
        t.columns > lanes ? tile_functions<vectors, transposed> : tile_functions<1, transposed>;
    std::size_t tiles = (rows + most_rows - 1) / most_rows;
    while (rows > 0) {
      const std::size_t height = (rows + tiles - 1) / tiles;
      functions[height - 1](t);
      t.a += transposed ? height : height * t.a_stride;
      t.c += height * t.c_stride;
      rows -= height;
      --tiles;
    }
  }

  static constexpr std::size_t padded(std::size_t columns) {
    return (columns + lanes - 1) / lanes * lanes;
  }

  static void multiply(const MultiplyTask<T>& m) {
    m.transposed ? multiply_blocks<true>(m) : multiply_blocks<false>(m);
  }

  template <bool transposed>
  static void multiply_blocks(const MultiplyTask<T>& m) {
    // Rows that are whole pages apart push each other out of the cache; so do those of a transpose.
    const bool copied = m.columns > lanes && (transposed || m.a_stride * sizeof(T) % 4096 == 0);
    constexpr std::size_t stride = transposed ? rows_in_cache : left_stride<T>;
    for (std::size_t k = 0; k < m.depth; k += gemm_depth) {
      const std::size_t depth = m.depth - k < gemm_depth ? m.depth - k : gemm_depth;
      for (std::size_t row = 0; row < m.rows; row += rows_in_cache) {
        const std::size_t rows = m.rows - row < rows_in_cache ? m.rows - row : rows_in_cache;
        const T* a = transposed ? m.a + k * m.a_stride + row : m.a + row * m.a_stride + k;
        if (copied)
          copy(transposed ? depth : rows, transposed ? rows : depth, a, m.a_stride, m.left, stride);
        multiply_block<transposed>({depth, copied ? m.left : a, copied ? stride : m.a_stride,
                                    m.packed + k * padded(m.columns), m.c + row * m.c_stride,
                                    m.c_stride, m.columns, m.accumulate || k > 0, m.row},
                                   rows);
      }
    }
  }

  /// Some rows with all panels.
  template <bool transposed>
  static void multiply_block(const Tile& t, std::size_t rows) {
    constexpr std::size_t panel = vectors * lanes;
    for (std::size_t column = 0; column < t.columns; column += panel) {
      const std::size_t columns = t.columns - column < panel ? t.columns - column : panel;
      multiply_panel<transposed>(
          {t.depth, t.a, t.a_stride, t.panel + column * t.depth, t.c + column, t.c_stride, columns,
           t.accumulate, t.row ? t.row + column : nullptr},
          rows);
    }
  }

  /// What is read once is not worth packing: a few rows of B at a time stay in the first cache.
  static void multiply_row(const RowTask<T>& r) {
    constexpr std::size_t panel = vectors * lanes;
    for (std::size_t column = 0; column < r.columns; column += panel)
      for (std::size_t k = 0; k < r.depth; k += gemm_depth) {
        const std::size_t depth = r.depth - k < gemm_depth ? r.depth - k : gemm_depth;
        const T* before = r.accumulate || k > 0 ? r.c + column : r.row ? r.row + column : nullptr;
        multiply_row_panel(depth, r.a + k, r.matrix + column * r.stride + k, r.stride, r.c + column,
                           before);
      }
  }

  static void multiply_row_panel(std::size_t depth, const T* a, const T* matrix, std::size_t stride,
                                 T* c, const T* before) {
    constexpr std::size_t panel = vectors * lanes, side = transposed_side<T>;
    static_assert(panel % side == 0);
    alignas(64) T some[side * panel];
    Batch sums[vectors];
    unrolled<vectors>([&](auto v) __attribute__((always_inline)) { sums[v] = Batch(T(0)); });
    for (std::size_t k = 0; k < depth; k += side) {
      const std::size_t count = depth - k < side ? depth - k : side;
      if (count == side)
        for (std::size_t i = 0; i < panel; i += side)
          transpose_square<Batch>(matrix + i * stride + k, stride, some + i, panel);
      else
        transpose_plainly({panel, count, matrix + k, stride, some, panel}, 0, panel, 0);
      for (std::size_t i = 0; i < count; ++i)
        unrolled<vectors>([&](auto v) __attribute__((always_inline)) {
          sums[v] = multiply_add(Batch(a[k + i]), Batch::load_aligned(some + i * panel + v * lanes),
                                 sums[v]);
        });
    }
    unrolled<vectors>([&](auto v) __attribute__((always_inline)) {
      (before ? Batch::load_unaligned(before + v * lanes) + sums[v] : sums[v])
          .store_unaligned(c + v * lanes);
    });
  }

  /// Copies whole squares of a transpose in registers; the rest one by one.
  static void transpose(const TransposeTask<T>& t) {
    constexpr std::size_t side = transposed_side<T>;
    std::size_t row = 0;
    for (; row + side <= t.rows; row += side) {
      std::size_t column = 0;
      for (; column + side <= t.columns; column += side)
        transpose_square<Batch>(t.from + row * t.from_stride + column, t.from_stride,
                                t.to + column * t.to_stride + row, t.to_stride);
      transpose_plainly(t, row, row + side, column);
    }
    transpose_plainly(t, row, t.rows, 0);
  }

  /// Rows from `row` to `last`, without the columns before `first_column`.
  static void transpose_plainly(const TransposeTask<T>& t, std::size_t row, std::size_t last,
                                std::size_t first_column) {
    for (; row < last; ++row)
      for (std::size_t column = first_column; column < t.columns; ++column)
        t.to[column * t.to_stride + row] = t.from[row * t.from_stride + column];
  }

  static void pack(const PackTask<T>& p) {
    constexpr std::size_t panel = vectors * lanes;
    T* to = p.packed;
    for (std::size_t k = 0; k < p.depth; k += gemm_depth) {
      const std::size_t depth = p.depth - k < gemm_depth ? p.depth - k : gemm_depth;
      for (std::size_t column = 0; column < p.columns; column += panel) {
        const std::size_t columns = p.columns - column < panel ? p.columns - column : panel;
        const std::size_t width = padded(columns);
        if (p.transposed)
          transpose({columns, depth, p.matrix + column * p.stride + k, p.stride, to, width});
        else
          copy(depth, columns, p.matrix + k * p.stride + column, p.stride, to, width);
        for (std::size_t row = 0; row < depth && columns < width; ++row)
          for (std::size_t i = columns; i < width; ++i) to[row * width + i] = T(0);
        to += depth * width;
      }
    }
  }

  static void copy(std::size_t rows, std::size_t columns, const T* from, std::size_t from_stride,
                   T* to, std::size_t to_stride) {
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t i = 0; i < columns; ++i)
        to[row * to_stride + i] = from[row * from_stride + i];
  }

  static constexpr GemmKernels<T> table{
      lanes, vectors* lanes, most_rows,     rows_in_cache* left_stride<T>,
      &pack, &multiply,      &multiply_row, &transpose};
};

template <class T, Architecture architecture>
const GemmKernels<T>& gemm_kernels_for() {
  return GemmKernelsFor<T, architecture>::table;
}

}  // namespace tapestry::detail
