// SPDX-License-Identifier: MIT
// The matrix products that a step cannot do without, by the BLAS that libtorch uses, and nothing
// else: what is left of a step when all the rest costs nothing.
#pragma once

#include <cblas.h>

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <vector>

#include "rows.hpp"

namespace compare {

template <class T>
class Floor {
 public:
  Floor(const Row& row, const std::string& cell)
      : row_(row),
        wide_(gates_of(cell) * row.units),
        rows_of_x_(row.tokens() * std::max(row.inputs, row.units)),
        gates_(row.tokens() * wide_),
        weights_(std::max({wide_ * std::max(row.inputs, row.units), row.classes * row.units})),
        logits_(row.tokens() * row.classes),
        result_(std::max(weights_.size(), rows_of_x_.size())) {
    for (auto* array : {&rows_of_x_, &gates_, &weights_, &logits_})
      std::fill(array->begin(), array->end(), T(0.01));
  }

  void train() {
    const std::size_t n = row_.tokens();
    forward();
    multiply(false, false, n, row_.units, row_.classes, logits_, weights_, result_);
    multiply(true, false, row_.classes, row_.units, n, logits_, rows_of_x_, result_);
    for (std::size_t l = 0; l < row_.layers; ++l) {
      const std::size_t inputs = l == 0 ? row_.inputs : row_.units;
      for (std::size_t t = 1; t < row_.steps; ++t)
        multiply(false, false, row_.batch, row_.units, wide_, gates_, weights_, result_);
      multiply(true, false, wide_, row_.units, n - row_.batch, gates_, rows_of_x_, result_);
      if (looks_up(l)) continue;
      multiply(true, false, wide_, inputs, n, gates_, rows_of_x_, result_);
      if (l > 0 || row_.input == Input::embedded)
        multiply(false, false, n, inputs, wide_, gates_, weights_, result_);
    }
  }

  /// From zeros, the first step has no product with the state.
  void forward(bool from_zeros = true) {
    for (std::size_t l = 0; l < row_.layers; ++l) {
      const std::size_t inputs = l == 0 ? row_.inputs : row_.units;
      if (!looks_up(l))
        multiply(false, true, row_.tokens(), wide_, inputs, rows_of_x_, weights_, gates_);
      for (std::size_t t = from_zeros ? 1 : 0; t < row_.steps; ++t)
        multiply(false, true, row_.batch, wide_, row_.units, rows_of_x_, weights_, gates_);
    }
    multiply(false, true, row_.tokens(), row_.classes, row_.units, rows_of_x_, weights_, logits_);
  }

 private:
  /// One-hot vectors need no product.
  [[nodiscard]] bool looks_up(std::size_t layer) const {
    return layer == 0 && row_.input == Input::one_hot;
  }

  static void multiply(bool ta, bool tb, std::size_t m, std::size_t n, std::size_t k,
                       const std::vector<T>& a, const std::vector<T>& b, std::vector<T>& c) {
    if (m == 0 || n == 0 || k == 0) return;
    const auto i = [](std::size_t x) { return static_cast<int>(x); };
    const auto product = [&](auto gemm) {
      gemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, i(m),
           i(n), i(k), T(1), a.data(), i(ta ? m : k), b.data(), i(tb ? k : n), T(0), c.data(),
           i(n));
    };
    if constexpr (std::is_same_v<T, float>)
      product(cblas_sgemm);
    else
      product(cblas_dgemm);
  }

  Row row_;
  std::size_t wide_;  // columns of all gates
  std::vector<T> rows_of_x_, gates_, weights_, logits_, result_;
};

}  // namespace compare
