// SPDX-License-Identifier: MIT
#include "tapestry/layers/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "file.hpp"
#include "safetensors_header.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry {
namespace detail {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the numbers of a file are little-endian");

constexpr const char* dtype_name(const Parameter<float>&) { return "F32"; }
constexpr const char* dtype_name(const Parameter<double>&) { return "F64"; }

/// A parameter of either type as bytes.
struct Bytes {
  const char* dtype;
  Shape shape;
  void* data;
  std::size_t size;
};

Bytes bytes_of(const NamedTensor& tensor) {
  return std::visit(
      [](auto* parameter) -> Bytes {
        auto& value = parameter->value();
        return {dtype_name(*parameter), parameter->shape(), value.data(),
                value.size() * sizeof(*value.data())};
      },
      tensor.parameter);
}

/// Throws ArgumentError unless each parameter has a name of its own.
void check_names(const char* op, std::span<const NamedTensor> tensors) {
  std::unordered_set<std::string_view> names;
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name.empty() || tensor.name == metadata_key)
      throw ArgumentError(op, "a parameter cannot have the name '" + tensor.name + "' in a file");
    if (!names.insert(tensor.name).second)
      throw ArgumentError(op, "two parameters have the name '" + tensor.name + "'");
  }
}

/// `text` as JSON.
std::string json_text(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    throw ArgumentError("save", "the text " + in_quotes(text) + " is not UTF-8");
  }
}

/// {"key":"text",...}
std::string json_text(const Metadata& metadata) {
  std::string object = "{";
  for (const auto& [key, text] : metadata)
    object.append(object.size() > 1 ? "," : "").append(json_text(key)) += ":" + json_text(text);
  return object + "}";
}

/// The header, padded with spaces so that the data begins at a multiple of 8 bytes.
std::string make_header(std::span<const NamedTensor> tensors, const Metadata& metadata) {
  std::string header = "{";
  if (!metadata.empty()) header += json_text(metadata_key) + ":" + json_text(metadata);
  std::size_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    const Bytes bytes = bytes_of(tensor);
    const nlohmann::json shape(std::vector<std::size_t>(bytes.shape.begin(), bytes.shape.end()));
    header.append(header.size() > 1 ? "," : "").append(json_text(tensor.name));
    header.append(":{\"dtype\":\"").append(bytes.dtype).append("\",\"shape\":") += shape.dump();
    header += ",\"data_offsets\":[" + std::to_string(offset) + ",";
    header += std::to_string(offset += bytes.size) + "]}";
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');
  if (header.size() > max_header_size)
    throw ArgumentError("save", "names and metadata need more than 100 MB");
  return header;
}

/// A file that was looked at: what its header says, and where its data begins.
struct Opened {
  std::optional<SafetensorsHeader> header;
  std::uint64_t data = 0;
};

Opened read_header(const InputFile& file, Problems& problems) {
  std::uint64_t length = 0;
  const std::uint64_t prefix = sizeof(length);
  if (file.size() < prefix) {
    problems.add("its " + std::to_string(file.size()) + " bytes are too few for a header");
    return {};
  }
  file.read(0, &length, sizeof(length));
  const std::string size = std::to_string(length) + " bytes";
  if (length > file.size() - prefix)
    problems.add("a header of " + size + " does not fit into " + std::to_string(file.size()));
  else if (length > max_header_size)
    problems.add("a header of " + size + " is longer than 100 MB");
  if (!problems.empty()) return {};
  std::string text(length, '\0');
  file.read(prefix, text.data(), text.size());
  const std::uint64_t data = prefix + length;
  return {parse_safetensors_header(text, file.size() - data, problems), data};
}

/// Finds the entry of each parameter. Adds to `problems` what differs, is missing or is too many.
std::vector<const TensorEntry*> match(std::span<const NamedTensor> tensors,
                                      const std::vector<TensorEntry>& entries, Problems& problems) {
  std::unordered_map<std::string_view, const TensorEntry*> by_name;
  for (const TensorEntry& entry : entries) by_name.emplace(entry.name, &entry);
  std::vector<const TensorEntry*> found;
  for (const NamedTensor& tensor : tensors) {
    const auto place = by_name.find(tensor.name);
    if (place == by_name.end()) {
      problems.add(in_quotes(tensor.name) + " is missing");
      continue;
    }
    const TensorEntry& entry = *found.emplace_back(place->second);
    by_name.erase(place);
    if (!entry.valid) continue;
    const Bytes bytes = bytes_of(tensor);
    if (entry.dtype != bytes.dtype)
      problems.add(in_quotes(tensor.name) + " is " + entry.dtype + " in the file, " + bytes.dtype +
                   " in the model");
    if (!std::equal(entry.shape.begin(), entry.shape.end(), bytes.shape.begin(), bytes.shape.end()))
      problems.add(in_quotes(tensor.name) + " has shape " + shape_text(entry.shape) +
                   " in the file, " + bytes.shape.str() + " in the model");
  }
  for (const TensorEntry& entry : entries)
    if (by_name.contains(entry.name)) problems.add(in_quotes(entry.name) + " is not in the model");
  return found;
}

}  // namespace

void write_safetensors(std::span<const NamedTensor> tensors, const std::string& path,
                       const Metadata& metadata) {
  check_names("save", tensors);
  const std::string header = make_header(tensors, metadata);
  const std::uint64_t length = header.size();
  AtomicFile file("save", path);
  file.write(&length, sizeof(length));
  file.write(header.data(), header.size());
  for (const NamedTensor& tensor : tensors) {
    const Bytes bytes = bytes_of(tensor);
    file.write(bytes.data, bytes.size);
  }
  file.commit();
}

void read_safetensors(std::span<const NamedTensor> tensors, const std::string& path) {
  check_names("load", tensors);
  const InputFile file("load", path);
  Problems problems;
  const Opened opened = read_header(file, problems);
  std::vector<const TensorEntry*> entries;
  if (opened.header) entries = match(tensors, opened.header->tensors, problems);
  if (!problems.empty()) problems.raise("load", path);

  // First all into memory of our own: reading can fail half-way, copying cannot.
  std::size_t total = 0;
  for (const NamedTensor& tensor : tensors) total += bytes_of(tensor).size;
  const auto staged = std::make_unique_for_overwrite<std::byte[]>(total);
  std::size_t position = 0;
  for (const TensorEntry* entry : entries) {
    file.read(opened.data + entry->begin, staged.get() + position, entry->end - entry->begin);
    position += entry->end - entry->begin;
  }
  const std::byte* next = staged.get();
  for (const NamedTensor& tensor : tensors) {
    const Bytes bytes = bytes_of(tensor);
    std::copy_n(next, bytes.size, static_cast<std::byte*>(bytes.data));
    next += bytes.size;
    std::visit([](auto* parameter) { parameter->touch(); }, tensor.parameter);
  }
}

}  // namespace detail

Metadata read_metadata(const std::string& path) {
  const detail::InputFile file("read_metadata", path);
  detail::Problems problems;
  detail::Opened opened = detail::read_header(file, problems);
  if (!problems.empty()) problems.raise("read_metadata", path);
  return std::move(opened.header->metadata);
}

}  // namespace tapestry
