// SPDX-License-Identifier: MIT
// Parameters of known values, for the tests of files.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/parameter.hpp"

namespace tapestry::test {

template <class T>
Parameter<T> filled(std::vector<std::size_t> shape, T value) {
  Array<T> array;
  array.resize(shape);
  array.fill(value);
  return Parameter<T>(std::move(array));
}

/// first, first + 1, ...
template <class T>
Parameter<T> counting(std::vector<std::size_t> shape, T first) {
  Array<T> array;
  array.resize(shape);
  for (T& value : array) value = first++;
  return Parameter<T>(std::move(array));
}

}  // namespace tapestry::test
