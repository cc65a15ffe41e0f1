// SPDX-License-Identifier: MIT
// The program char_rnn, for tests of it.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "program.hpp"

namespace tapestry::test {

using Words = std::vector<std::string>;

inline Words command(const Words& arguments) {
  Words words{TAPESTRY_CHAR_RNN};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

inline Outcome char_rnn(const Words& arguments) { return run(command(arguments)); }

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A folder with a text, and room for a run.
struct Place : TemporaryFolder {
  explicit Place(std::size_t copies = 40) {
    std::string content;
    for (std::size_t i = 0; i < copies; ++i)
      content += "She sells sea shells by the sea shore, number " + std::to_string(i) + ".\n";
    write_bytes(text, content);
  }

  /// A small model, with all that draws random numbers.
  [[nodiscard]] Words training(const Words& more = {}) const {
    Words words{"train", "--text",   text, "--output",         run,   "--hidden",
                "8",     "--layers", "2",  "--embedding",      "5",   "--sequence",
                "10",    "--batch",  "4",  "--dropout",        "0.2", "--warm-up",
                "3",     "--steps",  "40", "--evaluate-every", "10"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  std::string text = *this / "text.txt";
  std::string run = *this / "run";
  std::string last = run + "/last.safetensors";
  std::string best = run + "/best.safetensors";
};

inline bool is_one_line(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n') == 1 && text.back() == '\n';
}

}  // namespace tapestry::test
