// SPDX-License-Identifier: MIT
// The elementwise ops that most cells are made of, forward and backward, compiled for each
// architecture: what a step's program calls in place of the ops' own kernels. Each means what the
// op of that name does, number by number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tapestry/kernels/detail/architecture.hpp"

namespace tapestry::layers {

/// `linear` stands for all ops y = p a + q with numbers p and q.
enum class StepKernel : std::uint8_t {
  add,
  subtract,
  multiply,
  linear,
  tanh,
  sigmoid,
  relu,
  standardise,
  count
};

/// A matrix whose rows start `stride` numbers apart; 0 for one row that stands for all.
template <class T>
struct StepRows {
  T* data = nullptr;
  std::size_t stride = 0;
};

/// y = op(a, b) for matrices (rows, width), of which b may be one row that is the same for all.
template <class T>
struct StepForward {
  std::size_t rows;
  std::size_t width;
  StepRows<T> a;
  StepRows<T> b;  // null for ops of one operand
  bool repeats = false;
  T p = 0;  // of `linear`; of `standardise` p is epsilon
  T q = 0;
  StepRows<T> y = {};
};

/// The gradients with respect to a and b: null where none is wanted, and added to what is there
/// where asked for. That of a row that repeats is always added. They may take the place of operands
/// and results.
template <class T>
struct StepBackward {
  StepForward<T> forward;
  StepRows<T> g;
  StepRows<T> d_a;
  bool adds_a;
  StepRows<T> d_b;
  bool adds_b;
};

/// All that lies between the products of an LSTM's step, in one pass: c = f c_before + i g,
/// h = o tanh(c). Matrices are (rows, H) without gaps, and `gates` (rows, 4H) holds i f g o: their
/// arguments become their values, and in backward the gradients with respect to the arguments.
template <class T>
struct LstmStep {
  std::size_t rows;
  std::size_t units;
  T* gates;
  const T* c_before;
  T* c;
  T* h;          // of forward
  const T* d_h;  // of backward, as the rest
  const T* d_c;
  T* d_c_before;
};

/// The same of a GRU: n = tanh(x_n + r h_n), h = (1 - z) n + z h_before; `gates` (rows, 2H) holds
/// r z.
template <class T>
struct GruStep {
  std::size_t rows;
  std::size_t units;
  T* gates = nullptr;
  T* x_n = nullptr;  // becomes n
  T* h_n = nullptr;
  const T* h_before = nullptr;
  T* h = nullptr;          // of forward
  const T* d_h = nullptr;  // of backward, as the rest
  T* d_h_before = nullptr;
};

/// A matrix (rows, columns) whose columns are summed into `sums`, or added to them.
template <class T>
struct ColumnSums {
  std::size_t rows;
  std::size_t columns;
  const T* matrix;
  std::size_t stride;  // between rows
  T* sums;
  bool accumulate;
};

template <class T>
struct StepKernels {
  std::array<void (*)(const StepForward<T>&), static_cast<std::size_t>(StepKernel::count)> forward;
  std::array<void (*)(const StepBackward<T>&), static_cast<std::size_t>(StepKernel::count)>
      backward;
  void (*lstm)(const LstmStep<T>&);
  void (*lstm_back)(const LstmStep<T>&);
  void (*gru)(const GruStep<T>&);
  void (*gru_back)(const GruStep<T>&);
  void (*column_sums)(const ColumnSums<T>&);
};

/// Those compiled for an architecture, which must run on this machine.
template <class T>
const StepKernels<T>& step_kernels(detail::Architecture architecture = detail::best_architecture());

/// The same, for the files that are compiled for it.
template <class T, detail::Architecture architecture>
const StepKernels<T>& step_kernels_for();

/// Column sums, by several threads if the matrix is large.
template <class T>
void sum_columns(const ColumnSums<T>& s);

}  // namespace tapestry::layers
