// SPDX-License-Identifier: MIT
// The elementwise part of recurrent layers, one pass over a time step: what is left beside the
// matrix products. Letters as in the layers: B sequences (rows), H units.
#pragma once

#include <cstddef>

#include "kernels/architecture.hpp"
#include "tapestry/layers/activation.hpp"

namespace tapestry::layers {

/// c = f c_before + i g, h = o tanh(c).
template <class T>
struct LstmStep {
  std::size_t rows;
  std::size_t units;
  T* gates;           // (B, 4H): W x + W h, becomes i, f, g, o
  const T* bias;      // (4H)
  const T* c_before;  // (B, H), or null for zeros; may be c
  T* c;               // (B, H)
  T* h;               // (B, H)
};

template <class T>
struct LstmStepBack {
  std::size_t rows;
  std::size_t units;
  T* gates;            // (B, 4H): i, f, g, o, become the gradients by the gates' arguments
  const T* c_before;   // (B, H), or null for zeros
  const T* c;          // (B, H)
  const T* by_output;  // (B, H): gradient by h from outside the layer, or null
  const T* by_h;       // (B, H): gradient by h from the step after, or null
  T* by_c;             // (B, H): gradient by c from the step after, becomes that by c_before
};

/// n = tanh(x_n + r q) with q = W h + b, h = (1 - z) n + z h_before. A row of gates holds four
/// blocks, n r z q, so that both those that x has a part in and those that h has are neighbours.
template <class T>
struct GruStep {
  std::size_t rows;
  std::size_t units;
  T* gates;           // (B, 4H): W x in n, W x + W h in r z, W h in q; becomes n r z q
  const T* bias;      // (4H), of n r z q
  const T* h_before;  // (B, H), or null for zeros
  T* h;               // (B, H)
};

template <class T>
struct GruStepBack {
  std::size_t rows;
  std::size_t units;
  T* gates;            // (B, 4H): n r z q, become the gradients by the arguments of n r z, and by q
  const T* h_before;   // (B, H), or null for zeros
  const T* by_output;  // (B, H): gradient by h from outside the layer, or null
  T* by_h;             // (B, H): gradient by h from the step after, becomes z times that by h
};

/// h = f(h + bias).
template <class T>
struct RnnStep {
  std::size_t rows;
  std::size_t units;
  Activation activation;
  const T* bias;  // (H)
  T* h;           // (B, H): W x + W h_before, becomes h
};

template <class T>
struct RnnStepBack {
  std::size_t rows;
  std::size_t units;
  Activation activation;
  const T* h;          // (B, H)
  const T* by_output;  // (B, H), or null
  const T* by_h;       // (B, H), or null
  T* by_argument;      // (B, H): becomes the gradient by the argument of f
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
struct CellKernels {
  void (*lstm)(const LstmStep<T>&);
  void (*lstm_back)(const LstmStepBack<T>&);
  void (*gru)(const GruStep<T>&);
  void (*gru_back)(const GruStepBack<T>&);
  void (*rnn)(const RnnStep<T>&);
  void (*rnn_back)(const RnnStepBack<T>&);
  void (*column_sums)(const ColumnSums<T>&);
};

/// Those compiled for an architecture, which must run on this machine.
template <class T>
const CellKernels<T>& cell_kernels(detail::Architecture architecture = detail::best_architecture());

/// The same, for the files that are compiled for it.
template <class T, detail::Architecture architecture>
const CellKernels<T>& cell_kernels_for();

/// Column sums, by several threads if the matrix is large.
template <class T>
void sum_columns(const ColumnSums<T>& s);

}  // namespace tapestry::layers
