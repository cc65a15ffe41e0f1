// SPDX-License-Identifier: MIT
// What a run is protected by.
#pragma once

#include <array>
#include <csignal>
#include <string>
#include <vector>

/// From now on a pipe that nobody reads and a file that has reached its limit do not end the
/// process: writing fails, which is seen where it is written.
void go_on_when_writing_fails();

/// While it lives, Ctrl-C, a polite kill, the end of the program that reads our output (`| head`),
/// and the end of the terminal unless nohup is in force, do not end the process, but are told by
/// `interrupted`.
class CatchInterrupts {
 public:
  CatchInterrupts();
  CatchInterrupts(const CatchInterrupts&) = delete;
  CatchInterrupts& operator=(const CatchInterrupts&) = delete;
  ~CatchInterrupts();

  [[nodiscard]] static bool interrupted();

 private:
  static constexpr std::array signals{SIGINT, SIGTERM, SIGHUP, SIGPIPE};
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

/// Throws FileError for `command` unless `path` may be written: it ends with one of `endings`, as a
/// file of its kind does; it is not there yet or is a regular file; and it is none of `inputs`,
/// also by another name. Links are followed.
void check_output(const char* command, const std::string& path,
                  const std::vector<std::string>& endings, const std::vector<std::string>& inputs);

/// Throws FileError when the standard output is one of `inputs`, as by `>>`.
void check_standard_output(const char* command, const std::vector<std::string>& inputs);

/// Removes the unfinished checkpoints of processes that were killed while they wrote them.
void remove_what_was_left(const std::string& folder);
