// SPDX-License-Identifier: MIT
// expected: proj_size
#include <tapestry/layers.hpp>

struct Cell {
  static constexpr auto name = "cell";
  static constexpr std::array gates{"h"};
  static constexpr std::array states{"h"};
  auto step(const auto& w, const auto& x, const auto& state) const {
    return std::array{tanh(w.input(x) + w.hidden(state[0]))};
  }
};

tapestry::layers::Recurrent<Cell> layer({.input_size = 3, .hidden_size = 4, .proj_size = 2});
