// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>

#include "tapestry/autodiff/array.hpp"

namespace tapestry::detail {

/// Numbers in braces: the rows of a matrix, or several matrices. With these as parameters columns
/// such as {{0.8}, {0.2}} are no longer ambiguous, as they are for an Array.
template <class T>
using BracedRows = std::initializer_list<std::initializer_list<T>>;
template <class T>
using BracedMatrices = std::initializer_list<BracedRows<T>>;

/// Throws ShapeError, naming `where`, unless all rows are equally long, and all matrices equally
/// high.
template <class T>
[[nodiscard]] Array<T> from_braces(const char* where, BracedRows<T> rows);
template <class T>
[[nodiscard]] Array<T> from_braces(const char* where, BracedMatrices<T> matrices);

}  // namespace tapestry::detail
