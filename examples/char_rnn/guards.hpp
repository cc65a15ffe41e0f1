// SPDX-License-Identifier: MIT
// What a run is protected by while it trains.
#pragma once

#include <array>
#include <csignal>
#include <string>

/// While it lives, Ctrl-C, a polite kill, and the end of the terminal unless nohup is in force, do
/// not end the process, but are told by `interrupted`.
class CatchInterrupts {
 public:
  CatchInterrupts();
  CatchInterrupts(const CatchInterrupts&) = delete;
  CatchInterrupts& operator=(const CatchInterrupts&) = delete;
  ~CatchInterrupts();

  [[nodiscard]] static bool interrupted();

 private:
  static constexpr std::array signals{SIGINT, SIGTERM, SIGHUP};
  std::array<void (*)(int), signals.size()> before_{};
};

/// While it lives, no other process trains in the folder. Throws FileError if one does.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  int descriptor_;
};

/// Removes the unfinished checkpoints of processes that were killed while they wrote them.
void remove_what_was_left(const std::string& folder);
