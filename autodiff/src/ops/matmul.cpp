// SPDX-License-Identifier: MIT
// Matrix products, single and in batches.
#include <string>

#include "ops/library_op.hpp"
#include "tapestry/kernels/gemm.hpp"

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

/// The shapes of operands of rank 1 as matrices: a row on the left, a column on the right.
Shape left_shape(const Shape& a) { return a.rank() == 1 ? Shape{1, a[0]} : a; }
Shape right_shape(const Shape& b) { return b.rank() == 1 ? Shape{b[0], 1} : b; }

/// (..., K) as (rows, K). The rows are counted here, since K may be 0.
template <class T>
Variable<T> as_rows(const Variable<T>& x) {
  const Shape& shape = x.shape();
  return reshape(x, {shape.part(0, shape.rank() - 1).size(), shape.back()});
}

struct MatMul {
  static constexpr auto name = "matmul";
  static constexpr auto formula =
      "y = op(a) op(b), where op transposes the last two axes or does nothing";
  static constexpr auto shapes = "(..., n, m), (..., m, k) -> (..., n, k)";
  static constexpr Saves saves = save_inputs;
  static constexpr bool accumulates = true;
  bool ta = false;
  bool tb = false;

  [[nodiscard]] Shape infer(const Shape& a, const Shape& b) const {
    if (a.rank() == 0 || b.rank() == 0)
      throw ShapeError(name, "operands need at least one axis: " + a.str() + " x " + b.str());
    const Matrix left = matrix_of(left_shape(a), ta);
    const Matrix right = matrix_of(right_shape(b), tb);
    if (left.columns != right.rows)
      throw ShapeError(name, "inner dimensions differ: " + a.str() + (ta ? " transposed" : "") +
                                 " x " + b.str() + (tb ? " transposed" : ""));
    Shape shape = broadcast_shapes(name, batch_of(left_shape(a)), batch_of(right_shape(b)));
    if (a.rank() > 1) shape.push_back(left.rows);
    if (b.rank() > 1) shape.push_back(right.columns);
    return shape;
  }

  /// Whether all of a's batches can be multiplied by the one matrix b as one tall matrix.
  [[nodiscard]] bool is_tall(const Shape& a, const Shape& b) const {
    return b.rank() == 2 && a.rank() > 2 && !ta;
  }

  template <class T>
  void forward(const Out<T>& y, const In<T>& a, const In<T>& b) const {
    const Shape shape_a = left_shape(a.shape());
    const Shape shape_b = right_shape(b.shape());
    const Matrix left = matrix_of(shape_a, ta);
    const Matrix right = matrix_of(shape_b, tb);
    const std::size_t size = left.rows * right.columns;
    if (is_tall(shape_a, shape_b))
      return detail::gemm(ta, tb, y.size() / std::max<std::size_t>(right.columns, 1), right.columns,
                          left.columns, a.data, b.data, y.data, y.accumulate);
    const Shape batch_a = batch_of(shape_a);
    const Shape batch_b = batch_of(shape_b);
    T* c = y.data;
    const Shape batch = broadcast_shapes(name, batch_a, batch_b);
    for (detail::Runs<2> run(batch, {&batch_a, &batch_b}); run; run.next())
      for (std::size_t i = 0; i < run.count; ++i, c += size)
        detail::gemm(ta, tb, left.rows, right.columns, left.columns,
                     a.data + (run.offsets[0] + i * run.strides[0]) * left.rows * left.columns,
                     b.data + (run.offsets[1] + i * run.strides[1]) * right.rows * right.columns, c,
                     y.accumulate);
  }

  auto backward(Wrt<0>, const auto& g, const auto& a, const auto& b) const {
    const auto lifted = by_left(lift(g, a, b), right(b));
    return a.shape().rank() == 1 ? squeeze(lifted, -2) : lifted;
  }
  auto backward(Wrt<1>, const auto& g, const auto& a, const auto& b) const {
    const auto lifted = by_right(lift(g, a, b), left(a), b.shape());
    return b.shape().rank() == 1 ? squeeze(lifted, -1) : lifted;
  }

  [[nodiscard]] OpAttributes attributes() const {
    OpAttributes attributes;
    if (ta) attributes.emplace_back("aT");
    if (tb) attributes.emplace_back("bT");
    return attributes;
  }

 private:
  // Operands and gradient as matrices.
  static auto left(const auto& a) { return a.shape().rank() == 1 ? expand_dims(a, 0) : a; }
  static auto right(const auto& b) { return b.shape().rank() == 1 ? expand_dims(b, 1) : b; }
  static auto lift(const auto& g, const auto& a, const auto& b) {
    const auto rows = b.shape().rank() == 1 ? expand_dims(g, -1) : g;
    return a.shape().rank() == 1 ? expand_dims(rows, -2) : rows;
  }

  auto by_left(const auto& g, const auto& b) const {
    return ta ? matmul(b, g, {.transpose_a = tb, .transpose_b = true})
              : matmul(g, b, {.transpose_b = !tb});
  }
  auto by_right(const auto& g, const auto& a, const Shape& b) const {
    if (is_tall(a.shape(), b))  // one product over all rows instead of one a batch
      return tb ? matmul(as_rows(g), as_rows(a), {.transpose_a = true})
                : matmul(as_rows(a), as_rows(g), {.transpose_a = true});
    return tb ? matmul(g, a, {.transpose_a = true, .transpose_b = ta})
              : matmul(a, g, {.transpose_a = !ta});
  }
};

}  // namespace

template <class T>
Variable<T> matmul(const Variable<T>& a, const Variable<T>& b, MatmulOptions options) {
  // There is nothing to transpose in an operand of rank 1.
  return detail::apply_op(MatMul{options.transpose_a && a.shape().rank() != 1,
                                 options.transpose_b && b.shape().rank() != 1},
                          a, b);
}

template <class T>
Variable<T> dot(const Variable<T>& a, const Variable<T>& b) {
  detail::check_one_tape("dot", a, b);
  return detail::attempt("dot", a, [&] {
    const Shape left = a.shape();
    const Shape right = b.shape();
    if (left.rank() == 0 || right.rank() == 0) return a * b;
    const std::size_t inner = right.rank() == 1 ? 0 : right.rank() - 2;
    if (left.back() != right[inner])
      throw ShapeError("dot", "inner dimensions differ: " + left.str() + " x " + right.str());
    if (left.rank() == 1 || right.rank() <= 2) return matmul(a, b);
    // Every row of a with every column of b: (M, K) x (K, others).
    Shape result = left.part(0, left.rank() - 1);
    for (std::size_t i = 0; i < right.rank(); ++i)
      if (i != inner) result.push_back(right[i]);
    const std::size_t columns = right.part(0, inner).size() * right.back();
    return reshape(matmul(as_rows(a), reshape(moveaxis(b, -2, 0), {left.back(), columns})), result);
  });
}

template <class T>
Variable<T> outer(const Variable<T>& a, const Variable<T>& b) {
  detail::check_one_tape("outer", a, b);
  return detail::attempt("outer", a, [&] {
    return reshape(a, {a.size(), 1}) * reshape(b, {1, b.size()});
  });
}

TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&, MatmulOptions)),
                        matmul)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Variable<T>&)), dot, outer)

}  // namespace tapestry
