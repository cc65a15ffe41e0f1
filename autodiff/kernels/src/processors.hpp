// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <thread>
#include <vector>

namespace tapestry::detail {

/// Where workers may run. Linux likes to wake a thread on the processor of the one that wakes it,
/// even while that goes on computing and others are idle: the worker then comes milliseconds late.
class Processors {
 public:
  Processors();
  Processors(const Processors&) = delete;
  Processors& operator=(const Processors&) = delete;
  ~Processors();

  /// Keeps the workers off the processor that the calling thread is on, if they have another. Cheap
  /// while that stays the same.
  void keep_off_this(std::vector<std::thread>& workers);

  /// Makes the next call look at new workers.
  void forget() { avoided_ = -1; }

 private:
  struct Allowed;                     // those of the thread that made this
  std::unique_ptr<Allowed> allowed_;  // null where this is not possible
  int avoided_ = -1;
};

}  // namespace tapestry::detail
