// SPDX-License-Identifier: MIT
// Elements at given positions: lookups, as in an embedding.
#include <algorithm>
#include <string>

#include "ops/vocabulary.hpp"

namespace tapestry {
namespace {

/// "(0, 3)": where element `flat` stands in an array of this shape.
std::string position_text(const Shape& shape, std::size_t flat) {
  Shape position = shape;
  for (std::size_t i = shape.rank(); i-- > 0; flat /= shape[i]) position[i] = flat % shape[i];
  return position.str();
}

/// Calls `body(offset among the parts, offset in the whole, length)` for each looked-up part.
template <class Body>
void for_each_part(const Shape& whole, std::size_t axis, const IndexView& indices,
                   const Body& body) {
  std::size_t outer = 1;
  std::size_t inner = 1;
  for (std::size_t i = 0; i < axis; ++i) outer *= whole[i];
  for (std::size_t i = axis + 1; i < whole.rank(); ++i) inner *= whole[i];
  const auto extent = static_cast<std::int64_t>(whole[axis]);
  const std::size_t n = indices.shape.size();
  for (std::size_t o = 0; o < outer; ++o) {
    for (std::size_t k = 0; k < n; ++k) {
      const std::int64_t index = indices.data[k] < 0 ? indices.data[k] + extent : indices.data[k];
      body((o * n + k) * inner, (o * whole[axis] + static_cast<std::size_t>(index)) * inner, inner);
    }
  }
}

struct Take {  // y[.., i.., ..] = x[.., indices[i..], ..]
  static constexpr auto name = "take";
  static constexpr Saves saves = save_nothing;
  IndexView indices;
  std::size_t axis;

  [[nodiscard]] Shape infer(const Shape& x) const {
    const auto extent = static_cast<std::int64_t>(x[axis]);
    for (std::size_t k = 0; k < indices.shape.size(); ++k) {
      if (indices.data[k] >= -extent && indices.data[k] < extent) continue;
      throw IndexError(name, "index " + std::to_string(indices.data[k]) + " at position " +
                                 position_text(indices.shape, k) + " is out of range for axis " +
                                 std::to_string(axis) + " of " + x.str());
    }
    Shape shape = x.part(0, axis);
    for (const std::size_t n : indices.shape) shape.push_back(n);
    for (const std::size_t n : x.part(axis + 1, x.rank())) shape.push_back(n);
    return shape;
  }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    for_each_part(x.shape(), axis, indices,
                  [&](std::size_t part, std::size_t whole, std::size_t n) {
                    std::copy_n(x.data + whole, n, y.data + part);
                  });
  }
  auto backward(const auto& g, const auto&, const auto& x) const {
    return detail::scatter_add(g, indices, x.shape(), axis);
  }
  [[nodiscard]] std::string attributes() const { return "axis=" + std::to_string(axis); }
};

struct ScatterAdd {  // y = zeros, with the parts of x added at the indices
  static constexpr auto name = "scatter_add";
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
  auto backward(const auto& g, const auto&, const auto&) const {
    return detail::apply_op(Take{indices, axis}, g);
  }
};

}  // namespace

template <class T>
Variable<T> take(const Variable<T>& x, const Indices& indices, int axis) {
  return detail::attempt("take", x, [&] {
    const std::size_t i = normalize_axis("take", axis, x.shape().rank());
    return detail::apply_op(Take{detail::keep_indices(x.state("take"), indices), i}, x);
  });
}

template <class T>
Variable<T> detail::scatter_add(const Variable<T>& x, const IndexView& indices, const Shape& shape,
                                std::size_t axis) {
  return apply_op(ScatterAdd{indices, axis, shape}, x);
}

template Variable<float> take(const Variable<float>&, const Indices&, int);
template Variable<double> take(const Variable<double>&, const Indices&, int);
template Variable<float> detail::scatter_add(const Variable<float>&, const IndexView&, const Shape&,
                                             std::size_t);
template Variable<double> detail::scatter_add(const Variable<double>&, const IndexView&,
                                              const Shape&, std::size_t);

}  // namespace tapestry
