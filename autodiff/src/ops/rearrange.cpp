// SPDX-License-Identifier: MIT
// Elements turned round, repeated, surrounded and left out; sums up to each element.
#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "ops/reduction.hpp"
#include "ops/thread_list.hpp"

namespace tapestry {
namespace {

using detail::apply_op;
using detail::attempt;

struct Flip {
  static constexpr auto name = "flip";
  static constexpr auto formula = "y = x in reverse order along axes";
  static constexpr auto shapes = "(...) -> (...)";
  static constexpr Saves saves = save_nothing;
  std::uint32_t axes;

  [[nodiscard]] Shape infer(const Shape& x) const { return x; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    turn(y.data, x.data, x.shape(), 0);
  }
  auto backward(const auto& g) const { return apply_op(*this, g); }
  [[nodiscard]] OpAttributes attributes() const { return detail::axes_attribute(axes); }

 private:
  /// The part of the array below `axis`; without axes to turn it is copied as it is.
  template <class T>
  void turn(T* to, const T* from, const Shape& shape, std::size_t axis) const {
    const std::size_t inner = shape.part(std::min(axis + 1, shape.rank()), shape.rank()).size();
    const std::size_t n = axis < shape.rank() ? shape[axis] : 1;
    if (axes >> axis == 0) {
      std::copy_n(from, n * inner, to);
    } else if (axes >> axis == 1 && inner == 1) {
      std::reverse_copy(from, from + n, to);
    } else {
      const bool turns = (axes >> axis & 1) != 0;
      for (std::size_t i = 0; i < n; ++i)
        turn(to + i * inner, from + (turns ? n - 1 - i : i) * inner, shape, axis + 1);
    }
  }
};

struct Pad {
  static constexpr auto name = "pad";
  static constexpr auto formula = "y = value, with x at a place within";
  static constexpr auto shapes = "(n, ...) -> (before + n + after, ...)";
  static constexpr Saves saves = save_nothing;
  Shape shape;
  Shape before;
  double value;

  [[nodiscard]] Shape infer(const Shape&) const { return shape; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    std::fill_n(y.data, y.size(), static_cast<T>(value));
    const auto strides = strides_of(shape);
    std::size_t to = 0;
    for (std::size_t i = 0; i < shape.rank(); ++i) to += before[i] * strides[i];
    const std::size_t row = shape.rank() == 0 ? 1 : x.shape().back();
    std::array<std::size_t, Shape::max_rank> at{};  // of the row, but for the last axis
    for (const T* from = x.data; from != x.data + x.size(); from += row) {
      std::copy_n(from, row, y.data + to);
      for (std::size_t axis = shape.rank(); axis-- > 1;) {
        to += strides[axis - 1];
        if (++at[axis - 1] < x.shape()[axis - 1]) break;
        to -= at[axis - 1] * strides[axis - 1];
        at[axis - 1] = 0;
      }
    }
  }
  auto backward(const auto& g, const auto&, const auto& x) const {
    auto part = g;
    for (std::size_t i = 0; i < shape.rank(); ++i)
      if (shape[i] != x.shape()[i])
        part = slice(part, static_cast<int>(i), static_cast<std::int64_t>(before[i]),
                     static_cast<std::int64_t>(before[i] + x.shape()[i]));
    return part;
  }
  [[nodiscard]] OpAttributes attributes() const {
    OpAttributes attributes{{"before", before.str()}};
    if (value != 0) attributes.emplace_back("value", value);
    return attributes;
  }
};

/// Matrices of which one side of a diagonal stays.
template <class Op>
struct Triangle {
  static constexpr auto shapes = "(..., n, m) -> (..., n, m)";
  static constexpr Saves saves = save_nothing;
  std::int64_t diagonal;

  [[nodiscard]] Shape infer(const Shape& x) const {
    if (x.rank() < 2) throw ShapeError(Op::name, "a matrix needs two axes, not shape " + x.str());
    return x;
  }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    const std::size_t rows = x.shape()[x.shape().rank() - 2];
    const std::size_t columns = x.shape().back();
    const auto n = static_cast<std::int64_t>(columns);
    for (std::size_t at = 0; at < x.size(); at += columns) {
      const auto row = static_cast<std::int64_t>(at / columns % rows);
      // Columns up to `edge` belong to the lower side.
      const std::int64_t edge =
          std::clamp<std::int64_t>(std::clamp(diagonal, -row - 1, n) + row + Op::lower, 0, n);
      std::fill_n(y.data + at, columns, T{0});
      if (Op::lower != 0)
        std::copy_n(x.data + at, edge, y.data + at);
      else
        std::copy(x.data + at + edge, x.data + at + columns, y.data + at + edge);
    }
  }
  auto backward(const auto& g) const { return apply_op(static_cast<const Op&>(*this), g); }
  [[nodiscard]] OpAttributes attributes() const {
    return diagonal == 0 ? OpAttributes{} : OpAttributes{{"diagonal", diagonal}};
  }
};

struct Tril : Triangle<Tril> {
  static constexpr auto name = "tril";
  static constexpr auto formula = "y = x where column <= row + diagonal, else 0";
  static constexpr std::int64_t lower = 1;
};

struct Triu : Triangle<Triu> {
  static constexpr auto name = "triu";
  static constexpr auto formula = "y = x where column >= row + diagonal, else 0";
  static constexpr std::int64_t lower = 0;
};

struct Cumsum {
  static constexpr auto name = "cumsum";
  static constexpr auto formula = "y = sum of x up to each element of an axis, or from it on";
  static constexpr auto shapes = "(...) -> (...)";
  static constexpr Saves saves = save_nothing;
  std::size_t axis;
  bool reverse;

