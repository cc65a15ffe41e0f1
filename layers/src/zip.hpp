// SPDX-License-Identifier: MIT
// Zip archives in memory, by libzip. Its errors become texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

// libzip's own names for its handles.
struct zip;
struct zip_file;
struct zip_source;

namespace tapestry::detail {

struct ZipDeleter {
  void operator()(zip* archive) const;
  void operator()(zip_file* file) const;
  void operator()(zip_source* source) const;
};

/// What may go wrong gives "", or else a text that says what.
using Complaint = std::string;

/// A file of an archive, read from its beginning to its end.
class ZipEntry {
 public:
  /// Reads the next `to.size()` bytes.
  Complaint read(std::span<std::byte> to);

  /// After all bytes were read: compares the checksum.
  Complaint finish();

 private:
  friend class ZipReader;
  std::unique_ptr<zip_file, ZipDeleter> file_;
};

/// An archive. Its bytes must outlive it.
class ZipReader {
 public:
  Complaint open(std::span<const std::byte> bytes);

  /// Number of files in it.
  [[nodiscard]] std::uint64_t count() const;

  struct Description {
    std::string name;
    std::uint64_t size = 0;
  };

  /// What the archive says of the file at `position`. A size that cannot come out of the bytes that
  /// the file takes up is a complaint, so that no small archive claims endless data.
  Complaint describe(std::uint64_t position, Description& description) const;

  Complaint open(std::uint64_t position, ZipEntry& entry) const;

 private:
  std::unique_ptr<zip, ZipDeleter> archive_;
};

/// A file of an archive to be: a header, and the data that follow it.
struct ZipFile {
  std::string name;
  std::string header;
  std::span<const std::byte> data;
};

/// Makes an archive of uncompressed files, dated 1980, where the dates of zip archives begin.
/// The data must not change meanwhile.
Complaint make_zip(const std::vector<ZipFile>& files, std::vector<std::byte>& archive);

}  // namespace tapestry::detail
