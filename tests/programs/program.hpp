// SPDX-License-Identifier: MIT
// Programs run as a person runs them.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "files.hpp"

namespace tapestry::test {

/// What came of a program.
struct Outcome {
  int code = -1;  ///< -1 when a signal ended it
  std::string output;
  std::string error;
  double peak_megabytes = 0;
};

/// A program that is running; its output is collected in files.
class Running {
 public:
  explicit Running(std::vector<std::string> command) {
    std::vector<char*> arguments;
    for (std::string& word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    child_ = fork();
    if (child_ < 0) throw std::runtime_error("cannot fork");
    if (child_ > 0) return;
    redirect(folder_ / "output", STDOUT_FILENO);
    redirect(folder_ / "error", STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }

  void send(int signal) const { kill(child_, signal); }

  [[nodiscard]] std::string output() const {
    return access((folder_ / "output").c_str(), R_OK) == 0 ? read_bytes(folder_ / "output") : "";
  }

  /// Waits until the program has printed `text`, or has ended.
  void wait_for(const std::string& text) const {
    for (int i = 0; i < 20'000 && output().find(text) == std::string::npos; ++i) usleep(1000);
  }

  [[nodiscard]] Outcome wait() const {
    int status = 0;
    rusage usage{};
    if (wait4(child_, &status, 0, &usage) != child_) throw std::runtime_error("cannot wait");
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output(), read_bytes(folder_ / "error"),
            static_cast<double>(usage.ru_maxrss) / 1000};
  }

 private:
  static void redirect(const std::string& path, int descriptor) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || dup2(file, descriptor) < 0) _exit(126);
  }

  TemporaryFolder folder_;
  pid_t child_ = -1;
};

inline Outcome run(std::vector<std::string> command) { return Running(std::move(command)).wait(); }

}  // namespace tapestry::test
