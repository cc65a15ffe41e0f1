// SPDX-License-Identifier: MIT
#include "guards.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <tapestry/tapestry.hpp>

namespace {

volatile std::sig_atomic_t signal_came = 0;

}  // namespace

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
