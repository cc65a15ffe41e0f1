// SPDX-License-Identifier: MIT
// Recurrent cells from papers. tests/own_cell_test.cpp holds them to loops over numbers.
#pragma once

#include <array>

/// Minimal gated unit (Zhou, Wu, Zhang and Zhou 2016).
struct MinimalGatedUnit {
  static constexpr auto name = "mgu";
  static constexpr std::array gates{"f", "n"};
  static constexpr std::array states{"h"};

  auto step(const auto& w, const auto& x, const auto& state) const {
    const auto& [h] = state;
    const auto f = sigmoid(w.input(x, "f") + w.hidden(h, "f")).named("f");
    const auto n = tanh(w.input(x, "n") + w.hidden(f * h, "n")).named("n");
    return std::array{((1.0 - f) * h + f * n).named("h")};
  }
};

/// An LSTM whose input gate is what the forget gate leaves (Greff et al. 2017).
struct CoupledLSTM {
  static constexpr auto name = "cifg";
  static constexpr std::array gates{"f", "g", "o"};
  static constexpr std::array states{"h", "c"};

  auto step(const auto& w, const auto& x, const auto& state) const {
    const auto& [h, c] = state;
    const auto f = sigmoid(w.input(x, "f") + w.hidden(h, "f")).named("f");
    const auto g = tanh(w.input(x, "g") + w.hidden(h, "g")).named("g");
    const auto o = sigmoid(w.input(x, "o") + w.hidden(h, "o")).named("o");
    const auto next = (f * c + (1.0 - f) * g).named("c");
    return std::array{(o * tanh(next)).named("h"), next};
  }
};

/// Independently recurrent network: each unit remembers itself alone (Li et al. 2018).
struct IndRNN {
  static constexpr auto name = "indrnn";
  static constexpr std::array gates{"h"};
  static constexpr std::array states{"h"};

  auto step(const auto& w, const auto& x, const auto& state) const {
    const auto& [h] = state;
    return std::array{relu(w.input(x) + w.vector("u") * h).named("h")};
  }
};
