// SPDX-License-Identifier: MIT
// How all files are written: whole, or not at all.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

namespace tapestry::detail {

/// A file that takes the place of the one at `path` when it is complete: until `commit` it is a
/// temporary file beside it, and without a commit it is removed. A link at `path` stays, what it
/// points to is replaced; the new file has the permissions, the group and, where the system allows
/// it, the owner of the old one. A stream is written directly.
///
/// All throw std::system_error, whose text says what failed and why; the old file is whole then.
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  void write(const void* from, std::size_t bytes);

  /// Flushes to the disk, then takes the place of the old file.
  void commit();

  /// Whether something is at `path` that cannot be replaced by a file: a device, a pipe, a folder,
  /// or, as /dev/stdout, what this process has open.
  [[nodiscard]] static bool is_stream(const std::filesystem::path& path);

 private:
  void create();
  void keep_attributes() const;

  std::string target_;              // `path`, or what it links to
  std::string temporary_;           // empty once it is renamed, and for a stream
  std::optional<struct stat> old_;  // the file that is replaced
  int descriptor_ = -1;
};

/// Adds to the end of the file at `path`, which need not exist. Throws as above; the file is then
/// as it was.
void append(const std::filesystem::path& path, const std::string& text);

}  // namespace tapestry::detail
