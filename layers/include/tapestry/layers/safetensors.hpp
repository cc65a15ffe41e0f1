// SPDX-License-Identifier: MIT
// Models on disk, in the safetensors format (https://github.com/huggingface/safetensors#format):
// the length of a header (u64, little-endian), the header in JSON, the numbers. Names and shapes
// are those of a PyTorch state_dict, so files go both ways.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry {

/// What a file says about itself: texts by name. Keys and values are UTF-8.
using Metadata = std::map<std::string, std::string>;

namespace detail {

/// A parameter, of either scalar type, under its name in a file.
struct NamedTensor {
  std::string name;
  std::variant<Parameter<float>*, Parameter<double>*> parameter;
};

/// `save` and `load` of a list of parameters.
void write_safetensors(std::span<const NamedTensor> tensors, const std::string& path,
                       const Metadata& metadata);
void read_safetensors(std::span<const NamedTensor> tensors, const std::string& path);

/// All parameters of a model, of any scalar type, in the order of `visit`.
template <class Model>
std::vector<NamedTensor> named_tensors(Model& model) {
  std::vector<NamedTensor> tensors;
  for_each_part(model, [&](std::string_view path, auto& part) {
    if constexpr (is_parameter<std::remove_cvref_t<decltype(part)>>)
      tensors.push_back({std::string(path), &part});
  });
  return tensors;
}

}  // namespace detail

/// Writes all parameters of a model, in the order of `visit` and under its names, as F32 or F64.
///
/// The file appears whole or not at all: it is written beside `path`, flushed to the disk and
/// renamed. When that fails, what was at `path` before is still there. The permissions of a file
/// that is replaced are kept.
///
/// Throws FileError with the system's reason, and ArgumentError when two parameters have one name,
/// one has none, or a name or a text of `metadata` is not UTF-8.
template <class Model>
void save(Model& model, const std::string& path, const Metadata& metadata = {}) {
  name_parts(model);
  detail::write_safetensors(detail::named_tensors(model), path, metadata);
}

/// Fills all parameters of a model from a file that has exactly its names, shapes and scalar types.
/// Numbers are not converted: F32 goes into floats, F64 into doubles.
///
/// Throws FileError when the file cannot be read, is damaged or does not fit. The text lists all
/// that is wrong with it, and the model is as before:
///   [load] lm.safetensors: 2 problems: 'head.weight' has shape (65, 64) in the file, (90, 64) in
///   the model; 'head.bias' is missing
/// Throws ArgumentError when two parameters have one name or one has none.
template <class Model>
void load(Model& model, const std::string& path) {
  name_parts(model);
  detail::read_safetensors(detail::named_tensors(model), path);
}

/// What `save` was given as metadata; empty when it was nothing. Other programs write theirs:
/// {"format": "pt"}. Throws FileError when the file cannot be read or is damaged.
[[nodiscard]] Metadata read_metadata(const std::string& path);

}  // namespace tapestry
