// SPDX-License-Identifier: MIT
// Recurrent cells as users write them.
#pragma once

#include <array>
#include <vector>

#include "paper_cells.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/layers/cell.hpp"

namespace tapestry::test {

/// Three states, a product of what the step has computed, and x itself within the equation.
struct ThreeStates {
  static constexpr auto name = "three";
  static constexpr std::array gates{"a", "b", "c"};
  static constexpr std::array states{"h", "m", "s"};

  auto step(const auto& w, const auto& x, const auto& state) const {
    const auto& [h, m, s] = state;
    const auto a = sigmoid(w.input(x, "a") + w.hidden(h, "a") + w.vector("p") * m).named("a");
    const auto b = sin(w.input(tanh(x), "b") + w.hidden(a * m, "b")).named("b");
    const auto next = (m * a - b * s).named("m");
    return std::array{(0.5 * tanh(next) + w.hidden(b, "c")).named("h"), next, h};
  }
};

/// A cell with random equations, the same for the same seed.
struct RandomCell {
  static constexpr auto name = "random";
  static constexpr std::array gates{"a", "b", "c"};
  static constexpr std::array states{"h", "c"};
  std::uint64_t seed = 0;

  auto step(const auto& w, const auto& x, const auto& state) const {
    using V = std::remove_cvref_t<decltype(x)>;
    Generator random(seed);
    const auto& [h, c] = state;
    std::vector<V> values{w.input(x, "a"), w.hidden(h, "b"), w.input(x, "a", "b") /* both */, h, c};
    values[2] = split(values[2], 2, -1)[random.below(2)];
    const auto any = [&] { return values[random.below(values.size())]; };
    const auto smooth = [&](const V& v) { return random.below(2) == 0 ? tanh(v) : sigmoid(v); };
    for (std::size_t k = 0; k < 4 + random.below(6); ++k) {
      const V a = any(), b = any();
      switch (random.below(12)) {
        case 0:
          values.push_back(a + b);
          break;
        case 1:
          values.push_back(a - b);
          break;
        case 2:
          values.push_back(smooth(a) * b);
          break;
        case 3:
          values.push_back(1.0 - a);
          break;
        case 4:
          values.push_back(-0.5 * a);
          break;
        case 5:
          values.push_back(a * w.vector("u") + w.vector("v"));
          break;
        case 6:
          values.push_back(w.hidden(smooth(a), random.below(2) == 0 ? "b" : "c"));
          break;
        case 7:
          values.push_back(w.vector("v") * smooth(a));
          break;
        case 8:
          values.push_back(sin(a));
          break;
        case 9:
          values.push_back(split(concatenate(std::vector{a, b}, -1), 2, -1)[1]);
          break;
        case 10:
          values.push_back(a / (1.5 + b * b));
          break;
        default:
          values.push_back(smooth(a));
          break;
      }
    }
    return std::array{tanh(values.back() + any() + values[0]).named("h"),
                      smooth(any() + any()).named("c")};
  }
};

}  // namespace tapestry::test
