// SPDX-License-Identifier: MIT
// Matrix products, single and in batches.
#include <string>

#include "gemm.hpp"
#include "ops/vocabulary.hpp"

namespace tapestry {
namespace {

/// Extents of op(x): rows and columns of the last two axes.
struct Matrix {
  std::size_t rows;
  std::size_t columns;
};

Matrix matrix_of(const Shape& shape, bool transpose) {
  const std::size_t rows = shape[shape.rank() - 2];
  const std::size_t columns = shape[shape.rank() - 1];
  return transpose ? Matrix{columns, rows} : Matrix{rows, columns};
}

Shape batch_of(const Shape& shape) { return shape.part(0, shape.rank() - 2); }

/// (..., K) as (rows, K). The rows are counted here, since K may be 0.
template <class T>
Variable<T> as_rows(const Variable<T>& x) {
  const Shape& shape = x.shape();
  return reshape(x, {shape.part(0, shape.rank() - 1).size(), shape.back()});
}

struct MatMul {  // y = op(a) op(b), where op transposes the last two axes or does nothing
  static constexpr auto name = "matmul";
  static constexpr Saves saves = save_inputs;
  static constexpr bool accumulates = true;
  bool ta = false;
  bool tb = false;

  /// Throws unless the operands can be multiplied; one of rank 1 is a row or a column.
  void check(const Shape& a, const Shape& b) const {
    if (a.rank() == 0 || b.rank() == 0)
      throw ShapeError(name, "operands need at least one axis: " + a.str() + " x " + b.str());
    const std::size_t inner_a = a.rank() == 1 ? a[0] : matrix_of(a, ta).columns;
    const std::size_t inner_b = b.rank() == 1 ? b[0] : matrix_of(b, tb).rows;
    if (inner_a != inner_b)
      throw ShapeError(name, "inner dimensions differ: " + a.str() + (ta ? " transposed" : "") +
                                 " x " + b.str() + (tb ? " transposed" : ""));
  }

  [[nodiscard]] Shape infer(const Shape& a, const Shape& b) const {
    const Matrix left = matrix_of(a, ta);
    const Matrix right = matrix_of(b, tb);
    Shape shape = broadcast_shapes(name, batch_of(a), batch_of(b));
    shape.push_back(left.rows);
    shape.push_back(right.columns);
    return shape;
  }

  /// Whether all of a's batches can be multiplied by the one matrix b as one tall matrix.
  [[nodiscard]] bool is_tall(const Shape& a, const Shape& b) const {
    return b.rank() == 2 && a.rank() > 2 && !ta;
  }

  template <class T>
  void forward(const Out<T>& y, const In<T>& a, const In<T>& b) const {
    const Matrix left = matrix_of(a.shape(), ta);
    const Matrix right = matrix_of(b.shape(), tb);
    const std::size_t size = left.rows * right.columns;
    if (is_tall(a.shape(), b.shape()))
      return detail::gemm(ta, tb, y.size() / std::max<std::size_t>(right.columns, 1), right.columns,
                          left.columns, a.data, b.data, y.data, y.accumulate);
    const Shape batch_a = batch_of(a.shape());
    const Shape batch_b = batch_of(b.shape());
    T* c = y.data;
    const detail::Loops<2> loops(batch_of(y.shape()), {&batch_a, &batch_b});
    for_each_run(loops, [&](const auto& offset, std::size_t count, const auto& stride) {
      for (std::size_t i = 0; i < count; ++i, c += size)
        detail::gemm(ta, tb, left.rows, right.columns, left.columns,
                     a.data + (offset[0] + i * stride[0]) * left.rows * left.columns,
                     b.data + (offset[1] + i * stride[1]) * right.rows * right.columns, c,
                     y.accumulate);
    });
  }

  auto backward(Wrt<0>, const auto& g, const auto&, const auto& a, const auto& b) const {
    static_cast<void>(a);
    return ta ? matmul(b, g, {.transpose_a = tb, .transpose_b = true})
              : matmul(g, b, {.transpose_b = !tb});
  }
  auto backward(Wrt<1>, const auto& g, const auto&, const auto& a, const auto& b) const {
    if (is_tall(a.shape(), b.shape()))  // one product over all rows instead of one a batch
      return tb ? matmul(as_rows(g), as_rows(a), {.transpose_a = true})
                : matmul(as_rows(a), as_rows(g), {.transpose_a = true});
    return tb ? matmul(g, a, {.transpose_a = true, .transpose_b = ta})
              : matmul(a, g, {.transpose_a = !ta});
  }

  [[nodiscard]] std::string attributes() const {
    if (!ta && !tb) return {};
    return ta && tb ? "aT bT" : ta ? "aT" : "bT";
  }
};

}  // namespace

template <class T>
Variable<T> matmul(const Variable<T>& a, const Variable<T>& b, MatmulOptions options) {
  const bool row = a.state("matmul").entries[a.index()].shape.rank() == 1;
  const bool column = b.state("matmul").entries[b.index()].shape.rank() == 1;
  const MatMul op{options.transpose_a && !row, options.transpose_b && !column};
  return detail::attempt("matmul", a, [&] {
    op.check(a.shape(), b.shape());
    if (!row && !column) return detail::apply_op(op, a, b);
    Variable<T> y =
        detail::apply_op(op, row ? expand_dims(a, 0) : a, column ? expand_dims(b, 1) : b);
    if (column) y = squeeze(y, -1);
    return row ? squeeze(y, column ? -1 : -2) : y;
  });
}

template Variable<float> matmul(const Variable<float>&, const Variable<float>&, MatmulOptions);
template Variable<double> matmul(const Variable<double>&, const Variable<double>&, MatmulOptions);

}  // namespace tapestry
