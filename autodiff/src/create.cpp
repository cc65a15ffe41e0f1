// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/create.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry {
namespace {

template <class T>
Array<T> empty(const char* name, const Shape& shape) {
  detail::check_size(name, shape);
  return Array<T>(typename Array<T>::shape_type(shape.begin(), shape.end()));
}

void check_finite(const char* name, std::initializer_list<double> numbers) {
  for (const double x : numbers)
    if (!std::isfinite(x)) throw ArgumentError(name, number_text(x) + " is not finite");
}

}  // namespace

template <class T>
Array<T> full(const Shape& shape, std::type_identity_t<T> value) {
  Array<T> array = empty<T>("full", shape);
  std::fill_n(array.data(), array.size(), value);
  return array;
}

template <class T>
Array<T> arange(double start, double stop, double step) {
  check_finite("arange", {start, stop, step});
  if (step == 0) throw ArgumentError("arange", "the step is 0");
  const double count = std::max(0.0, std::ceil((stop - start) / step));
  if (!(count < 0x1p52))
    throw ShapeError("arange", number_text(count) + " numbers are more than an array can hold");
  Array<T> array = empty<T>("arange", {static_cast<std::size_t>(count)});
  for (std::size_t i = 0; i < array.size(); ++i)
    array.data()[i] = static_cast<T>(start + static_cast<double>(i) * step);
  return array;
}

template <class T>
Array<T> linspace(double start, double stop, std::size_t count) {
  check_finite("linspace", {start, stop});
  Array<T> array = empty<T>("linspace", {count});
  for (std::size_t i = 0; i < count; ++i)
    array.data()[i] = static_cast<T>(start + (stop - start) * static_cast<double>(i) /
                                                 static_cast<double>(count - 1));
  if (count > 0) array.data()[0] = static_cast<T>(start);  // also of one number
  if (count > 1) array.data()[count - 1] = static_cast<T>(stop);
  return array;
}

template <class T>
Array<T> rand(const Shape& shape, Generator& generator) {
  Array<T> array = empty<T>("rand", shape);
  for (std::size_t i = 0; i < array.size(); ++i) {
    do array.data()[i] = static_cast<T>(generator.uniform());
    while (array.data()[i] >= 1);  // a double just below 1 may be rounded up
  }
  return array;
}

template <class T>
Array<T> randn(const Shape& shape, Generator& generator) {
  Array<T> array = empty<T>("randn", shape);
  for (std::size_t i = 0; i < array.size(); ++i)
    array.data()[i] = static_cast<T>(generator.normal());
  return array;
}

template <class T>
Array<T> from(const ArrayLike<std::type_identity_t<T>>& data, const Shape& shape) {
  Array<T> array = empty<T>("from", detail::reshaped("from", data.shape("from"), shape));
  data.write(array.data());
  return array;
}

template Array<std::int64_t> full<std::int64_t>(const Shape&, std::int64_t);
template Array<std::int64_t> arange<std::int64_t>(double, double, double);
TAPESTRY_INSTANTIATE(full, linspace, rand, randn, from)
TAPESTRY_INSTANTIATE_AS((Array<T>(double, double, double)), arange)

}  // namespace tapestry
