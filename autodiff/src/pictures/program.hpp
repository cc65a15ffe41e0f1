// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tapestry::detail {

/// A program that pictures need when they are made.
struct Program {
  const char* name;     ///< "dot"
  const char* package;  ///< what to install: "graphviz"
  std::vector<std::string> arguments{};
};

/// Runs a program on `input` and returns what it printed. Throws FileError on behalf of `op` when
/// it is not installed, or with its own words when it fails or has objections.
std::string run_program(std::string_view op, const Program& program, const std::string& input);

}  // namespace tapestry::detail
