// SPDX-License-Identifier: MIT
#include "study/text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>

namespace tapestry::detail {
namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (std::string_view("_#%&${}").find(c) != std::string_view::npos) result += '\\';
    if (c == '\\')
      result += "\\backslash ";
    else if (c == '^' || c == '~')
      result.append("\\").append(1, c).append("{}");
    else
      result += c;
  }
  return result;
}

/// One letter stands for itself, a word is set upright.
std::string letters(std::string_view text) {
  return width_of(text) == 1 ? escaped(text) : "\\mathrm{" + escaped(text) + '}';
}

}  // namespace

std::string number_text(double x, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*g", digits, x);
  return text.data();
}

std::string percent_text(double share) {
  if (std::isnan(share)) return "-";
  std::array<char, 64> text{};
  const double percent = 100 * share;
  std::snprintf(text.data(), text.size(), std::abs(percent) < 1e5 ? "%.1f %%" : "%.3g %%", percent);
  return std::string_view(text.data()) == "-0.0 %" ? "0.0 %" : text.data();
}

/// "h3" and "h[3]" are h with an index; so is "gate_i[3]", but not the number in "weight_ih_l0".
/// The place in the model that tells equal names apart becomes a superscript.
std::string latex_symbol(const StudyValue& value, std::string_view label) {
  if (value.name.empty()) return "v_{" + std::to_string(value.id) + '}';
  std::string above;
  if (!value.place.empty() && label.starts_with(value.place + '.' + value.name)) {
    above = "^{\\text{" + escaped(value.place) + "}}";
    label.remove_prefix(value.place.size() + 1);
  }
  std::string_view index;
  if (label.ends_with(']')) {
    const std::size_t open = label.rfind('[');
    index = label.substr(open + 1, label.size() - open - 2);
    label = label.substr(0, open);
  } else {
    std::size_t end = label.size();
    while (end > 0 && is_digit(label[end - 1])) --end;
    const bool one_letter = width_of(label.substr(0, end)) == 1;
    if (one_letter || (value.step >= 0 && std::to_string(value.step) == label.substr(end))) {
      index = label.substr(end);
      label = label.substr(0, end);
    }
  }
  const std::string symbol = letters(label) + above;
  return index.empty() ? symbol : symbol + "_{" + std::string(index) + '}';
}

std::size_t width_of(std::string_view utf8) {
  return static_cast<std::size_t>(std::ranges::count_if(
      utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string table(const std::vector<std::vector<std::string>>& rows, std::size_t texts) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t k = 0; k < row.size(); ++k) widths[k] = std::max(widths[k], width_of(row[k]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t k = 0; k < row.size(); ++k) {
      const std::string space(widths[k] - width_of(row[k]), ' ');
      line += k == 0 || k >= texts ? "  " + row[k] + space : "  " + space + row[k];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace tapestry::detail
