// SPDX-License-Identifier: MIT
// What files of all formats have in common: tensors with names, which are checked against the parts
// of a model before any of them changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "problems.hpp"
#include "tapestry/layers/saved_part.hpp"

namespace tapestry::detail {

/// What a file says of one tensor. Only when it is `valid` do its statements agree with each other
/// and with the size of the data; `complete` means that they are all there.
struct TensorEntry {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;  // of its data, in a way that is the format's own
  std::uint64_t end = 0;
  bool complete = false;
  bool valid = false;
};

/// Bytes of one element of a type, as safetensors files call it.
std::optional<std::uint64_t> element_size(std::string_view dtype);

/// element times all extents, unless that needs more than 64 bits.
std::optional<std::uint64_t> byte_count(const std::vector<std::uint64_t>& shape,
                                        std::uint64_t element);

/// Which names of a file matter: with `ignore_surplus` those of the parts, else all. What does not
/// matter may be of a kind that we do not know.
class Wanted {
 public:
  /// None.
  Wanted() = default;
  Wanted(const SavedParts& parts, const LoadOptions& options);

  [[nodiscard]] bool operator()(std::string_view name) const {
    return all_ || names_.contains(name);
  }

 private:
  bool all_ = false;
  std::unordered_set<std::string_view> names_;
};

/// Throws ArgumentError unless each part has a name of its own.
void check_names(const char* op, const SavedParts& parts);

/// Reads the data of a tensor. Returns "", or what is wrong with them.
using ReadTensor = std::function<std::string(const TensorEntry&, std::span<std::byte>)>;

/// Gives all parts the numbers of the file's tensors, each name of which is there once. When
/// something does not fit, or when `problems` is not empty to begin with, throws FileError for `op`
/// with all problems, and no part has changed.
void replace_parts(const char* op, const SavedParts& parts, const std::vector<TensorEntry>& entries,
                   const LoadOptions& options, const std::string& path, Problems& problems,
                   const ReadTensor& read);

}  // namespace tapestry::detail
