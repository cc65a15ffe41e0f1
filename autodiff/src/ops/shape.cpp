// SPDX-License-Identifier: MIT
// The same elements in another shape or order.
#include <algorithm>
#include <string>

#include "ops/library_op.hpp"

namespace tapestry {
namespace {

struct Reshape {
  static constexpr auto name = "reshape";
  static constexpr auto formula = "y = x with other extents";
  static constexpr auto shapes = "(...) -> (...) with as many elements";
  static constexpr Saves saves = save_nothing;
  Shape shape;  // one extent may be `rest`

  [[nodiscard]] Shape infer(const Shape& x) const { return detail::reshaped(name, x, shape); }
  [[nodiscard]] bool alias(const Shape&, std::size_t&) const { return true; }

  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    std::copy_n(x.data, x.size(), y.data);
  }
  auto backward(const auto& g, const auto&, const auto& x) const { return reshape(g, x.shape()); }
};

struct Transpose {
  static constexpr auto name = "transpose";
  static constexpr auto formula = "axis i of y is axis order[i] of x";
  static constexpr auto shapes = "(n0, n1, ...) -> (n[order[0]], n[order[1]], ...)";
  static constexpr Saves saves = save_nothing;
  Shape order;

  [[nodiscard]] Shape infer(const Shape& x) const {
    Shape shape;
    for (const std::size_t axis : order) shape.push_back(x[axis]);
    return shape;
  }

  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    const auto of_x = strides_of(x.shape());
    const std::size_t rank = order.rank();
    if (y.size() == 0) return;
    std::array<std::size_t, Shape::max_rank> position{};
    std::size_t from = 0;
    const std::size_t inner = rank == 0 ? 1 : y.shape()[rank - 1];
    const std::size_t stride = rank == 0 ? 0 : of_x[order[rank - 1]];
    for (std::size_t to = 0;;) {
      for (std::size_t i = 0; i < inner; ++i) y.data[to++] = x.data[from + i * stride];
      if (to == y.size()) return;
      for (std::size_t axis = rank - 1; axis-- > 0;) {
        from += of_x[order[axis]];
        if (++position[axis] < y.shape()[axis]) break;
        from -= of_x[order[axis]] * y.shape()[axis];
        position[axis] = 0;
      }
    }
  }
  auto backward(const auto& g) const {
    return detail::apply_op(Transpose{detail::inverse_of(order)}, g);
  }
  [[nodiscard]] OpAttributes attributes() const { return {{"axes", order.str()}}; }
};

}  // namespace

using detail::apply_op;

template <class T>
Variable<T> reshape(const Variable<T>& x, const Shape& shape) {
  return apply_op(Reshape{shape}, x);
}

template <class T>
Variable<T> expand_dims(const Variable<T>& x, int axis) {
  return detail::attempt("expand_dims", x, [&] {
    Shape shape = x.shape();
    shape.insert(normalize_axis("expand_dims", axis, shape.rank() + 1), 1);
    return reshape(x, shape);
  });
}

template <class T>
Variable<T> squeeze(const Variable<T>& x, int axis) {
  return detail::attempt("squeeze", x, [&] {
    Shape shape = x.shape();
    const std::size_t i = normalize_axis("squeeze", axis, shape.rank());
    if (shape[i] != 1)
      throw ShapeError("squeeze", "axis " + std::to_string(axis) + " of " + shape.str() +
                                      " does not have extent 1");
    shape.erase(i);
    return reshape(x, shape);
  });
}

template <class T>
Variable<T> squeeze(const Variable<T>& x) {
  return detail::attempt("squeeze", x, [&] {
    Shape shape;
    for (const std::size_t n : x.shape())
      if (n != 1) shape.push_back(n);
    return reshape(x, shape);
  });
}

namespace {

/// `order` counted from the front, for an array of shape `x`.
Shape full_order(const Axes& order, const Shape& x) {
  const std::size_t rank = x.rank();
  Shape axes;
  if (order.all())
    for (std::size_t i = rank; i-- > 0;) axes.push_back(i);
  else
    for (const int axis : order) axes.push_back(normalize_axis("transpose", axis, rank));
  if (axes.rank() != rank)
    throw ShapeError("transpose", std::to_string(axes.rank()) + " axes given for shape " + x.str());
  static_cast<void>(axis_set("transpose", order, rank));  // refuses repeated axes
  return axes;
}

}  // namespace

template <class T>
Variable<T> transpose(const Variable<T>& x, const Axes& order) {
  return detail::attempt("transpose", x,
                         [&] { return apply_op(Transpose{full_order(order, x.shape())}, x); });
}

template <class T>
Variable<T> detail::permute(const Variable<T>& x, const Shape& order) {
  bool moves = false;
  for (std::size_t i = 0; i < order.rank(); ++i) moves |= order[i] != i;
  return moves ? apply_op(Transpose{order}, x) : x;
}

template <class T>
Variable<T> moveaxis(const Variable<T>& x, const Axes& source, const Axes& destination) {
  return detail::attempt("moveaxis", x, [&] {
    const std::size_t rank = x.shape().rank();
    if (source.size() != destination.size())
      throw ArgumentError("moveaxis", std::to_string(source.size()) + " axes cannot move to " +
                                          std::to_string(destination.size()) + " places");
    if (source.size() == 0) return x;
    Shape order;
    const std::uint32_t moved = axis_set("moveaxis", source, rank);
    static_cast<void>(axis_set("moveaxis", destination, rank));  // refuses repeated places
    for (std::size_t i = 0; i < rank; ++i)
      if ((moved >> i & 1) == 0) order.push_back(i);
    // From the front, so that each is inserted where it is to stay.
    for (std::size_t place = 0; place < rank; ++place)
      for (std::size_t k = 0; k < source.size(); ++k)
        if (normalize_axis("moveaxis", destination.begin()[k], rank) == place)
          order.insert(place, normalize_axis("moveaxis", source.begin()[k], rank));
    return apply_op(Transpose{order}, x);
  });
}

template <class T>
Variable<T> swapaxes(const Variable<T>& x, int a, int b) {
  return detail::attempt("swapaxes", x, [&] {
    const std::size_t rank = x.shape().rank();
    Shape order;
    for (std::size_t i = 0; i < rank; ++i) order.push_back(i);
    std::swap(order[normalize_axis("swapaxes", a, rank)],
              order[normalize_axis("swapaxes", b, rank)]);
    return apply_op(Transpose{order}, x);
  });
}

TAPESTRY_INSTANTIATE(reshape, expand_dims, transpose, detail::permute, moveaxis, swapaxes)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, int)), squeeze)
TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&)), squeeze)

}  // namespace tapestry
