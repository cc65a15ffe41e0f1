// SPDX-License-Identifier: MIT
#include "tapestry/layers/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "file.hpp"
#include "other_format.hpp"
#include "safetensors_header.hpp"
#include "tapestry/autodiff/detail/text_file.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry {
namespace detail {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the numbers of a file are little-endian");

/// `text` as JSON.
std::string json_text(const std::string& text) {
  check_utf8("save", text);
  return nlohmann::json(text).dump();
}

/// {"key":"text",...}
std::string json_text(const Metadata& metadata) {
  std::string object = "{";
  for (const auto& [key, text] : metadata)
    object.append(object.size() > 1 ? "," : "").append(json_text(key)) += ":" + json_text(text);
  return object + "}";
}

/// The header, padded with spaces so that the data begins at a multiple of 8 bytes.
std::string make_header(const SavedParts& parts, const Metadata& metadata) {
  std::string header = "{";
  if (!metadata.empty()) header += json_text(metadata_key) + ":" + json_text(metadata);
  std::size_t offset = 0;
  for (const auto& part : parts) {
    if (part->name() == metadata_key)
      throw ArgumentError("save", "a parameter cannot have the name '__metadata__' in a file");
    header.append(header.size() > 1 ? "," : "").append(json_text(part->name()));
    header.append(":{\"dtype\":\"").append(part->dtype()).append("\",\"shape\":");
    header += nlohmann::json(part->shape()).dump();
    header += ",\"data_offsets\":[" + std::to_string(offset) + ",";
    header += std::to_string(offset += part->bytes().size()) + "]}";
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

/// Whether the file begins with letters and spaces, which as a length would be beyond all files.
bool begins_as_text(std::uint64_t length) {
  const auto bytes = std::bit_cast<std::array<unsigned char, sizeof(length)>>(length);
  return std::ranges::all_of(
      bytes, [](unsigned c) { return (c >= ' ' && c < 0x7F) || (c >= '\t' && c <= '\r'); });
}

/// What is wrong with a file that does not begin with the length of a header.
std::string no_header(const ByteSource& file, std::uint64_t length) {
  const std::string other = other_format(file, Format::safetensors);
  if (!other.empty()) return "it is " + other;
  if (begins_as_text(length)) return "it is text: it has no header of a safetensors file";
  return "a header of " + std::to_string(length) + " bytes does not fit into " +
         std::to_string(file.size());
}

Opened read_header(const ByteSource& file, const Wanted& wanted, Problems& problems) {
  std::uint64_t length = 0;
  const std::uint64_t prefix = sizeof(length);
  if (file.size() < prefix) {
    problems.add("its " + std::to_string(file.size()) + " bytes are too few for a header");
    return {};
  }
  file.read(0, &length, sizeof(length));
  const bool fits = length <= file.size() - prefix;
  char first = 0;
  if (fits && length > 0) file.read(prefix, &first, 1);
  if (!fits || (first != '{' && !other_format(file, Format::safetensors).empty()))
    problems.add(no_header(file, length));
  else if (length > max_header_size)
    problems.add("a header of " + std::to_string(length) + " bytes is longer than 100 MB");
  if (!problems.empty()) return {};
  std::string text(length, '\0');
  file.read(prefix, text.data(), text.size());
  const std::uint64_t data = prefix + length;
  return {parse_safetensors_header(text, file.size() - data, wanted, problems), data};
}

/// The header of a file of which nothing else is read.
SafetensorsHeader look_at(const char* op, const std::string& path) {
  Problems problems;
  Opened opened = read_header(InputFile(op, path), Wanted(), problems);
  problems.raise_if_any(op, path);
  return std::move(*opened.header);
}

/// Reads the parts from a file that errors call `name`.
void read_parts(const SavedParts& parts, const ByteSource& file, const std::string& name,
                const LoadOptions& options) {
  Problems problems;
  const Opened opened = read_header(file, Wanted(parts, options), problems);
  if (!opened.header) problems.raise_if_any("load", name);
  const auto read = [&](const TensorEntry& entry, std::span<std::byte> to) {
    file.read(opened.data + entry.begin, to.data(), to.size());
    return std::string();
  };
  replace_parts("load", parts, opened.header->tensors, options, name, problems, read);
}

}  // namespace

void write_safetensors(const SavedParts& parts, const std::string& path, const Metadata& metadata) {
  check_ending("save", path, FileKind::safetensors);
  check_names("save", parts);
  const std::string header = make_header(parts, metadata);
  const std::uint64_t length = header.size();
  AtomicFile file("save", path);
  file.write(&length, sizeof(length));
  file.write(header.data(), header.size());
  for (const auto& part : parts) file.write(part->bytes().data(), part->bytes().size());
  file.commit();
}

void read_safetensors(const SavedParts& parts, const std::string& path,
                      const LoadOptions& options) {
  check_names("load", parts);
  read_parts(parts, InputFile("load", path), path, options);
}

void read_safetensors(const SavedParts& parts, std::span<const std::byte> file,
                      const std::string& name, const LoadOptions& options) {
  check_names("load", parts);
  read_parts(parts, MemoryBytes(file), name, options);
}

}  // namespace detail

Metadata read_metadata(const std::string& path) {
  return std::move(detail::look_at("read_metadata", path).metadata);
}

SavedShapes read_shapes(const std::string& path) {
  SavedShapes shapes;
  for (detail::TensorEntry& entry : detail::look_at("read_shapes", path).tensors)
    if (entry.valid) shapes.emplace(std::move(entry.name), std::move(entry.shape));
  return shapes;
}

}  // namespace tapestry
