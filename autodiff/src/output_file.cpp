// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/detail/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <random>
#include <system_error>
#include <utility>

#include "tapestry/autodiff/number_text.hpp"

namespace tapestry::detail {
namespace {

[[noreturn]] void fail(const char* what, int reason = errno) {
  throw std::system_error(reason, std::generic_category(), what);
}

/// The folder that a path lies in, with a slash at the end.
std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

/// Where the links at a path lead to.
struct LinkEnd {
  std::string path;             // something, or nothing yet
  bool opened = false;          // what a process has open, as for /dev/stdout
  std::optional<int> own = {};  // the descriptor, if this process has
};

LinkEnd end_of_links(std::filesystem::path path) {
  constexpr int most_links = 40;
  for (int links = 0; links < most_links; ++links) {
    std::error_code none;
    const std::filesystem::path next = std::filesystem::read_symlink(path, none);
    if (none) return {path.string()};
    const auto folder = std::filesystem::canonical(folder_of(path.string()), none).string();
    if (folder == "/proc/" + std::to_string(getpid()) + "/fd")
      return {path.string(), true, number_from<int>(path.filename().string())};
    if (folder.starts_with("/proc/")) return {path.string(), true};
    path = path.parent_path() / next;
  }
  fail("cannot write it", ELOOP);
}

/// Opens what is no file that can be replaced. What this process has open is shared with it: both
/// go on where the other has ended.
int open_stream(const std::filesystem::path& path) {
  const LinkEnd end = end_of_links(path);
  if (end.own) return fcntl(*end.own, F_DUPFD_CLOEXEC, 0);
  return open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
}

/// Writes all bytes; false, with errno set, when that cannot be.
bool write_all(int descriptor, const void* from, std::size_t bytes) {
  const auto* next = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t count = ::write(descriptor, next, bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    next += count;
    bytes -= static_cast<std::size_t>(count);
  }
  return true;
}

/// Flushes to the disk, if there is one behind the file.
bool flush(int descriptor) {
  return fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP;
}

}  // namespace

bool OutputFile::is_stream(const std::filesystem::path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return false;
  return !S_ISREG(status.st_mode) || end_of_links(path).opened;
}

OutputFile::OutputFile(const std::filesystem::path& path) {
  if (is_stream(path)) {
    descriptor_ = open_stream(path);
    if (descriptor_ < 0) fail("cannot write it");
    return;
  }
  target_ = end_of_links(path).path;
  struct stat old {};
  if (stat(target_.c_str(), &old) == 0) {
    if (faccessat(AT_FDCWD, target_.c_str(), W_OK, AT_EACCESS) != 0) fail("cannot write it");
    old_ = old;
  }
  create();
}

void OutputFile::create() {
  constexpr int most_attempts = 100;
  std::random_device random;  // a name that nobody can have put there
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    std::string name = folder_of(target_) + ".tapestry-" + std::to_string(getpid()) + "-" +
                       std::to_string(random()) + ".tmp";
    descriptor_ = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       old_ ? 0600 : 0666);
    if (descriptor_ >= 0) {
      temporary_ = std::move(name);
      return;
    }
    if (errno != EEXIST) break;
  }
  fail("cannot create a file in its folder");
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void OutputFile::write(const void* from, std::size_t bytes) {
  if (!write_all(descriptor_, from, bytes)) fail("cannot write it");
}

void OutputFile::keep_attributes() const {
  // Others may own a file that one may write. Who cannot give it back to them keeps the group; a
  // group that the file was not meant for may do what everybody may.
  const bool group = fchown(descriptor_, old_->st_uid, old_->st_gid) == 0 ||
                     fchown(descriptor_, static_cast<uid_t>(-1), old_->st_gid) == 0;
  const mode_t mode = old_->st_mode & 0777;
  const mode_t kept = group ? mode : (mode & ~mode_t{070}) | (mode & (mode << 3) & 070);
  if (fchmod(descriptor_, kept) != 0) fail("cannot set its permissions");
}

void OutputFile::commit() {
  if (old_) keep_attributes();
  if (!flush(descriptor_)) fail("cannot write it");
  if (close(std::exchange(descriptor_, -1)) != 0) fail("cannot write it");
  if (temporary_.empty()) return;
  if (rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot replace it");
  temporary_.clear();
  // The new name, too, should outlive a crash. Some file systems cannot promise it; the file is
  // whole all the same.
  const int folder = open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  fsync(folder);
  close(folder);
}

void append(const std::filesystem::path& path, const std::string& text) {
  const int file =
      OutputFile::is_stream(path)
          ? open_stream(path)
          : open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
  if (file < 0) fail("cannot write it");
  struct stat before {};
  const bool regular = fstat(file, &before) == 0 && S_ISREG(before.st_mode);
  const bool written = write_all(file, text.data(), text.size()) && flush(file);
  int reason = errno;
  if (!written && regular && ftruncate(file, before.st_size) != 0) reason = errno;
  const bool closed = close(file) == 0;
  if (!written) fail("cannot write it", reason);
  if (!closed) fail("cannot write it");
}

}  // namespace tapestry::detail
