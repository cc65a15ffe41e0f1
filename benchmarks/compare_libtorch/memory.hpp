// SPDX-License-Identifier: MIT
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

namespace compare {

/// Megabytes of a line of /proc/self/status, such as "VmHWM".
inline double status_of(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) / 1024;
  throw std::runtime_error("no " + name + " in /proc/self/status");
}

/// How far three training steps raise the resident memory above what was there before the model, in
/// a process of their own: `make()` returns the step.
template <class Make>
double peak_in_child(const Make& make) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("cannot make a pipe");
  const pid_t child = fork();
  if (child == 0) {
    const double before = status_of("VmRSS");
    const auto step = make();
    for (int i = 0; i < 3; ++i) step();
    const double peak = status_of("VmHWM") - before;
    const bool written = write(ends[1], &peak, sizeof peak) == sizeof peak;
    _exit(written ? 0 : 1);
  }
  double peak = 0;
  close(ends[1]);
  const bool received = read(ends[0], &peak, sizeof peak) == sizeof peak;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!received || status != 0) throw std::runtime_error("the process of a model failed");
  return peak;
}

}  // namespace compare
