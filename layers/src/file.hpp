// SPDX-License-Identifier: MIT
// Files, with errors that say what the system said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "tapestry/autodiff/detail/output_file.hpp"

namespace tapestry::detail {

/// What a file is read from.
class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;

  [[nodiscard]] virtual std::uint64_t size() const = 0;

  /// `offset` + `bytes` must be at most `size()`.
  virtual void read(std::uint64_t offset, void* to, std::size_t bytes) const = 0;
};

/// The content of a file in memory.
class MemoryBytes final : public ByteSource {
 public:
  explicit MemoryBytes(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  void read(std::uint64_t offset, void* to, std::size_t bytes) const override;

 private:
  std::span<const std::byte> bytes_;
};

/// A regular file, open for reading. All throw FileError for the operation `op`.
class InputFile final : public ByteSource {
 public:
  InputFile(const char* op, const std::string& path);
  ~InputFile() override;

  /// Bytes in it when it was opened.
  [[nodiscard]] std::uint64_t size() const override { return size_; }

  void read(std::uint64_t offset, void* to, std::size_t bytes) const override;

 private:
  const char* op_;
  std::string path_;
  int descriptor_;
  std::uint64_t size_ = 0;
};

/// A regular file that replaces the one at `path` when it is complete (see OutputFile): until
/// `commit` nothing of it is there. All throw FileError for `op`.
class AtomicFile {
 public:
  AtomicFile(const char* op, const std::string& path);

  void write(const void* from, std::size_t bytes);

  /// Flushes to the disk, then takes the place of the file at `path`.
  void commit();

 private:
  template <class Step>
  void attempt(const Step& step) const;

  const char* op_;
  std::string path_;
  std::optional<OutputFile> file_;
};

}  // namespace tapestry::detail
