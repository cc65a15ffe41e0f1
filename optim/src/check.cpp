// SPDX-License-Identifier: MIT
#include "tapestry/optim/detail/check.hpp"

#include <cmath>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry::optim::detail {

void check_not_negative(const char* op, std::string_view name, double value) {
  if (!std::isfinite(value) || value < 0)
    throw ArgumentError(
        op, std::string(name) + " must be finite and not negative, got " + number_text(value));
}

void check_below_one(const char* op, std::string_view name, double value) {
  if (!(value >= 0 && value < 1))
    throw ArgumentError(op, std::string(name) + " must be in [0, 1), got " + number_text(value));
}

}  // namespace tapestry::optim::detail
