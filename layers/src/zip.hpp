// SPDX-License-Identifier: MIT
// Zip archives, by libzip. Its errors become texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "file.hpp"

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

/// An archive, of which nothing but the list of its files is kept in memory. What it is read from
/// must outlive it.
class ZipReader {
 public:
  ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;
  ~ZipReader();

  Complaint open(const ByteSource& file);

  /// Number of files in it.
  [[nodiscard]] std::uint64_t count() const;

  struct Description {
    std::string name;
    std::uint64_t size = 0;
  };

  /// What the archive says of the file at `position`. A size that cannot come out of the bytes that
  /// the file takes up, or more of those than the archive has, is a complaint, so that no small
  /// archive claims endless data.
  Complaint describe(std::uint64_t position, Description& description) const;

  Complaint open(std::uint64_t position, ZipEntry& entry) const;

 private:
  class Stream;

  std::uint64_t size_ = 0;  // of the archive
  std::unique_ptr<Stream> stream_;
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
