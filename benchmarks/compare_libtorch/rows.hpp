// SPDX-License-Identifier: MIT
// The models that are compared, by size.
#pragma once

#include <array>
#include <cstddef>
#include <string>

namespace compare {

enum class Input { dense, one_hot, embedded };

/// L layers over T steps of B sequences with I inputs and H hidden units; V classes come out.
struct Row {
  const char* name;
  std::size_t layers;
  std::size_t steps;
  std::size_t batch;
  std::size_t inputs;
  std::size_t units;
  std::size_t classes;
  Input input;

  [[nodiscard]] std::size_t tokens() const { return steps * batch; }
};

inline constexpr std::array rows{Row{"tiny", 1, 32, 1, 16, 16, 16, Input::dense},
                                 Row{"small", 1, 30, 32, 64, 64, 64, Input::dense},
                                 Row{"charrnn", 2, 50, 50, 65, 128, 65, Input::one_hot},
                                 Row{"zaremba-small", 2, 20, 20, 200, 200, 10000, Input::embedded},
                                 Row{"zaremba-medium", 2, 35, 20, 650, 650, 10000, Input::embedded},
                                 Row{"large", 1, 64, 64, 1024, 1024, 256, Input::dense}};

inline constexpr std::array<const char*, 3> cells{"lstm", "gru", "rnn"};

/// Rows of the weights for each unit.
inline std::size_t gates_of(const std::string& cell) {
  return cell == "lstm" ? 4 : cell == "gru" ? 3 : 1;
}

/// The same model for inference step by step.
inline Row streamed(Row row) {
  row.steps = row.batch = 1;
  return row;
}

inline constexpr double max_norm = 5;
inline constexpr double learning_rate = 1e-3;

}  // namespace compare