  [[nodiscard]] Shape infer(const Shape& x) const { return x; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    if (x.size() == 0) return;
    const std::size_t n = x.shape()[axis];
    const std::size_t inner = detail::SplitAtAxis(x.shape(), axis).inner;
    std::vector<double>& total = detail::thread_list<Cumsum, double>();
    for (std::size_t first = 0; first < x.size(); first += n * inner) {
      total.assign(inner, 0);
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t at = first + (reverse ? n - 1 - i : i) * inner;
        for (std::size_t k = 0; k < inner; ++k)
          y.data[at + k] = static_cast<T>(total[k] += static_cast<double>(x.data[at + k]));
      }
    }
  }
  auto backward(const auto& g) const { return apply_op(Cumsum{axis, !reverse}, g); }
  [[nodiscard]] OpAttributes attributes() const {
    OpAttributes attributes{{"axis", axis}};
    if (reverse) attributes.emplace_back("reverse");
    return attributes;
  }
};

/// `shape` with axis `axis` repeated; throws when such an array cannot exist.
Shape repeated_shape(const char* op, Shape shape, std::size_t axis, std::size_t times) {
  if (times > 0 && shape[axis] > std::numeric_limits<std::size_t>::max() / times)
    throw ShapeError(op, "too many elements along axis " + std::to_string(axis) + " of " +
                             shape.str() + ", " + std::to_string(times) + " times");
  shape[axis] *= times;
  detail::check_size(op, shape);
  return shape;
}

/// x seen as (outer, inner) and each of its rows `count` times.
template <class T>
Variable<T> repeat_rows(const Variable<T>& x, std::size_t outer, std::size_t count,
                        std::size_t inner, const Shape& result) {
  const Variable<T> rows = reshape(x, {outer, 1, inner});
  return reshape(broadcast_to(rows, {outer, count, inner}), result);
}

}  // namespace

template <class T>
Variable<T> flip(const Variable<T>& x, const Axes& axes) {
  return attempt("flip", x,
                 [&] { return apply_op(Flip{axis_set("flip", axes, x.shape().rank())}, x); });
}

template <class T>
Variable<T> pad(const Variable<T>& x, const std::vector<PadWidth>& widths, Number<T> value) {
  return attempt("pad", x, [&] {
    Pad op{x.shape(), x.shape(), value};
    if (widths.size() != 1 && widths.size() != op.shape.rank())
      throw ArgumentError(
          "pad", std::to_string(widths.size()) + " widths for an array of shape " + op.shape.str());
    for (std::size_t i = 0; i < op.shape.rank(); ++i) {
      const PadWidth width = widths[widths.size() == 1 ? 0 : i];
      if (width.before < 0 || width.after < 0)
        throw ArgumentError("pad", "width (" + std::to_string(width.before) + ", " +
                                       std::to_string(width.after) + ") of axis " +
                                       std::to_string(i) + " is negative");
      op.before[i] = static_cast<std::size_t>(width.before);
      op.shape[i] += op.before[i];
      op.shape[i] += static_cast<std::size_t>(width.after);
      if (op.shape[i] < op.before[i])
        throw ShapeError("pad", "too many elements along axis " + std::to_string(i));
    }
    return apply_op(op, x);
  });
}

template <class T>
Variable<T> repeat(const Variable<T>& x, std::int64_t count, std::optional<int> axis) {
  return attempt("repeat", x, [&] {
    if (count < 0)
      throw ArgumentError("repeat", "the count must not be negative: " + std::to_string(count));
    Shape shape = axis ? x.shape() : Shape{x.size()};
    const std::size_t i = axis ? normalize_axis("repeat", *axis, shape.rank()) : 0;
    const std::size_t inner = shape.part(i + 1, shape.rank()).size();
    const std::size_t outer = shape.part(0, i + 1).size();
    const auto times = static_cast<std::size_t>(count);
    shape = repeated_shape("repeat", shape, i, times);
    return repeat_rows(x, outer, times, inner, shape);
  });
}

template <class T>
Variable<T> tile(const Variable<T>& x, const Shape& counts) {
  return attempt("tile", x, [&] {
    Shape shape = x.shape();
    Shape times = counts;
    while (shape.rank() < times.rank()) shape.insert(0, 1);
    while (times.rank() < shape.rank()) times.insert(0, 1);
    Variable<T> y = reshape(x, shape);
    for (std::size_t i = shape.rank(); i-- > 0;) {
      if (times[i] == 1) continue;
      const std::size_t inner = shape.part(i, shape.rank()).size();
      const std::size_t outer = shape.part(0, i).size();
      shape = repeated_shape("tile", shape, i, times[i]);
      y = repeat_rows(y, outer, times[i], inner, shape);
    }
    return y;
  });
}

template <class T>
Variable<T> tril(const Variable<T>& x, std::int64_t diagonal) {
  return apply_op(Tril{{diagonal}}, x);
}
template <class T>
Variable<T> triu(const Variable<T>& x, std::int64_t diagonal) {
  return apply_op(Triu{{diagonal}}, x);
}

template <class T>
Variable<T> cumsum(const Variable<T>& x, std::optional<int> axis) {
  return attempt("cumsum", x, [&] {
    if (!axis) return apply_op(Cumsum{0, false}, reshape(x, {x.size()}));
    return apply_op(Cumsum{normalize_axis("cumsum", *axis, x.shape().rank()), false}, x);
  });
}

TAPESTRY_INSTANTIATE(flip, pad, repeat, tile, tril, triu, cumsum)

}  // namespace tapestry
