// SPDX-License-Identifier: MIT
// The header of a safetensors file: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets":
// [0, 24]}, ..., "__metadata__": {"key": "text"}}. Offsets count from the end of the header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tapestry/layers/safetensors.hpp"

namespace tapestry::detail {

inline constexpr const char* metadata_key = "__metadata__";

/// The longest header that is read or written, as in the reference implementation.
inline constexpr std::uint64_t max_header_size = 100'000'000;

/// All that is wrong with a file. Keeps the first thousand texts and the number of all of them.
class Problems {
 public:
  void add(std::string text);
  [[nodiscard]] bool empty() const { return count_ == 0; }

  /// Throws FileError, "[op] path: 2 problems: ...; ...".
  [[noreturn]] void raise(const char* op, const std::string& path) const;

 private:
  std::vector<std::string> texts_;
  std::size_t count_ = 0;
};

/// What a header says of one tensor. Only when it is `valid` do the parts agree with each other and
/// with the size of the data; `complete` means that they are all there.
struct TensorEntry {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool complete = false;
  bool valid = false;
};

struct SafetensorsHeader {
  Metadata metadata;
  std::vector<TensorEntry> tensors;  // as in the file, each name once
};

/// Reads a header that is followed by `data_size` bytes of data; nothing when it is not even a JSON
/// object. All that is wrong goes to `problems`. Needs a few times the memory of `text`.
std::optional<SafetensorsHeader> parse_safetensors_header(std::string_view text,
                                                          std::uint64_t data_size,
                                                          Problems& problems);

/// A name from a file for use in a message: quoted, on one line, not endless.
std::string in_quotes(std::string_view name);

/// A shape as Shape::str writes it.
std::string shape_text(const std::vector<std::uint64_t>& shape);

}  // namespace tapestry::detail
