// SPDX-License-Identifier: MIT
#include "file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

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

AtomicFile::AtomicFile(const char* op, const std::string& path) : op_(op), path_(path) {
  if (OutputFile::is_stream(path)) throw_not_regular(op, path);
  attempt([&] { file_.emplace(path); });
}

void AtomicFile::write(const void* from, std::size_t bytes) {
  attempt([&] { file_->write(from, bytes); });
}

void AtomicFile::commit() {
  attempt([&] { file_->commit(); });
}

template <class Step>
void AtomicFile::attempt(const Step& step) const {
  try {
    step();
  } catch (const std::system_error& error) {
    throw FileError(op_, path_ + ": " + error.what());
  }
}

}  // namespace tapestry::detail
