// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/detail/braces.hpp"

#include <cstddef>
#include <string>

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::detail {
namespace {

/// Throws unless all parts have as many elements as the first.
template <class Parts>
void check_equal(const char* where, const char* part, const char* elements, const Parts& parts) {
  std::size_t i = 0;
  for (const auto& one : parts) {
    if (one.size() != parts.begin()->size())
      throw ShapeError(where, std::string(part) + " 0 has " +
                                  std::to_string(parts.begin()->size()) + " " + elements + ", " +
                                  part + " " + std::to_string(i) + " has " +
                                  std::to_string(one.size()));
    ++i;
  }
}

}  // namespace

template <class T>
Array<T> from_braces(const char* where, BracedRows<T> rows) {
  check_equal(where, "row", "numbers", rows);
  return Array<T>(rows);
}

template <class T>
Array<T> from_braces(const char* where, BracedMatrices<T> matrices) {
  check_equal(where, "matrix", "rows", matrices);
  for (const BracedRows<T>& rows : matrices) {
    check_equal(where, "row", "numbers", rows);
    if (rows.size() > 0 && rows.begin()->size() != matrices.begin()->begin()->size())
      throw ShapeError(where, "the rows of the matrices differ in length");
  }
  return Array<T>(matrices);
}

TAPESTRY_INSTANTIATE_AS((Array<T>(const char*, BracedRows<T>)), from_braces)
TAPESTRY_INSTANTIATE_AS((Array<T>(const char*, BracedMatrices<T>)), from_braces)

}  // namespace tapestry::detail
