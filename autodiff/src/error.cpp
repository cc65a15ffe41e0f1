// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/error.hpp"

#include "tapestry/autodiff/utf8.hpp"

namespace tapestry {

Error::Error(std::string_view op, std::string_view text) {
  message_ = utf8::harmless("[" + std::string(op) + "] " + std::string(text));
}

void Error::add_place(std::string_view place) {
  if (has_place_ || place.empty()) return;
  has_place_ = true;
  message_.append(" (in ").append(utf8::harmless(place)).append(")");
}

}  // namespace tapestry
