// SPDX-License-Identifier: MIT
#include "dot/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/utf8.hpp"

namespace tapestry::detail {
namespace {

constexpr std::string_view ellipsis = "…";
constexpr std::size_t longest_string = 1'000;  // Graphviz reads at most 16,384 bytes in one piece

constexpr std::array<std::pair<std::string_view, std::string_view>, 16> symbols{{
    {"add", "+"},
    {"subtract", "−"},
    {"multiply", "×"},
    {"divide", "÷"},
    {"negative", "−x"},
    {"sigmoid", "σ"},
    {"square", "x²"},
    {"sqrt", "√x"},
    {"sum", "Σ"},
    {"greater", ">"},
    {"greater_equal", "≥"},
    {"less", "<"},
    {"less_equal", "≤"},
    {"equal", "="},
    {"pow", "xʸ"},
    {"broadcast_to", "broadcast"},
}};

/// What stands for a character that has a meaning of its own in labels. These are XML in which
/// Graphviz replaces \\N and the like.
std::string_view entity(std::string_view character) {
  if (character == "\\") return "\\\\";
  if (character == "&") return "&amp;";
  if (character == "<") return "&lt;";
  if (character == ">") return "&gt;";
  if (character == "\"") return "&quot;";
  return character;
}

/// Operator and number of an op with a number for an operand, "× 0.5", "− 1", "1 −"; else empty.
std::string scalar_formula(const GraphNode& node) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> signs{
      {{"+", "+"}, {"-", "−"}, {"*", "×"}, {"/", "÷"}}};
  std::string text;
  bool has_sign = false;
  for (const OpAttribute& part : node.attributes) {
    const auto sign = std::ranges::find(signs, part.name, [](const auto& s) { return s.first; });
    has_sign |= sign != signs.end();
    if (!text.empty()) text += ' ';
    if (sign != signs.end())
      text += sign->second;
    else if (part.value.starts_with('-'))
      text = (text == "+ " ? "− " : text + "−") + part.value.substr(1);
    else
      text += part.value;
  }
  return has_sign ? text : "";
}

/// "0.5", "[1, 2]", "[[1, 2],<br/>[3, 4]]".
std::string elements_html(const GraphData& data, const Shape& shape) {
  if (shape.rank() == 0) return short_number(data.elements[0]);
  constexpr std::size_t per_line = 4;
  const std::size_t columns = shape.back();
  std::string text = shape.rank() == 2 ? "[[" : "[";
  for (std::size_t k = 0; k < data.elements.size(); ++k) {
    const std::size_t column = k % columns;
    if (k > 0) text += column == 0 ? "],<br/>[" : column % per_line == 0 ? ",<br/>" : ", ";
    text += short_number(data.elements[k], 3);
  }
  return text + (shape.rank() == 2 ? "]]" : "]");
}

std::string statistics_html(const GraphData& data, std::size_t size) {
  if (data.not_finite == size) return "nothing finite";
  if (size == 1) return short_number(data.min);
  if (data.min == data.max && data.not_finite == 0) return "all " + short_number(data.min);
  const std::string text = short_number(data.min, 3) + " … " + short_number(data.max, 3) +
                           "<br/>mean " + short_number(data.mean, 3);
  if (data.not_finite == 0) return text;
  return text + "<br/>" + grouped(data.not_finite) + " of " + grouped(size) + " not finite";
}

}  // namespace

std::string html(std::string_view text, std::size_t max_length) {
  std::string result;
  for (std::size_t n = 0; !text.empty(); ++n) {
    if (n == max_length) return result.append(ellipsis);
    result += entity(utf8::take_shown(text));
  }
  return result;
}

std::string dot_string(std::string_view text) {
  std::string result = "\"";
  for (std::size_t n = 0; !text.empty(); ++n) {
    if (n == longest_string) {
      result += ellipsis;
      break;
    }
    const std::string_view character = entity(utf8::take_shown(text));
    if (character.front() == '\\') result += character;  // for the string, besides the label
    result += character;
  }
  return result += '"';
}

std::string short_number(double x, int digits) {
  if (std::isnan(x)) return "NaN";
  if (std::isinf(x)) return x > 0 ? "∞" : "−∞";
  const double size = std::abs(x);
  for (double limit = std::pow(10, digits); limit <= size && limit < 1e6; limit *= 10) ++digits;
  std::string text = number_text(x, digits);
  if (const std::size_t e = text.find('e'); e != std::string::npos) {
    const bool small = text[e + 1] == '-';
    text.replace(e + 1, text.find_first_not_of("+-0", e + 1) - e - 1, small ? "−" : "");
  }
  if (text[0] == '-') text.replace(0, 1, "−");
  return text;
}

std::string grouped(std::size_t n) {
  std::string text = std::to_string(n);
  for (std::size_t i = text.size(); i > 3;) text.insert(i -= 3, 1, ',');
  return text;
}

std::string numbers_html(const GraphData& data, const Shape& shape) {
  const std::size_t size = shape.size();
  if (size == 0) return "no elements";
  if (size <= few_elements && shape.rank() <= 2 && data.elements.size() == size)
    return elements_html(data, shape);
  return statistics_html(data, size);
}

std::string op_symbol(const GraphNode& node) {
  if (std::string formula = scalar_formula(node); !formula.empty()) return formula;
  const auto found = std::ranges::find(symbols, node.op, [](const auto& s) { return s.first; });
  return std::string(found == symbols.end() ? node.op : found->second);
}

std::string op_detail(const GraphNode& node) {
  if (!scalar_formula(node).empty()) return {};
  if (node.op == "matmul" && !node.attributes.empty())
    return std::string(is_on(node.attributes, "aT") ? "Aᵀ" : "A") +
           (is_on(node.attributes, "bT") ? " Bᵀ" : " B");
  return str(node.attributes);
}

std::string scope_label(const GraphScope& scope) {
  std::string label(scope.name);
  return scope.number < 0 ? label : label + ' ' + std::to_string(scope.number);
}

}  // namespace tapestry::detail
