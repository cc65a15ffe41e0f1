// SPDX-License-Identifier: MIT
// Singular values of the product of many matrices, which may lie further apart than the numbers of
// one array can: of a hundred steps of a recurrent state, say.
#pragma once

#include <cstddef>
#include <vector>

#include "tapestry/autodiff/array.hpp"

namespace tapestry::detail {

/// P = J_T ... J_1, kept as Σ_i exp(d_i) q_i v_iᵀ with orthonormal q_i, descending d_i and v_i that
/// are far from dependent: QR with pivoting of each further product, its diagonal apart (Bai, Lee,
/// Li and Xu 2011). Neither the factors nor an array with the range of P are kept.
class LongProduct {
 public:
  /// The identity, (n, n).
  explicit LongProduct(std::size_t n);

  /// P := J P for a finite J (n, n). What J shortens to below n ε of its norm counts as lost.
  void multiply(const Array<double>& j);

  /// log σ_i of P, descending, -infinity for 0. By one-sided Jacobi rotations, which find small
  /// singular values to as many digits as large ones (Demmel and Veselić 1992).
  [[nodiscard]] std::vector<double> log_singular_values() const;

 private:
  [[nodiscard]] double* q(std::size_t i) { return q_.data() + i * n_; }
  [[nodiscard]] double* v(std::size_t i) { return v_.data() + i * n_; }
  void bring_longest(std::size_t i);
  void take_out(std::size_t i, std::size_t k);

  std::size_t n_;
  Array<double> q_;  // a row for each q_i, zero where d_i is -infinity
  std::vector<double> d_;
  Array<double> v_;  // a row for each v_i
};

}  // namespace tapestry::detail
