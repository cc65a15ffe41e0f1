// SPDX-License-Identifier: MIT
#include "check.hpp"

#include <cmath>
#include <sstream>

#include "tapestry/autodiff/error.hpp"

namespace tapestry::optim {

std::string text_of(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

void check_not_negative(const char* op, std::string_view name, double value) {
  if (!std::isfinite(value) || value < 0)
    throw ArgumentError(
        op, std::string(name) + " must be finite and not negative, got " + text_of(value));
}

void check_below_one(const char* op, std::string_view name, double value) {
  if (!(value >= 0 && value < 1))
    throw ArgumentError(op, std::string(name) + " must be in [0, 1), got " + text_of(value));
}

}  // namespace tapestry::optim
