// SPDX-License-Identifier: MIT
// Numbers as text, and texts as numbers: the same in every locale, whatever the host program has
// set with setlocale or std::locale::global.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace tapestry {

/// At most `digits` significant digits, as "%g" writes them: "0.25", "1.2e-07", "inf", "nan".
[[nodiscard]] std::string number_text(double x, int digits = 6);

/// The fewest digits that give the number back: "0.1", "1e+22", "inf", "nan".
[[nodiscard]] std::string exact_text(double x);

/// So many digits after the point, as "%.2f" writes them: "0.50".
[[nodiscard]] std::string fixed_text(double x, int decimals = 6);

/// As "%.1e" writes a number: "2.5e-03".
[[nodiscard]] std::string scientific_text(double x, int decimals);

/// At least `width` hexadecimal digits: "0A".
[[nodiscard]] std::string hex_text(std::uint64_t n, std::size_t width);

/// The number that all of `text` spells, as the functions above and JSON write numbers; empty when
/// it spells none, or one that N cannot hold.
template <class N>
requires std::integral<N> || std::floating_point<N>
[[nodiscard]] std::optional<N> number_from(std::string_view text) {
  N number{};
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stopped != end || text.empty()) return {};
  return number;
}

}  // namespace tapestry
