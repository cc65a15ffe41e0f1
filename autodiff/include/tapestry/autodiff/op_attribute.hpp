// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapestry/autodiff/number_text.hpp"

namespace tapestry {

/// Something that an op was told besides its inputs, such as `axis` and 1.
struct OpAttribute {
  std::string name;              ///< "axis"; empty where the value speaks for itself
  std::string value;             ///< "1"; empty for a switch that is on
  std::optional<double> number;  ///< the value, where it is one number

  OpAttribute(std::string what, std::string text = {})
      : name(std::move(what)), value(std::move(text)) {}
  OpAttribute(std::string what, double x)
      : name(std::move(what)), value(number_text(x)), number(x) {}
  template <std::integral I>
  OpAttribute(std::string what, I n)
      : name(std::move(what)), value(std::to_string(n)), number(static_cast<double>(n)) {}

  bool operator==(const OpAttribute& other) const {
    return name == other.name && value == other.value;
  }

  /// "axis=1", "reverse", "[2:5]".
  [[nodiscard]] std::string str() const {
    return name + (name.empty() || value.empty() ? "" : "=") + value;
  }
};

/// In the order in which they are read; `Op::attributes()` may return them.
using OpAttributes = std::vector<OpAttribute>;

/// Whether a switch is on.
[[nodiscard]] inline bool is_on(const OpAttributes& attributes, std::string_view name) {
  for (const OpAttribute& attribute : attributes)
    if (attribute.name == name) return true;
  return false;
}

/// All of them, for readers: "axis=1 reverse".
[[nodiscard]] inline std::string str(const OpAttributes& attributes) {
  std::string text;
  for (const OpAttribute& attribute : attributes)
    text += (text.empty() ? "" : " ") + attribute.str();
  return text;
}

}  // namespace tapestry
