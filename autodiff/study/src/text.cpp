// SPDX-License-Identifier: MIT
#include "text.hpp"

#include <algorithm>
#include <cmath>

#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/utf8.hpp"

namespace tapestry::detail {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A name as LaTeX prints it, in formulas and in texts within them.
std::string escaped(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::string_view character = utf8::take_shown(text);
    if (character == "\\")
      result += "\\text{\\textbackslash}";
    else if (character == "^")
      result += "\\text{\\textasciicircum}";
    else if (character == "~")
      result += "\\text{\\textasciitilde}";
    else if (std::string_view("_#%&${}").find(character) != std::string_view::npos)
      result.append("\\").append(character);
    else
      result += character;
  }
  return result;
}

/// One letter stands for itself, a word is set upright.
std::string letters(std::string_view text) {
  return utf8::count(text) == 1 ? escaped(text) : "\\mathrm{" + escaped(text) + '}';
}

}  // namespace

std::string percent_text(double share) {
  if (std::isnan(share)) return "-";
  const double percent = 100 * share;
  const std::string text =
      std::abs(percent) < 1e5 ? fixed_text(percent, 1) : number_text(percent, 3);
  return (text == "-0.0" ? "0.0" : text) + " %";
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
  if (label.ends_with(']') && label.find('[') != label.npos) {
    const std::size_t open = label.rfind('[');
    index = label.substr(open + 1, label.size() - open - 2);
    label = label.substr(0, open);
  } else {
    std::size_t end = label.size();
    while (end > 0 && is_digit(label[end - 1])) --end;
    const bool one_letter = utf8::count(label.substr(0, end)) == 1;
    if (one_letter || (value.step >= 0 && std::to_string(value.step) == label.substr(end))) {
      index = label.substr(end);
      label = label.substr(0, end);
    }
  }
  const std::string symbol = letters(label) + above;
  return index.empty() ? symbol : symbol + "_{" + escaped(index) + '}';
}

std::string table(std::vector<std::vector<std::string>> rows, std::size_t texts) {
  for (auto& row : rows)
    for (std::string& cell : row) cell = utf8::shown(cell);
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t k = 0; k < row.size(); ++k)
      widths[k] = std::max(widths[k], utf8::count(row[k]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t k = 0; k < row.size(); ++k) {
      const std::string space(widths[k] - utf8::count(row[k]), ' ');
      line += k == 0 || k >= texts ? "  " + row[k] + space : "  " + space + row[k];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace tapestry::detail
