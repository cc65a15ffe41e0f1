// SPDX-License-Identifier: MIT
#pragma once

#include <sys/wait.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

namespace tapestry::test {

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// What a shell command prints, and its exit status.
struct Output {
  std::string text;
  int status = 0;
};

inline Output run_command(const std::string& command) {
  Output output;
  std::FILE* pipe = popen(command.c_str(), "r");
  BOOST_REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    output.text.append(buffer.data(), n);
  const int status = pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return output;
}

/// Draws with Graphviz, which must have nothing to object to; returns the SVG. Files are left in
/// the current folder.
inline std::string draw(const std::string& dot_text) {
  std::ofstream("drawing.dot", std::ios::binary) << dot_text;
  const Output output = run_command("dot -Tsvg -o drawing.svg drawing.dot 2>&1");
  BOOST_TEST(output.status == 0, "dot failed on:\n" << dot_text);
  BOOST_TEST(output.text == "", "dot warned: " << output.text << "\nabout:\n" << dot_text);
  return read_text("drawing.svg");
}

}  // namespace tapestry::test
