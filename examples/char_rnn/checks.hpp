// SPDX-License-Identifier: MIT
// Checks of numbers on the command line. Those of CLI11 let NaN pass, and "-1" as a large number.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

/// A whole number, not less than `least`.
[[nodiscard]] inline CLI::Validator whole(std::uint64_t least = 0) {
  const auto check = [least](const std::string& text) {
    constexpr std::size_t most_digits = std::numeric_limits<std::int64_t>::digits10;
    const bool digits = !text.empty() && text.size() <= most_digits &&
                        text.find_first_not_of("0123456789") == std::string::npos;
    return digits && std::stoull(text) >= least
               ? std::string()
               : "expects a whole number from " + std::to_string(least) + " on, not " + text;
  };
  return {check, least > 0 ? "POSITIVE" : "NONNEGATIVE"};
}

/// A number for which `holds`; `range` is what help and messages call it.
[[nodiscard]] inline CLI::Validator number(const std::string& range, const std::string& help,
                                           const std::function<bool(double)>& holds) {
  const auto check = [=](const std::string& text) {
    double value = 0;
    return CLI::detail::lexical_cast(text, value) && holds(value)
               ? std::string()
               : "expects a number " + range + ", not " + text;
  };
  return {check, help};
}

/// A finite number that is not negative.
[[nodiscard]] inline CLI::Validator not_negative() {
  return number("from 0 on", "NONNEGATIVE",
                [](double x) { return x >= 0 && x <= std::numeric_limits<double>::max(); });
}

/// A number from 0 to `most`, which has one digit after the point.
[[nodiscard]] inline CLI::Validator share(double most = 1) {
  const std::string text = std::to_string(most);
  const std::string range = "0.0 to " + text.substr(0, text.find('.') + 2);
  return number("from " + range, "in " + range, [most](double x) { return x >= 0 && x <= most; });
}

/// A probability that is not 0.
[[nodiscard]] inline CLI::Validator positive_share() {
  return number("above 0, up to 1", "above 0, up to 1", [](double x) { return x > 0 && x <= 1; });
}
