// SPDX-License-Identifier: MIT
#include "text.hpp"

#include <tapestry/autodiff.hpp>

#include <cstdlib>
#include <fstream>

std::string fixed(double value, int digits) {
  const std::string result = tapestry::fixed_text(value, digits);
  const bool zero = result.find_first_not_of("-0.") == std::string::npos;
  return zero && result.front() == '-' ? result.substr(1) : result;
}

std::string column(const std::string& text, int width) {
  const std::size_t characters = tapestry::utf8::count(text);
  const auto wanted = static_cast<std::size_t>(std::abs(width));
  const std::string space(characters < wanted ? wanted - characters : 0, ' ');
  return width < 0 ? space + text : text + space;
}

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw tapestry::FileError("read_lines", "cannot read '" + path + "'");
  std::vector<std::string> lines;
  bool first = true;
  for (std::string line; std::getline(file, line); first = false) {
    if (first && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // a byte order mark
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}
