// SPDX-License-Identifier: MIT
#include "claims.hpp"

#include <cstdlib>
#include <iostream>
#include <sstream>
#include <stdexcept>

void Claims::check(bool holds, const std::string& claim) {
  std::cout << (holds ? "Shown: " : "NOT shown: ") << claim << '\n';
  failed_ += !holds;
}

void Claims::settle() const {
  if (failed_ > 0) throw std::runtime_error("did not show what it should, see above");
}

std::string fixed(double value, int digits) {
  std::ostringstream text;
  text << std::fixed;
  text.precision(digits);
  text << value;
  const std::string result = text.str();
  const bool zero = result.find_first_not_of("-0.") == std::string::npos;
  return zero && result.front() == '-' ? result.substr(1) : result;
}

std::string column(const std::string& text, int width) {
  std::size_t characters = 0;
  for (const char c : text) characters += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  const auto wanted = static_cast<std::size_t>(std::abs(width));
  const std::string space(characters < wanted ? wanted - characters : 0, ' ');
  return width < 0 ? space + text : text + space;
}
