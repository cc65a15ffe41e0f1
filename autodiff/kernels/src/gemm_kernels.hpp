// SPDX-License-Identifier: MIT
// Matrix products, row-major. Each element of a product is summed in one order, which depends on
// the length of the sum alone: neither on the other rows and columns nor on where they stand.
#pragma once

#include <cstddef>

#include "tapestry/kernels/detail/architecture.hpp"

namespace tapestry::detail {

/// Rows of the right matrix that are multiplied before what they give is added to the product.
inline constexpr std::size_t gemm_depth = 256;

/// Between the rows of a block of the left matrix.
template <class T>
inline constexpr std::size_t left_stride = gemm_depth + 64 / sizeof(T);

/// Arranges a right matrix (depth, columns) for `multiply`: in blocks of `gemm_depth` rows, these
/// in panels of neighbouring columns, these by rows. Stored is its transpose if `transposed`.
template <class T>
struct PackTask {
  bool transposed;
  std::size_t depth;
  std::size_t columns;
  const T* matrix;
  std::size_t stride;  // between stored rows
  T* packed;           // depth * the columns rounded up to whole batches
};

/// C = A B, or C += A B with `accumulate`, or C = A B + `row` for each row of C, if that is not
/// null. A is (rows, depth), stored as its transpose if `transposed`; B was packed. `left` has room
/// for the `left_size` numbers that the kernels want.
template <class T>
struct MultiplyTask {
  std::size_t rows;
  std::size_t columns;
  std::size_t depth;
  bool transposed;
  const T* a;
  std::size_t a_stride;
  const T* packed;
  T* c;
  std::size_t c_stride;
  bool accumulate;
  const T* row;
  T* left;
};

/// The same for one row of A and a B that was not packed, of which the transpose (columns, depth)
/// is stored: c = W a for weights W. `columns` are whole panels.
template <class T>
struct RowTask {
  std::size_t columns;
  std::size_t depth;
  const T* a;
  const T* matrix;
  std::size_t stride;  // between stored rows
  T* c;
  bool accumulate;
  const T* row;
};

/// Copies the transpose of a matrix (rows, columns).
template <class T>
struct TransposeTask {
  std::size_t rows;
  std::size_t columns;
  const T* from;
  std::size_t from_stride;
  T* to;
  std::size_t to_stride;
};

template <class T>
struct GemmKernels {
  std::size_t lanes;      // columns in a batch
  std::size_t panel;      // columns in a panel
  std::size_t tile;       // rows that are computed at once
  std::size_t left_size;  // numbers in a block of the left matrix
  void (*pack)(const PackTask<T>&);
  void (*multiply)(const MultiplyTask<T>&);
  void (*multiply_row)(const RowTask<T>&);
  void (*transpose)(const TransposeTask<T>&);
};

/// Those compiled for an architecture, which must run on this machine.
template <class T>
const GemmKernels<T>& gemm_kernels(Architecture architecture = best_architecture());

/// The same, for the files that are compiled for it.
template <class T, Architecture architecture>
const GemmKernels<T>& gemm_kernels_for();

}  // namespace tapestry::detail
