// SPDX-License-Identifier: MIT
#include "marks.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "tapestry/autodiff/number_text.hpp"

namespace tapestry::detail {

std::string shade(double strength) {
  constexpr std::array<double, 3> light{255, 255, 255};
  constexpr std::array<double, 3> dark{171, 145, 219};
  const double s = std::clamp(strength, 0.0, 1.0);
  std::string text = "#";
  for (std::size_t k = 0; k < 3; ++k)
    text +=
        hex_text(static_cast<std::uint64_t>(std::lround(light[k] + s * (dark[k] - light[k]))), 2);
  return text;
}

}  // namespace tapestry::detail
