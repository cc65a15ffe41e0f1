// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/number_text.hpp"

#include <algorithm>
#include <cmath>

namespace tapestry {
namespace {

/// What `std::to_chars` writes. The sign of a NaN says nothing.
template <class... Format>
std::string written(double x, Format... format) {
  if (std::isnan(x)) return "nan";
  std::string text(32, '\0');
  for (;;) {
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), x, format...);
    if (error == std::errc{}) {
      text.resize(static_cast<std::size_t>(end - text.data()));
      return text;
    }
    text.resize(2 * text.size());
  }
}

}  // namespace

std::string number_text(double x, int digits) {
  return written(x, std::chars_format::general, std::max(digits, 1));
}

std::string exact_text(double x) { return written(x); }

std::string fixed_text(double x, int decimals) {
  return written(x, std::chars_format::fixed, std::max(decimals, 0));
}

std::string scientific_text(double x, int decimals) {
  return written(x, std::chars_format::scientific, std::max(decimals, 0));
}

std::string hex_text(std::uint64_t n, std::size_t width) {
  std::string text;
  for (; n > 0 || text.size() < std::max<std::size_t>(width, 1); n /= 16)
    text += "0123456789ABCDEF"[n % 16];
  std::ranges::reverse(text);
  return text;
}

}  // namespace tapestry
