// SPDX-License-Identifier: MIT
#include "study/marks.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace tapestry::detail {

std::string shade(double strength) {
  constexpr std::array<double, 3> light{255, 255, 255};
  constexpr std::array<double, 3> dark{171, 145, 219};
  const double s = std::clamp(strength, 0.0, 1.0);
  std::array<int, 3> mixed{};
  for (std::size_t k = 0; k < 3; ++k)
    mixed[k] = static_cast<int>(std::lround(light[k] + s * (dark[k] - light[k])));
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "#%02X%02X%02X", static_cast<unsigned>(mixed[0]) & 255U,
                static_cast<unsigned>(mixed[1]) & 255U, static_cast<unsigned>(mixed[2]) & 255U);
  return text.data();
}

}  // namespace tapestry::detail
