// SPDX-License-Identifier: MIT
// Where and when a tape uses a parameter.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/study/loss_terms.hpp"

namespace tapestry::detail {

/// A use of a parameter. Where it is one factor of a matrix product with few rows, its gradient is
/// known by those: sum over rows r of left(r) right(r)ᵀ, one of which is the gradient of the
/// product and the other the other operand. It need then not be formed.
struct ParameterUse {
  std::uint32_t leaf = 0;
  std::size_t column = 0;  // place of its time among all
  bool factored = false;
  std::uint32_t target = 0;    // whose gradient is to be read: the leaf's or the product's
  std::uint32_t other = 0;     // the other operand
  bool gradient_left = false;  // the product's gradient is the left factor
  std::size_t rows = 0;
};

struct ParameterUses {
  std::vector<ParameterUse> uses;   // in the order of the tape
  std::vector<std::int64_t> times;  // ascending
  std::vector<std::size_t> counts;  // uses at each time
};

/// The uses of `parameter` on the tape. Throws as `time_table` does when there is none to study.
template <class T>
ParameterUses find_uses(const TapeState<T>& state, std::string_view op,
                        const Parameter<T>& parameter);

/// Checks the terms; returns their tape.
template <class T>
TapeState<T>& check_terms(std::string_view op, const LossTerms<T>& terms);

}  // namespace tapestry::detail
