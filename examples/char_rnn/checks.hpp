// SPDX-License-Identifier: MIT
// Checks of numbers on the command line. Those of CLI11 let NaN pass, and "-1" as a large number.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
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

/// A finite number that is not negative.
[[nodiscard]] inline CLI::Validator not_negative() {
  const auto check = [](const std::string& text) {
    double number = 0;
    const bool good = CLI::detail::lexical_cast(text, number) && number >= 0 &&
                      number <= std::numeric_limits<double>::max();
    return good ? std::string() : "expects a number from 0 on, not " + text;
  };
  return {check, "NONNEGATIVE"};
}

/// A number from `low` to `high`.
[[nodiscard]] inline CLI::Validator between(double low, double high) {
  const auto shown = [](double number) {
    std::string text = std::to_string(number);
    return text.substr(0, text.find('.') + 2);
  };
  const std::string range = shown(low) + " to " + shown(high);
  const auto check = [=](const std::string& text) {
    double number = 0;
    const bool good = CLI::detail::lexical_cast(text, number) && number >= low && number <= high;
    return good ? std::string() : "expects a number from " + range + ", not " + text;
  };
  return {check, "in " + range};
}

/// A probability that is not 0.
[[nodiscard]] inline CLI::Validator positive_share() {
  const auto check = [](const std::string& text) {
    double number = 0;
    const bool good = CLI::detail::lexical_cast(text, number) && number > 0 && number <= 1;
    return good ? std::string() : "expects a number above 0, up to 1, not " + text;
  };
  return {check, "above 0, up to 1"};
}
