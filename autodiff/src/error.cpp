// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/error.hpp"

namespace tapestry {

Error::Error(std::string_view op, std::string_view text) {
  message_.append("[").append(op).append("] ").append(text);
}

void Error::add_place(std::string_view place) {
  if (has_place_ || place.empty()) return;
  has_place_ = true;
  message_.append(" (in ").append(place).append(")");
}

}  // namespace tapestry
