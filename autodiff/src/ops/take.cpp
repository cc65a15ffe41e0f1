// SPDX-License-Identifier: MIT
// Elements at given positions: lookups, as in an embedding.
#include <algorithm>
#include <string>

#include "ops/library_op.hpp"
#include "tapestry/autodiff/tape.hpp"

namespace tapestry {
namespace {

/// Calls `body(offset among the parts, offset in the whole, length)` for each looked-up part.
template <class Body>
void for_each_part(const Shape& whole, std::size_t axis, const IndexView& indices,
                   const Body& body) {
  const auto [outer, inner] = detail::SplitAtAxis(whole, axis);
  const auto extent = static_cast<std::int64_t>(whole[axis]);
  const std::size_t n = indices.shape.size();
  for (std::size_t o = 0; o < outer; ++o) {
    for (std::size_t k = 0; k < n; ++k) {
      const std::int64_t index = indices.data[k] < 0 ? indices.data[k] + extent : indices.data[k];
      body((o * n + k) * inner, (o * whole[axis] + static_cast<std::size_t>(index)) * inner, inner);
    }
  }
}

/// Throws unless all indices lie within axis `axis` of an array of shape `x`.
void check_indices(const char* op, const IndexView& indices, const Shape& x, std::size_t axis) {
  const auto extent = static_cast<std::int64_t>(x[axis]);
  for (std::size_t k = 0; k < indices.shape.size(); ++k) {
    if (indices.data[k] >= -extent && indices.data[k] < extent) continue;
    throw IndexError(op, "index " + std::to_string(indices.data[k]) + " at position " +
                             position_of(indices.shape, k).str() + " is out of range for axis " +
                             std::to_string(axis) + " of " + x.str());
  }
}

/// `x` with axis `axis` replaced by the axes of `indices`.
Shape part_shape(const Shape& x, std::size_t axis, const Shape& indices) {
  Shape shape = x.part(0, axis);
  for (const std::size_t n : indices) shape.push_back(n);
  for (const std::size_t n : x.part(axis + 1, x.rank())) shape.push_back(n);
  return shape;
}

struct Take {
  static constexpr auto name = "take";
  static constexpr auto formula = "y[.., i.., ..] = x[.., indices[i..], ..]";
  static constexpr auto shapes = "(..., n, ...), indices (k...) -> (..., k..., ...)";
  static constexpr Saves saves = save_nothing;
  IndexView indices;
  std::size_t axis;

  [[nodiscard]] Shape infer(const Shape& x) const {
    check_indices(name, indices, x, axis);
    return part_shape(x, axis, indices.shape);
  }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    for_each_part(x.shape(), axis, indices,
                  [&](std::size_t part, std::size_t whole, std::size_t n) {
                    std::copy_n(x.data + whole, n, y.data + part);
                  });
  }
  auto backward(const auto& g, const auto&, const auto& x) const {
    return detail::take_put(g, indices, x.shape(), axis);
  }
  [[nodiscard]] OpAttributes attributes() const { return {{"axis", axis}}; }
};

struct TakePut {
  static constexpr auto name = "take_put";
  static constexpr auto formula = "y = zeros, with the parts of x added at the indices";
  static constexpr auto shapes = "(..., k..., ...), indices (k...) -> (..., n, ...)";
  static constexpr Saves saves = save_nothing;
  static constexpr bool accumulates = true;
  IndexView indices;
  std::size_t axis;
  Shape shape;

  [[nodiscard]] Shape infer(const Shape&) const { return shape; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    if (!y.accumulate) std::fill_n(y.data, y.size(), T{0});
    for_each_part(shape, axis, indices, [&](std::size_t part, std::size_t whole, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) y.data[whole + i] += x.data[part + i];
    });
  }
  auto backward(const auto& g) const { return detail::apply_op(Take{indices, axis}, g); }
};

