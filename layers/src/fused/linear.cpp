// SPDX-License-Identifier: MIT
#include "fused/linear.hpp"

#include "fused/step_kernels.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/op.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/kernels/gemm.hpp"

namespace tapestry::layers {
namespace {

struct LinearMap {
  static constexpr auto name = "linear";
  static constexpr auto formula = "y = x W' + b";
  static constexpr auto shapes = "(..., I), (O, I), (O) -> (..., O)";

  struct Extents {
    std::size_t rows;
    std::size_t inputs;
    std::size_t outputs;
  };
  static Extents extents(const Shape& x, const Shape& w) {
    return {x.part(0, x.rank() - 1).size(), w[1], w[0]};
  }

  [[nodiscard]] Shape infer(const Shape& x, const Shape& w, const Shape& b) const {
    if (x.rank() == 0 || w.rank() != 2 || x.back() != w[1])
      throw ShapeError(name, "x " + x.str() + " must have shape (..., I), and the weights " +
                                 w.str() + " (O, I)");
    if (!(b == Shape{w[0]}))
      throw ShapeError(name, "the bias " + b.str() + " must have shape " + Shape{w[0]}.str());
    Shape shape = x.part(0, x.rank() - 1);
    shape.push_back(w[0]);
    return shape;
  }

  template <class T>
  void forward(const Out<T>& y, const In<T>& x, const In<T>& w, const In<T>& b) const {
    const Extents n = extents(x.shape(), w.shape());
    detail::gemm<T>(false, true, n.rows, n.outputs, n.inputs, {x.data, n.inputs},
                    {w.data, n.inputs}, {y.data, n.outputs}, false, b.data);
  }

  template <class T>
  void backward(KernelBackward<T>& call) const {
    const In<T> x = call.input(0);
    const In<T> w = call.input(1);
    const T* g = call.grad(0).data;
    const Extents n = extents(x.shape(), w.shape());
    if (call.needs(0)) {
      const Out<T> to = call.target(0);
      detail::gemm(false, false, n.rows, n.inputs, n.outputs, g, w.data, to.data, to.accumulate);
    }
    if (call.needs(1)) {
      const Out<T> to = call.target(1);
      detail::gemm(true, false, n.outputs, n.inputs, n.rows, g, x.data, to.data, to.accumulate);
    }
    if (call.needs(2)) {
      const Out<T> to = call.target(2);
      sum_columns<T>({n.rows, n.outputs, g, n.outputs, to.data, to.accumulate});
    }
  }

  template <class T>
  Variable<T> expand(const Variable<T>& x, const Variable<T>& w, const Variable<T>& b) const {
    return matmul(x, w, {.transpose_b = true}) + b;
  }
};

}  // namespace

template <class T>
Variable<T> fused_linear(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias) {
  return apply(LinearMap{}, x, weight, bias);
}

TAPESTRY_INSTANTIATE(fused_linear)

}  // namespace tapestry::layers
