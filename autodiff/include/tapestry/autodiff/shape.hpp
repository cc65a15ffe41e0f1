// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <ranges>
#include <span>
#include <string>
#include <utility>

#include "tapestry/autodiff/print.hpp"

namespace tapestry {

class Axes;

/// Stands for the one extent in `reshape` that follows from the others.
inline constexpr std::size_t rest = ~std::size_t{0};

/// The extents of an array, outermost first; at most `max_rank` of them. A plain value without
/// heap memory, so that a node of the tape can hold it.
class Shape {
 public:
  static constexpr std::size_t max_rank = 8;

  constexpr Shape() = default;

  /// Throws ShapeError when there are more than `max_rank` extents.
  constexpr Shape(std::initializer_list<std::size_t> extents) {
    for (const std::size_t n : extents) push_back(n);
  }

  /// From any range of integers, such as `array.shape()`. Throws ShapeError beyond `max_rank`.
  template <std::ranges::input_range Range>
  requires(!std::same_as<std::remove_cvref_t<Range>, Shape>) explicit constexpr Shape(
      const Range& extents) {
    for (const auto n : extents) push_back(static_cast<std::size_t>(n));
  }

  [[nodiscard]] constexpr std::size_t rank() const { return rank_; }

  /// Number of elements: the product of the extents, 1 for rank 0.
  [[nodiscard]] constexpr std::size_t size() const {
    std::size_t n = 1;
    for (std::size_t i = 0; i < rank_; ++i) n *= extents_[i];
    return n;
  }

  [[nodiscard]] constexpr std::size_t operator[](std::size_t i) const { return extents_[i]; }
  [[nodiscard]] constexpr std::size_t& operator[](std::size_t i) { return extents_[i]; }
  [[nodiscard]] constexpr std::size_t back() const { return extents_[rank_ - 1]; }
  [[nodiscard]] constexpr const std::size_t* begin() const { return extents_.data(); }
  [[nodiscard]] constexpr const std::size_t* end() const { return extents_.data() + rank_; }

  /// Appends an extent. Throws ShapeError beyond `max_rank`.
  constexpr void push_back(std::size_t extent) {
    if (rank_ == max_rank) throw_too_many();
    extents_[rank_++] = extent;
  }

  /// Inserts `extent` before axis `axis` (0 to rank). Throws ShapeError beyond `max_rank`.
  void insert(std::size_t axis, std::size_t extent);

  /// Removes axis `axis` (0 to rank - 1).
  void erase(std::size_t axis);

  /// The part [first, last) of the extents.
  [[nodiscard]] Shape part(std::size_t first, std::size_t last) const;

  /// As NumPy writes it: "()", "(3,)", "(32, 64)".
  [[nodiscard]] std::string str() const;

  friend constexpr bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (std::size_t i = 0; i < a.rank_; ++i)
      if (a.extents_[i] != b.extents_[i]) return false;
    return true;
  }

 private:
  friend class Axes;
  [[noreturn]] static void throw_too_many();

  std::array<std::size_t, max_rank> extents_{};
  std::size_t rank_ = 0;
};

/// Which axes an operation works on: one, several in braces, or, by default, all of them.
/// Negative axes count from the end, as in NumPy.
class Axes {
 public:
  constexpr Axes() = default;
  /// Converts: sum(x, 0) reads like NumPy. A bool or a floating-point number is no axis.
  template <std::integral I>
  requires(!std::same_as<I, bool>) constexpr Axes(I axis) {  // NOLINT
    constexpr int most = std::numeric_limits<int>::max();    // an axis that no array has
    push_back(std::in_range<int>(axis) ? static_cast<int>(axis) : most);
  }
  constexpr Axes(std::initializer_list<int> axes) {
    for (const int axis : axes) push_back(axis);
  }

  [[nodiscard]] constexpr bool all() const { return count_ == 0; }
  [[nodiscard]] constexpr std::size_t size() const { return count_; }
  [[nodiscard]] constexpr const int* begin() const { return axes_.data(); }
  [[nodiscard]] constexpr const int* end() const { return axes_.data() + count_; }

 private:
  constexpr void push_back(int axis) {
    if (count_ == Shape::max_rank) Shape::throw_too_many();
    axes_[count_++] = axis;
  }

  std::array<int, Shape::max_rank> axes_{};
  std::size_t count_ = 0;
};

/// The shape that `a` and `b` broadcast to under NumPy's rules.
/// Throws ShapeError naming `op` when an extent pair differs and neither is 1.
[[nodiscard]] Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

/// Axis `axis` of an array of rank `rank`, counted from the front.
/// Throws IndexError naming `op` when it lies outside [-rank, rank).
[[nodiscard]] std::size_t normalize_axis(const char* op, int axis, std::size_t rank);

/// The axes of an array of rank `rank` as a set: bit i stands for axis i.
/// Throws IndexError naming `op` when one is out of range or given twice.
[[nodiscard]] std::uint32_t axis_set(const char* op, const Axes& axes, std::size_t rank);

/// `shape` with the extents of the axes in `set` made 1 (`keepdims`) or removed.
[[nodiscard]] Shape reduced_shape(const Shape& shape, std::uint32_t set, bool keepdims);

/// Where element `flat` in row-major order stands in an array of shape `shape`.
[[nodiscard]] Shape position_of(const Shape& shape, std::size_t flat);

/// Row-major strides of `shape`, in elements.
[[nodiscard]] std::array<std::size_t, Shape::max_rank> strides_of(const Shape& shape);

}  // namespace tapestry
