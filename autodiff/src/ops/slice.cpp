// SPDX-License-Identifier: MIT
// Parts of arrays, and arrays put together from parts.
#include <algorithm>
#include <string>

#include "ops/library_op.hpp"

namespace tapestry {
namespace {

using detail::SplitAtAxis;

/// `count` elements of an axis: start, start + step, ...; `drop` leaves the axis out.
struct Part {
  std::size_t axis;
  std::size_t start;
  std::size_t count;
  std::size_t step;
  bool drop;

  [[nodiscard]] Shape of(const Shape& whole) const {
    Shape shape = whole;
    if (drop)
      shape.erase(axis);
    else
      shape[axis] = count;
    return shape;
  }

  /// Calls `body(offset in the part, offset in the whole, length)` for each contiguous run.
  template <class Body>
  void for_each_run(const Shape& whole, const Body& body) const {
    const SplitAtAxis split(whole, axis);
    const std::size_t extent = whole[axis];
    std::size_t at = 0;
    for (std::size_t o = 0; o < split.outer; ++o) {
      const std::size_t first = (o * extent + start) * split.inner;
      if (step == 1) {
        body(at, first, count * split.inner);
        at += count * split.inner;
        continue;
      }
      for (std::size_t i = 0; i < count; ++i, at += split.inner)
        body(at, first + i * step * split.inner, split.inner);
    }
  }
};

struct Slice : Part {
  static constexpr auto name = "slice";
  static constexpr auto formula = "y = a part of x";
  static constexpr auto shapes = "(..., n, ...) -> (..., k, ...)";
  static constexpr Saves saves = save_nothing;

  [[nodiscard]] Shape infer(const Shape& x) const { return of(x); }
  [[nodiscard]] bool alias(const Shape& x, std::size_t& offset) const {
    const SplitAtAxis split(x, axis);
    offset = start * split.inner;
    return split.outer == 1 && (step == 1 || count == 1) && count > 0;
  }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    for_each_run(x.shape(), [&](std::size_t part, std::size_t whole, std::size_t n) {
      std::copy_n(x.data + whole, n, y.data + part);
    });
  }
  auto backward(const auto& g, const auto&, const auto& x) const {
    return detail::slice_put(g, x.shape(), axis, start, step, drop);
  }
  [[nodiscard]] OpAttributes attributes() const {
    std::string part = "[" + std::to_string(start);
    if (!drop) part += ":" + std::to_string(start + (count == 0 ? 0 : (count - 1) * step + 1));
    if (!drop && step != 1) part += ":" + std::to_string(step);
    return {{"axis", axis}, {"", part + "]"}};
  }
};

struct SlicePut : Part {
  static constexpr auto name = "slice_put";
  static constexpr auto formula = "y = zeros, with x in place of a part";
  static constexpr auto shapes = "(..., k, ...) -> (..., n, ...)";
  static constexpr Saves saves = save_nothing;
  static constexpr bool accumulates = true;
  Shape shape;

  [[nodiscard]] Shape infer(const Shape&) const { return shape; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    if (!y.accumulate) std::fill_n(y.data, y.size(), T{0});
    for_each_run(shape, [&](std::size_t part, std::size_t whole, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) y.data[whole + i] += x.data[part + i];
    });
  }
  auto backward(const auto& g) const {
    return detail::apply_op(Slice{static_cast<const Part&>(*this)}, g);
  }
};

struct Concatenate {
  static constexpr auto name = "concatenate";
  static constexpr auto formula = "y = x0, x1, ... one after another along an axis";
  static constexpr auto shapes = "(..., n0, ...), (..., n1, ...), ... -> (..., n0 + n1 + ..., ...)";
  static constexpr Saves saves = save_nothing;
  std::size_t axis;

  [[nodiscard]] Shape infer(std::span<const Shape* const> x) const {
    Shape shape = *x[0];
    for (std::size_t k = 1; k < x.size(); ++k) {
      Shape expected = *x[0];
      if (x[k]->rank() == expected.rank()) expected[axis] = (*x[k])[axis];
      if (!(expected == *x[k]))
        throw ShapeError(name, "shapes differ outside axis " + std::to_string(axis) + ": " +
                                   x[0]->str() + " and " + x[k]->str());
      shape[axis] += (*x[k])[axis];
    }
    return shape;
  }
  template <class T>
  void forward(const Out<T>& y, std::span<const In<T>> x) const {
    const std::size_t outer = SplitAtAxis(y.shape(), axis).outer;
    T* to = y.data;
    for (std::size_t o = 0; o < outer; ++o) {
      for (const In<T>& source : x) {
        const std::size_t n = source.size() / outer;
        to = std::copy_n(source.data + o * n, n, to);
      }
    }
  }
  template <class T>
  Variable<T> backward(std::size_t i, const Variable<T>& g, const RuleBackward<T>& call) const {
    std::size_t start = 0;
    for (std::size_t k = 0; k < i; ++k) start += call.input_shape(k)[axis];
    return detail::apply_op(Slice{{axis, start, call.input_shape(i)[axis], 1, false}}, g);
  }
  [[nodiscard]] OpAttributes attributes() const { return {{"axis", axis}}; }
};

struct Stack {
  static constexpr auto name = "stack";
  static constexpr auto formula = "y = x0, x1, ... along a new axis";
  static constexpr auto shapes = "k of (...) -> (..., k, ...)";
  static constexpr Saves saves = save_nothing;
  std::size_t axis;

