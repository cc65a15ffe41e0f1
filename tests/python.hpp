// SPDX-License-Identifier: MIT
// Debian's Python, with which tests compare where it is installed.
#pragma once

#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "files.hpp"

namespace tapestry::test {

/// For a test that needs Python and these modules ("json, torch"): it is skipped without them.
inline auto needs_python(const std::string& modules) {
  return boost::unit_test::precondition([modules](boost::unit_test::test_unit_id) {
    const std::string command = "/usr/bin/python3 -c 'import " + modules + "' 2>/dev/null";
    return std::system(command.c_str()) == 0;
  });
}

/// Runs a program in a folder and returns what it prints; fails the test when the program fails.
inline std::string run_python(const TemporaryFolder& folder, const std::string& program) {
  write_bytes(folder / "program.py", program);
  const std::string command = "cd " + folder.path() + " && /usr/bin/python3 program.py";
  FILE* pipe = popen(command.c_str(), "r");
  BOOST_REQUIRE(pipe != nullptr);
  std::string printed;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) printed += static_cast<char>(c);
  BOOST_TEST(pclose(pipe) == 0, "the Python program failed; it printed: " << printed);
  return printed;
}

}  // namespace tapestry::test
