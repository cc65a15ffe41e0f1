// SPDX-License-Identifier: MIT
#include "checks.hpp"

#include <tapestry/autodiff/number_text.hpp>

#include <charconv>
#include <limits>
#include <utility>

namespace {

/// A number for which `holds`; `range` is what messages call it.
Check number(std::string help, const std::string& range, std::function<bool(double)> holds) {
  const auto complaint = [=](const std::string& text) {
    double value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    return error == std::errc() && stop == end && holds(value)
               ? std::string()
               : "expects a number " + range + ", not " + text;
  };
  return {std::move(help), complaint};
}

}  // namespace

Check whole(std::uint64_t least) {
  const auto complaint = [least](const std::string& text) {
    constexpr std::size_t most_digits = std::numeric_limits<std::int64_t>::digits10;
    const bool digits = !text.empty() && text.size() <= most_digits &&
                        text.find_first_not_of("0123456789") == std::string::npos;
    return digits && std::stoull(text) >= least
               ? std::string()
               : "expects a whole number from " + std::to_string(least) + " on, not " + text;
  };
  return {least > 0 ? "POSITIVE" : "NONNEGATIVE", complaint};
}

Check not_negative() {
  return number("NONNEGATIVE", "from 0 on",
                [](double x) { return x >= 0 && x <= std::numeric_limits<double>::max(); });
}

Check share(double most) {
  const std::string range = "0 to " + tapestry::number_text(most);
  return number("in " + range, "from " + range, [most](double x) { return x >= 0 && x <= most; });
}

Check positive_share() {
  return number("above 0, up to 1", "above 0, up to 1", [](double x) { return x > 0 && x <= 1; });
}

Check one_of(std::initializer_list<const char*> words) {
  std::string list = " ";
  for (const std::string word : words) list += word + ' ';
  std::string help = "{" + list.substr(1, list.size() - 2) + "}";
  for (char& c : help)
    if (c == ' ') c = ',';
  const auto complaint = [=](const std::string& text) {
    const bool found = text.find(' ') == text.npos && list.find(' ' + text + ' ') != text.npos;
    return found ? std::string() : text + " not in " + help;
  };
  return {help, complaint};
}