  [[nodiscard]] Shape infer(std::span<const Shape* const> x) const {
    for (const Shape* other : x)
      if (!(*other == *x[0]))
        throw ShapeError(name, "shapes differ: " + x[0]->str() + " and " + other->str());
    Shape shape = *x[0];
    shape.insert(axis, x.size());
    return shape;
  }
  template <class T>
  void forward(const Out<T>& y, std::span<const In<T>> x) const {
    const SplitAtAxis split(y.shape(), axis);
    T* to = y.data;
    for (std::size_t o = 0; o < split.outer; ++o)
      for (const In<T>& source : x)
        to = std::copy_n(source.data + o * split.inner, split.inner, to);
  }
  template <class T>
  Variable<T> backward(std::size_t i, const Variable<T>& g, const RuleBackward<T>&) const {
    return detail::apply_op(Slice{{axis, i, 1, 1, true}}, g);
  }
  [[nodiscard]] OpAttributes attributes() const { return {{"axis", axis}}; }
};

struct Split {
  static constexpr auto name = "split";
  static constexpr auto formula = "y0, y1, ... = equal parts of x along an axis";
  static constexpr auto shapes = "(..., k n, ...) -> k of (..., n, ...)";
  static constexpr Saves saves = save_nothing;
  std::size_t axis;
  std::size_t sections;

  [[nodiscard]] std::size_t outputs() const { return sections; }
  [[nodiscard]] Part part(std::size_t j, const Shape& x) const {
    const std::size_t count = x[axis] / sections;
    return {axis, j * count, count, 1, false};
  }
  [[nodiscard]] Shape infer(std::size_t j, const Shape& x) const {
    if (x[axis] % sections != 0)
      throw ShapeError(name, "axis " + std::to_string(axis) + " of " + x.str() + " is not " +
                                 std::to_string(sections) + " equal parts");
    return part(j, x).of(x);
  }
  template <class T>
  void forward(std::span<const Out<T>> y, const In<T>& x) const {
    for (std::size_t j = 0; j < sections; ++j)
      part(j, x.shape())
          .for_each_run(x.shape(), [&](std::size_t p, std::size_t whole, std::size_t n) {
            std::copy_n(x.data + whole, n, y[j].data + p);
          });
  }
  template <class T>
  Variable<T> backward(RuleBackward<T>& call) const {
    std::vector<Variable<T>> parts;
    for (std::size_t j = 0; j < sections; ++j) parts.push_back(call.grad(j));
    return concatenate(parts, static_cast<int>(axis));
  }
  [[nodiscard]] OpAttributes attributes() const { return {{"axis", axis}}; }
};

std::size_t clip_position(std::int64_t position, std::size_t extent) {
  const auto n = static_cast<std::int64_t>(extent);
  if (position < 0) position += n;
  return static_cast<std::size_t>(std::clamp<std::int64_t>(position, 0, n));
}

}  // namespace

using detail::apply_op;
using detail::attempt;

template <class T>
Variable<T> slice(const Variable<T>& x, int axis, std::int64_t start, std::int64_t stop,
                  std::int64_t step) {
  return attempt("slice", x, [&] {
    if (step <= 0)
      throw ArgumentError("slice", "step must be positive, not " + std::to_string(step));
    const std::size_t i = normalize_axis("slice", axis, x.shape().rank());
    const std::size_t first = clip_position(start, x.shape()[i]);
    const std::size_t last = std::max(first, clip_position(stop, x.shape()[i]));
    const auto by = static_cast<std::size_t>(step);
    const std::size_t count = (last - first) / by + ((last - first) % by != 0);
    return apply_op(Slice{{i, first, count, by, false}}, x);
  });
}

template <class T>
Variable<T> select(const Variable<T>& x, int axis, std::int64_t index) {
  return attempt("select", x, [&] {
    const std::size_t i = normalize_axis("select", axis, x.shape().rank());
    const auto extent = static_cast<std::int64_t>(x.shape()[i]);
    if (index < -extent || index >= extent)
      throw IndexError("select", "index " + std::to_string(index) + " is out of range for axis " +
                                     std::to_string(axis) + " of " + x.shape().str());
    return apply_op(Slice{{i, clip_position(index, x.shape()[i]), 1, 1, true}}, x);
  });
}

template <class T>
Variable<T> detail::slice_put(const Variable<T>& x, const Shape& shape, std::size_t axis,
                              std::size_t start, std::size_t step, bool drop) {
  return apply_op(SlicePut{{axis, start, drop ? 1 : x.shape()[axis], step, drop}, shape}, x);
}

template <class T>
Variable<T> concatenate(std::span<const Variable<T>> x, int axis) {
  if (x.empty()) throw ArgumentError("concatenate", "no arrays given");
  return attempt("concatenate", x[0], [&] {
    const std::size_t i = normalize_axis("concatenate", axis, x[0].shape().rank());
    return detail::apply_variadic(Concatenate{i}, x);
  });
}

template <class T>
Variable<T> stack(std::span<const Variable<T>> x, int axis) {
  if (x.empty()) throw ArgumentError("stack", "no arrays given");
  return attempt("stack", x[0], [&] {
    const std::size_t i = normalize_axis("stack", axis, x[0].shape().rank() + 1);
    return detail::apply_variadic(Stack{i}, x);
  });
}

template <class T>
std::vector<Variable<T>> split(const Variable<T>& x, std::size_t sections, int axis) {
  return attempt("split", x, [&] {
    if (sections == 0) throw ArgumentError("split", "no sections");
    const std::size_t i = normalize_axis("split", axis, x.shape().rank());
    return detail::apply_outputs(Split{i, sections}, x);
  });
}

TAPESTRY_INSTANTIATE(slice, select, detail::slice_put, split)
TAPESTRY_INSTANTIATE_AS((Variable<T>(std::span<const Variable<T>>, int)), concatenate, stack)

}  // namespace tapestry
