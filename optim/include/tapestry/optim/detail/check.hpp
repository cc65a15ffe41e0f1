// SPDX-License-Identifier: MIT
// Checks and names that the optimizers share.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "tapestry/autodiff/parameter.hpp"

namespace tapestry::optim::detail {

/// Throws ArgumentError "[op] name must be finite and not negative, got value" when it is not.
void check_not_negative(const char* op, std::string_view name, double value);

/// Throws ArgumentError "[op] name must be in [0, 1), got value" when it is not.
void check_below_one(const char* op, std::string_view name, double value);

/// The parameter's name in quotes, or its position in the list when it has none.
template <class T>
[[nodiscard]] std::string label_of(const Parameter<T>& parameter, std::size_t position) {
  return parameter.name().empty() ? "parameter " + std::to_string(position)
                                  : "parameter '" + parameter.name() + "'";
}

/// Whether an optimizer has anything to do with the parameter. Ask this before `grad()`, which
/// makes a gradient of zeros where there is none.
template <class T>
[[nodiscard]] bool is_trained(const Parameter<T>& parameter) {
  return parameter.requires_grad() && parameter.has_grad();
}

}  // namespace tapestry::optim::detail
