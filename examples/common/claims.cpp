// SPDX-License-Identifier: MIT
#include "claims.hpp"

#include <iostream>
#include <stdexcept>

void Claims::check(bool holds, const std::string& claim) {
  std::cout << (holds ? "Shown: " : "NOT shown: ") << claim << '\n';
  failed_ += !holds;
}

void Claims::settle() const {
  if (failed_ > 0) throw std::runtime_error("did not show what it should, see above");
}