/// For each index, where in an array of shape `x` the element stands that it picks along `axis`.
Indices gathered_positions(const Shape& x, const Indices& indices, std::size_t axis) {
  const Shape shape(indices.shape());
  bool fits = shape.rank() == x.rank();
  for (std::size_t i = 0; fits && i < x.rank(); ++i) fits = i == axis || shape[i] <= x[i];
  if (!fits)
    throw ShapeError("gather", "indices of shape " + shape.str() + " do not fit " + x.str() +
                                   " along axis " + std::to_string(axis));
  check_indices("gather", {indices.data(), shape}, x, axis);
  const auto strides = strides_of(x);
  Indices positions = indices;
  for (std::size_t k = 0; k < positions.size(); ++k) {
    Shape from = position_of(shape, k);
    const std::int64_t index = indices.data()[k];
    from[axis] = static_cast<std::size_t>(index) + (index < 0 ? x[axis] : 0);
    std::size_t flat = 0;
    for (std::size_t i = 0; i < x.rank(); ++i) flat += from[i] * strides[i];
    positions.data()[k] = static_cast<std::int64_t>(flat);
  }
  return positions;
}

}  // namespace

template <class T>
Variable<T> take(const Variable<T>& x, const Indices& indices, int axis) {
  return detail::attempt("take", x, [&] {
    const std::size_t i = normalize_axis("take", axis, x.shape().rank());
    return detail::apply_op(Take{detail::keep_indices(x.state("take"), indices), i}, x);
  });
}

template <class T>
Variable<T> gather(const Variable<T>& x, const Indices& indices, int axis) {
  return detail::attempt("gather", x, [&] {
    const Shape shape = x.shape();
    const std::size_t i = normalize_axis("gather", axis, shape.rank());
    return take(reshape(x, {shape.size()}), gathered_positions(shape, indices, i));
  });
}

template <class T>
Variable<T> detail::take_put(const Variable<T>& x, const IndexView& indices, const Shape& shape,
                             std::size_t axis) {
  return apply_op(TakePut{indices, axis, shape}, x);
}

template <class T>
Variable<T> scatter_add(const Variable<T>& x, const Indices& indices, const Variable<T>& parts,
                        int axis) {
  detail::check_one_tape("scatter_add", x, parts);
  return detail::attempt("scatter_add", x, [&] {
    const Shape shape = x.shape();
    const std::size_t i = normalize_axis("scatter_add", axis, shape.rank());
    const IndexView kept = detail::keep_indices(x.state("scatter_add"), indices);
    check_indices("scatter_add", kept, shape, i);
    const Shape expected = part_shape(shape, i, kept.shape);
    if (!(parts.shape() == expected))
      throw ShapeError("scatter_add", "the parts have shape " + parts.shape().str() +
                                          " but must have " + expected.str());
    return x + detail::take_put(parts, kept, shape, i);
  });
}

template <class T>
Variable<T> one_hot(Tape<T>& tape, const Indices& indices, std::size_t count) {
  detail::TapeState<T>& state = tape.state();
  return detail::attempt(state, [&]() -> Variable<T> {
    Shape shape(indices.shape());
    const Shape positions = shape;
    for (std::size_t k = 0; k < indices.size(); ++k)
      if (indices.data()[k] < 0 || indices.data()[k] >= static_cast<std::int64_t>(count))
        throw IndexError("one_hot", "index " + std::to_string(indices.data()[k]) + " at position " +
                                        position_of(positions, k).str() + " is out of range for " +
                                        std::to_string(count) + " classes");
    shape.push_back(count);
    detail::check_size("one_hot", shape);
    const std::uint32_t index = state.add_leaf(shape, Role::constant, false, "one_hot");
    T* row = state.entries[index].data;
    std::fill_n(row, shape.size(), T{0});
    for (const std::int64_t i : indices) {
      row[i] = T{1};
      row += count;
    }
    return {state, index};
  });
}

TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, const Indices&, int)), take)
TAPESTRY_INSTANTIATE(gather, detail::take_put, scatter_add, one_hot)

}  // namespace tapestry
