// SPDX-License-Identifier: MIT
#include "guards.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <tapestry/autodiff.hpp>

namespace {

volatile std::sig_atomic_t signal_came = 0;

bool ends_with_one_of(const std::filesystem::path& path, const std::vector<std::string>& endings) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::ranges::find(endings, ending) != endings.end();
}

/// What a path leads to, be it there or not.
std::filesystem::path followed(std::filesystem::path path) {
  std::error_code failure;
  for (int links = 0; links < 40 && std::filesystem::is_symlink(path, failure); ++links)
    path = path.parent_path() / std::filesystem::read_symlink(path, failure);
  return path;
}

bool is_same_file(const struct stat& a, const std::string& path) {
  struct stat b {};
  return stat(path.c_str(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

void go_on_when_writing_fails() {
  // By a function and not by ignoring them, which programs that we run would inherit.
  for (const int which : {SIGPIPE, SIGXFSZ}) std::signal(which, [](int) {});
}

void check_output(const char* command, const std::string& path,
                  const std::vector<std::string>& endings, const std::vector<std::string>& inputs) {
  const std::string name = "the output '" + path + "'";
  const std::filesystem::path target = followed(path);
  for (const auto& place : {std::filesystem::path(path), target})
    if (!ends_with_one_of(place, endings))
      throw tapestry::FileError(
          command, name + " is not of the kind that is written" +
                       (place == path ? "" : " but a link to '" + place.string() + "'") +
                       ": it should end with " + endings.front());
  struct stat existing {};
  if (stat(path.c_str(), &existing) != 0) return;
  for (const std::string& input : inputs)
    if (is_same_file(existing, input))
      throw tapestry::FileError(
          command, name + " is also what is read, '" + input + "': choose another file to write");
  if (!S_ISREG(existing.st_mode))
    throw tapestry::FileError(command, name + " is not a regular file");
}

void check_standard_output(const char* command, const std::vector<std::string>& inputs) {
  struct stat existing {};
  if (fstat(STDOUT_FILENO, &existing) != 0 || !S_ISREG(existing.st_mode)) return;
  for (const std::string& input : inputs)
    if (is_same_file(existing, input))
      throw tapestry::FileError(command, "the standard output is also what is read, '" + input +
                                             "': send it to another file");
}

CatchInterrupts::CatchInterrupts() {
  signal_came = 0;
  for (std::size_t i = 0; i < signals.size(); ++i) {
    before_[i] = std::signal(signals[i], [](int) { signal_came = 1; });
    if (signals[i] == SIGHUP && before_[i] == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
  }
}

CatchInterrupts::~CatchInterrupts() {
  for (std::size_t i = 0; i < signals.size(); ++i) std::signal(signals[i], before_[i]);
}

bool CatchInterrupts::interrupted() { return signal_came != 0; }

FolderLock::FolderLock(const std::string& folder)
    : descriptor_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  // Where there is no such folder, or its file system knows no locks, others tell.
  if (descriptor_ < 0 || flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  close(descriptor_);
  throw tapestry::FileError("train", "another process is training in '" + folder + "'");
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

void remove_what_was_left(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    int process = 0, length = 0;
    const bool ours = std::sscanf(name.c_str(), ".tapestry-%d-%*u.tmp%n", &process, &length) == 1 &&
                      static_cast<std::size_t>(length) == name.size();
    // Another program may be writing another file there.
    if (ours && kill(process, 0) != 0 && errno == ESRCH)
      std::filesystem::remove(entry.path(), ignored);
  }
}
