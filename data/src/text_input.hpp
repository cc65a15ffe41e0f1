// SPDX-License-Identifier: MIT
// Text files, checked and read in parts.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace tapestry::data::detail {

/// The FNV-1a hash of bytes that come in parts (Fowler, Noll and Vo).
class Fnv {
 public:
  void add(std::string_view bytes) {
    for (const char byte : bytes)
      hash_ = (hash_ ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
  }

  /// The hash of the bytes followed by their number.
  [[nodiscard]] std::uint64_t with_size(std::uint64_t size) const {
    Fnv all = *this;
    for (int i = 0; i < 8; ++i) {
      const char byte = static_cast<char>(size >> (8 * i));
      all.add({&byte, 1});
    }
    return all.hash_;
  }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325u;
};

/// A regular file that is not empty, open for reading. All throw FileError for the operation `op`.
class TextInput {
 public:
  TextInput(const char* op, std::string path);
  TextInput(const TextInput&) = delete;
  TextInput& operator=(const TextInput&) = delete;
  ~TextInput();

  [[nodiscard]] const std::string& path() const { return path_; }

  /// Bytes in it when it was opened.
  [[nodiscard]] std::uint64_t size() const { return size_; }

  /// Fills `into` from byte `offset` on, or as much of it as there are bytes; their number.
  std::size_t read(std::uint64_t offset, std::span<char> into) const;

  /// Throws when it was written to since it was opened.
  void check_unchanged() const;

  /// Gives the whole text to `use` in parts, cut anywhere, and returns its fingerprint. Throws at
  /// the first byte that is zero or not UTF-8, before `use` is given it.
  std::uint64_t for_each_part(const std::function<void(std::string_view)>& use) const;

  [[noreturn]] void fail(const std::string& what) const;

 private:
  void note_status();

  const char* op_;
  std::string path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  timespec written_{};
};

}  // namespace tapestry::data::detail
