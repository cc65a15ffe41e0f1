// SPDX-License-Identifier: MIT
#include "file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>

#include "tapestry/autodiff/error.hpp"

namespace tapestry::detail {
namespace {

/// FileError: "path: what: the system's reason".
[[noreturn]] void throw_system(const char* op, const std::string& path, const char* what,
                               int reason) {
  throw FileError(op, path + ": " + what + ": " + std::generic_category().message(reason));
}

[[noreturn]] void throw_not_regular(const char* op, const std::string& path) {
  throw FileError(op, path + ": it is not a regular file");
}

/// The folder that a path lies in, with a slash at the end.
std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

}  // namespace

void MemoryBytes::read(std::uint64_t offset, void* to, std::size_t bytes) const {
  std::copy_n(bytes_.data() + offset, bytes, static_cast<std::byte*>(to));
}

InputFile::InputFile(const char* op, const std::string& path)
    : op_(op), path_(path), descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_ < 0) throw_system(op, path, "cannot open it", errno);
  struct stat status {};
  const int reason = fstat(descriptor_, &status) == 0 ? 0 : errno;
  if (reason == 0 && S_ISREG(status.st_mode)) {
    size_ = static_cast<std::uint64_t>(status.st_size);
    return;
  }
  close(descriptor_);
  if (reason == 0) throw_not_regular(op, path);
  throw_system(op, path, "cannot read it", reason);
}

InputFile::~InputFile() { close(descriptor_); }

void InputFile::read(std::uint64_t offset, void* to, std::size_t bytes) const {
  auto* next = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t count = pread(descriptor_, next, bytes, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_system(op_, path_, "cannot read it", errno);
    if (count == 0) throw FileError(op_, path_ + ": it became shorter while it was read");
    next += count;
    offset += static_cast<std::uint64_t>(count);
    bytes -= static_cast<std::size_t>(count);
  }
}

AtomicFile::AtomicFile(const char* op, const std::string& path)
    : op_(op), path_(path), target_(path) {
  // A link stays one: what it points to is replaced.
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr),
                                                         &std::free);
  if (real) target_ = real.get();
  struct stat existing {};
  if (stat(target_.c_str(), &existing) == 0) {
    if (!S_ISREG(existing.st_mode)) throw_not_regular(op, path);
    if (access(target_.c_str(), W_OK) != 0) fail("cannot write it");
    permissions_ = existing.st_mode & 0777;
  }
  static std::atomic<unsigned> count{0};  // saves in several threads, into one folder
  for (int attempt = 0; attempt < 100; ++attempt) {
    temporary_ = folder_of(target_) + ".tapestry-" + std::to_string(getpid()) + "-" +
                 std::to_string(count++) + ".tmp";
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                       permissions_ ? 0600 : 0666);
    if (descriptor_ >= 0) return;
    if (errno != EEXIST) break;
  }
  fail("cannot create a file in its folder");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* what) const { throw_system(op_, path_, what, errno); }

void AtomicFile::write(const void* from, std::size_t bytes) {
  const auto* next = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t count = ::write(descriptor_, next, bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("cannot write it");
    next += count;
    bytes -= static_cast<std::size_t>(count);
  }
}

void AtomicFile::commit() {
  if (permissions_ && fchmod(descriptor_, *permissions_) != 0) fail("cannot set its permissions");
  if (fsync(descriptor_) != 0) fail("cannot write it");
  if (close(std::exchange(descriptor_, -1)) != 0) fail("cannot write it");
  if (rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot replace it");
  temporary_.clear();
  // The new name, too, should outlive a crash. Some file systems cannot promise it; the file is
  // whole all the same.
  const int folder = open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  fsync(folder);
  close(folder);
}

}  // namespace tapestry::detail
