// SPDX-License-Identifier: MIT
// What a function takes that wants numbers: whatever a program has them in.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry {

namespace detail {

/// A number or numbers in braces, nested as deep as the array has axes: {{0.8}, {0.2}} is a column.
template <class T>
class Braces {
 public:
  template <class N>
  requires std::is_arithmetic_v<N> Braces(N number)  // NOLINT: converts
      : number_(static_cast<T>(number)) {}
  Braces(std::initializer_list<Braces> parts) : parts_(parts), is_number_(false) {}

  /// Throws ShapeError, naming `where`, unless parts that stand beside each other have one shape.
  [[nodiscard]] Shape shape(std::string_view where) const;

  /// Writes the numbers to `out`, which has room for them, and returns the place after them.
  T* write(T* out) const;

 private:
  std::initializer_list<Braces> parts_;
  T number_{};
  bool is_number_ = true;
};

/// Numbers that were copied from vectors in vectors.
template <class T>
struct Gathered {
  std::vector<T> numbers;
  Shape shape;
  std::string problem;  // why they are no array; usually empty
};

/// What the parts of a vector of vectors are called: rows, matrices.
std::string ragged_text(std::size_t part, const Shape& first, const Shape& other);

template <class X>
concept CharacterType =
    std::same_as<X, char> || std::same_as<X, signed char> || std::same_as<X, wchar_t> ||
    std::same_as<X, char8_t> || std::same_as<X, char16_t> || std::same_as<X, char32_t>;

template <class R>
using ElementOf = std::remove_cvref_t<std::ranges::range_reference_t<const R&>>;

/// Ranges of numbers, and ranges of such; texts and arrays are none.
template <class R>
constexpr bool is_numbers() {
  if constexpr (!std::ranges::input_range<const R&> || xt::is_xexpression<R>::value)
    return false;
  else if constexpr (std::is_same_v<ElementOf<R>, R>)
    return false;
  else if constexpr (std::ranges::range<ElementOf<R>>)
    return is_numbers<ElementOf<R>>();
  else
    return std::convertible_to<std::ranges::range_reference_t<const R&>, double> &&
           !CharacterType<ElementOf<R>>;
}

template <class T, class R>
void gather(const R& range, Gathered<T>& to) {
  std::size_t count = 0;
  if constexpr (std::ranges::range<ElementOf<R>>) {
    Shape first;
    for (const auto& part : range) {
      to.shape = {};
      gather(part, to);
      if (count == 0) first = to.shape;
      if (!(to.shape == first) && to.problem.empty())
        to.problem = ragged_text(count, first, to.shape);
      ++count;
    }
    to.shape = count == 0 ? Shape{0} : first;
  } else {
    to.shape = {};
    for (const auto& number : range) {
      to.numbers.push_back(static_cast<T>(number));
      ++count;
    }
  }
  if (to.shape.rank() == Shape::max_rank) {
    to.problem = "vectors in more than " + std::to_string(Shape::max_rank) + " vectors";
    return;
  }
  to.shape.insert(0, count);
}

}  // namespace detail

/// The numbers that a function takes: one number; numbers in braces, nested as deep as there are
/// axes; an array, a view of one, or any xtensor expression; a vector, a span or any other range of
/// numbers; a range of such ranges, which gives rows. Numbers of another type are converted. Meant
/// for parameters of functions: it refers to what it was made from.
template <class T = float>
class ArrayLike {
 public:
  using value_type = T;

  template <class N>
  requires std::is_arithmetic_v<N> ArrayLike(N number)  // NOLINT: converts, as the others do
      : is_number_(true), number_(static_cast<T>(number)) {}
  ArrayLike(std::initializer_list<detail::Braces<T>> braces)  // NOLINT
      : braces_(braces), in_braces_(true) {}
  ArrayLike(const Array<T>& array) : data_(array.data()), shape_(array.shape()) {}  // NOLINT
  ArrayLike(const View<T>& view) : data_(view.data()), shape_(view.shape()) {}      // NOLINT

  template <class E>
  requires xt::is_xexpression<E>::value ArrayLike(const E& expression) {  // NOLINT
    const Array<T> array = xt::cast<T>(expression);
    own({{array.begin(), array.end()}, Shape(array.shape()), {}});
  }
  template <class R>
  requires(detail::is_numbers<R>()) ArrayLike(const R& range) {  // NOLINT
    if constexpr (std::ranges::contiguous_range<const R&> &&
                  std::same_as<detail::ElementOf<R>, T>) {
      data_ = std::ranges::data(range);
      shape_ = {static_cast<std::size_t>(std::ranges::size(range))};
    } else {
      detail::Gathered<T> gathered;
      detail::gather(range, gathered);
      own(std::move(gathered));
    }
  }

  [[nodiscard]] bool is_number() const { return is_number_; }

  /// Throws ShapeError, naming `where`, when rows that stand beside each other differ in length.
  [[nodiscard]] Shape shape(std::string_view where) const;

  /// Writes the numbers to `out`, which has room for those of the shape.
  void write(T* out) const;

  /// The numbers as an array of their own. Throws as `shape` does.
  [[nodiscard]] Array<T> array(std::string_view where) const;

 private:
  void own(detail::Gathered<T> gathered) {
    gathered_ = std::make_unique<detail::Gathered<T>>(std::move(gathered));
    data_ = gathered_->numbers.data();
    shape_ = gathered_->shape;
  }

  const T* data_ = nullptr;
  Shape shape_;
  std::initializer_list<detail::Braces<T>> braces_;
  std::unique_ptr<detail::Gathered<T>> gathered_;
  bool in_braces_ = false;
  bool is_number_ = false;
  T number_{};
};

namespace detail {

/// Vectors, spans and other ranges of integers, and ranges of them: class numbers and positions.
template <class R>
constexpr bool is_integers() {
  if constexpr (!is_numbers<R>())
    return false;
  else if constexpr (std::ranges::range<ElementOf<R>>)
    return is_integers<ElementOf<R>>();
  else
    return std::integral<ElementOf<R>>;
}
template <class R>
concept IntegerRange = is_integers<R>();

/// The integers as an array. Throws ShapeError when rows differ in length.
Indices indices_of(const char* where, const Gathered<std::int64_t>& integers);
template <IntegerRange R>
Indices indices_of(const char* where, const R& range) {
  Gathered<std::int64_t> integers;
  gather(range, integers);
  return indices_of(where, integers);
}

/// What becomes a constant beside a variable, where a number alone is an operand already.
template <class X, class T>
concept ConstantFor = !std::is_arithmetic_v<std::remove_cvref_t<X>> &&
                      std::constructible_from<ArrayLike<T>, const std::remove_cvref_t<X>&>;

}  // namespace detail

TAPESTRY_EXTERN_TYPES(class detail::Braces, class ArrayLike)

}  // namespace tapestry
