// SPDX-License-Identifier: MIT
// Where and when a tape uses what a loss is studied with respect to.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "record.hpp"
#include "tapestry/study/loss_terms.hpp"

namespace tapestry::detail {

/// A use of the source. Where it is one factor of a matrix product with few rows, its gradient is
/// known by those: sum over rows r of left(r) right(r)ᵀ, one of which is the gradient of the
/// product and the other the other operand. It need then not be formed.
struct Use {
  std::uint32_t node = 0;  // of the record
  std::size_t column = 0;  // place of its time among all
  bool factored = false;
  std::uint32_t target = 0;    // whose gradient is to be read: the node's or the product's
  std::uint32_t other = 0;     // position of the other operand
  bool gradient_left = false;  // the product's gradient is the left factor
  std::size_t rows = 0;
};

/// The uses of a source from which gradients flow to the terms of an objective.
template <class T>
struct Uses {
  Record<T> record;
  std::vector<Use> all;             // in the order of the tape
  std::vector<std::int64_t> times;  // ascending, also of uses that no loss depends on
  std::vector<std::size_t> counts;  // uses at each time
};

/// Throws as `time_table` does when there is nothing to study.
template <class T>
Uses<T> find_uses(std::string_view op, const LossTerms<T>& terms, const Source<T>& source);

}  // namespace tapestry::detail
