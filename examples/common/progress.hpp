// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <iosfwd>
#include <string>

/// A bar that redraws itself on a terminal, and a line now and then where there is none.
class Progress {
 public:
  /// For `total` steps, on `out`; `redraws` tells whether `out` is a terminal. The first `before`
  /// steps were done at another time.
  Progress(std::ostream& out, std::size_t total, bool redraws, std::size_t before = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shows that `done` steps are done; `text` stands behind the bar.
  void show(std::size_t done, const std::string& text);

  /// A line that stays, above the bar.
  void note(const std::string& text);

  /// Seconds since the start.
  [[nodiscard]] double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  std::ostream& out_;
  std::size_t total_;
  bool redraws_;
  std::size_t before_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_{};
};
