// SPDX-License-Identifier: MIT
// Models on disk, in the safetensors format (https://github.com/huggingface/safetensors#format):
// the length of a header (u64, little-endian), the header in JSON, the numbers. Names and shapes
// are those of a PyTorch state_dict, so files go both ways.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tapestry/layers/saved_part.hpp"

namespace tapestry {

/// The texts by which a file describes itself, by name. Keys and values are UTF-8.
using Metadata = std::map<std::string, std::string>;

namespace detail {

/// `save` and `load` for a list of parts.
void write_safetensors(const SavedParts& parts, const std::string& path, const Metadata& metadata);
void read_safetensors(const SavedParts& parts, const std::string& path, const LoadOptions& options);

/// `load` for a file whose content is in memory; errors call it `name`.
void read_safetensors(const SavedParts& parts, std::span<const std::byte> file,
                      const std::string& name, const LoadOptions& options);

}  // namespace detail

/// Writes all parameters of a model, in the order of `visit` and under its names, as F32 or F64.
/// For a `bundle`, also writes its other parts.
///
/// The file appears whole or not at all: it is written beside `path`, flushed to the disk and
/// renamed. When that fails, the old file at `path` is still there. A file that is replaced keeps
/// its permissions.
///
/// Throws FileError with the system's reason, and ArgumentError when two parts have the same name,
/// a part has no name, or a name or a text of `metadata` is not UTF-8.
template <class Model>
void save(Model&& model, const std::string& path, const Metadata& metadata = {}) {
  detail::write_safetensors(detail::saved_parts(model), path, metadata);
}

/// Fills all parameters of a model, and all parts of a `bundle`, from a file that has exactly their
/// names, shapes and scalar types. With `ignore_surplus` the file may have other tensors too, of
/// any type. Numbers are not converted: F32 goes into floats, F64 into doubles.
///
/// Throws FileError when the file cannot be read, is damaged or does not fit. The text lists
/// everything that is wrong, and the model and all other parts of the bundle are as before:
///   [load] lm.safetensors: 2 problems: 'head.weight' has shape (65, 64) in the file, (90, 64) in
///   the model; 'head.bias' is missing
/// Throws ArgumentError when two parts have the same name or a part has no name.
template <class Model>
void load(Model&& model, const std::string& path, const LoadOptions& options = {}) {
  detail::read_safetensors(detail::saved_parts(model), path, options);
}

/// The metadata that `save` was given; empty if there was none. Other programs write metadata of
/// their own: {"format": "pt"}. Throws FileError when the file cannot be read or is damaged.
[[nodiscard]] Metadata read_metadata(const std::string& path);

/// Shapes of the tensors in a file, by name.
using SavedShapes = std::map<std::string, std::vector<std::uint64_t>>;

/// The shapes of all tensors in a file whose type is known. Use them to build a model that fits the
/// file, or to refuse the file before you build one. Throws FileError when the file cannot be read
/// or is damaged.
[[nodiscard]] SavedShapes read_shapes(const std::string& path);

}  // namespace tapestry
