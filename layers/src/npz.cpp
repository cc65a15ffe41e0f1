// SPDX-License-Identifier: MIT
#include "tapestry/layers/npz.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <unordered_set>

#include "file.hpp"
#include "npy.hpp"
#include "other_format.hpp"
#include "tapestry/autodiff/detail/text_file.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tensors.hpp"
#include "zip.hpp"

namespace tapestry::detail {
namespace {

constexpr const char* save_op = "save_npz";
constexpr const char* load_op = "load_npz";
constexpr std::string_view extension = ".npy";

/// NumPy itself refuses more than 10,000 bytes.
constexpr std::uint64_t max_header_size = 65536;

/// An array in an archive: `begin` of the entry is its position there.
struct NpzArray {
  TensorEntry entry;
  std::uint64_t header_size = 0;
  bool fortran_order = false;
};

/// Reads the header of the array at the beginning of a file of `size` bytes.
Complaint read_header(ZipEntry& file, std::uint64_t size, NpzArray& array) {
  std::array<std::byte, npy_prefix_size> prefix;
  if (size < prefix.size()) return "it is too short for an .npy file";
  if (const Complaint complaint = file.read(prefix); !complaint.empty()) return complaint;
  const std::optional<NpyLayout> layout = npy_layout(prefix);
  if (!layout) return "it is not an .npy file of version 1 to 3";
  array.header_size = layout->data_begin;
  if (array.header_size > std::min(size, max_header_size) || array.header_size < prefix.size())
    return "it cannot have a header of " + std::to_string(array.header_size) + " bytes";
  std::vector<std::byte> bytes(prefix.begin(), prefix.end());
  bytes.resize(array.header_size);
  const auto rest = std::span(bytes).subspan(prefix.size());
  if (const Complaint complaint = file.read(rest); !complaint.empty()) return complaint;
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::optional<NpyHeader> header = parse_npy_header(all.substr(layout->text_begin));
  if (!header) return "its header does not describe an array of numbers";
  array.entry.dtype = header->dtype;
  array.entry.shape = header->shape;
  array.fortran_order = header->fortran_order;
  return "";
}

/// Whether the data that follow the header are as many as the shape needs.
Complaint check_size(const NpzArray& array, std::uint64_t size) {
  const std::optional<std::uint64_t> element = element_size(array.entry.dtype);
  if (!element) return "";  // no part has such a type, which will be said
  const std::optional<std::uint64_t> needed = byte_count(array.entry.shape, *element);
  const std::uint64_t given = size - array.header_size;
  if (needed == given) return "";
  return "shape " + shape_text(array.entry.shape) + " and dtype " + array.entry.dtype + " need " +
         (needed ? std::to_string(*needed) : "more than 2^64") + " bytes, it has " +
         std::to_string(given);
}

Complaint read_array(const ZipReader& archive, std::uint64_t position, NpzArray& array) {
  ZipReader::Description description;
  Complaint complaint = archive.describe(position, description);
  array.entry.name = description.name;
  array.entry.begin = position;
  array.entry.dtype = "not an array";
  if (!description.name.ends_with(extension)) return complaint;
  array.entry.name.resize(description.name.size() - extension.size());
  ZipEntry file;
  if (complaint.empty()) complaint = archive.open(position, file);
  if (complaint.empty()) complaint = read_header(file, description.size, array);
  return complaint.empty() ? check_size(array, description.size) : complaint;
}

/// The entries of an archive, each name once.
std::vector<TensorEntry> read_entries(const ZipReader& archive, const Wanted& wanted,
                                      std::vector<NpzArray>& arrays, Problems& problems) {
  std::vector<TensorEntry> entries;
  std::unordered_set<std::string> names;
  arrays.resize(archive.count());
  for (std::uint64_t i = 0; i < arrays.size(); ++i) {
    const Complaint complaint = read_array(archive, i, arrays[i]);
    TensorEntry& entry = arrays[i].entry;
    entry.valid = complaint.empty();
    if (!entry.valid && wanted(entry.name)) problems.add(in_quotes(entry.name) + ": " + complaint);
    if (names.insert(entry.name).second)
      entries.push_back(entry);
    else
      problems.add(in_quotes(entry.name) + " is there twice");
  }
  return entries;
}

/// From Fortran's order, where the first axis varies fastest, to C's.
std::vector<std::byte> turned(std::span<const std::byte> from,
                              const std::vector<std::uint64_t>& shape) {
  std::uint64_t count = 1;
  for (const std::uint64_t extent : shape) count *= extent;
  if (count == 0) return {};
  const std::size_t element = from.size() / count;
  std::vector<std::byte> to(from.size());
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t rest = i, position = 0;  // of element i of `from`, within `to`
    std::uint64_t stride = count;
    for (const std::uint64_t extent : shape) {
      stride /= extent;
      position += rest % extent * stride;
      rest /= extent;
    }
    std::copy_n(from.data() + i * element, element, to.data() + position * element);
  }
  return to;
}

Complaint read_data(const ZipReader& archive, const NpzArray& array, std::span<std::byte> to) {
  ZipEntry file;
  std::vector<std::byte> header(array.header_size);
  Complaint complaint = archive.open(array.entry.begin, file);
  if (complaint.empty()) complaint = file.read(header);
  if (complaint.empty()) complaint = file.read(to);
  if (complaint.empty()) complaint = file.finish();
  if (complaint.empty() && array.fortran_order)
    std::ranges::copy(turned(to, array.entry.shape), to.begin());
  return complaint;
}

/// Opens the archive; adds why that cannot be.
void open_archive(const ByteSource& file, ZipReader& archive, Problems& problems) {
  if (const std::string other = other_format(file, Format::npz); !other.empty())
    return problems.add("it is " + other);
  if (const Complaint complaint = archive.open(file); !complaint.empty())
    problems.add("it cannot be read as a zip archive: " + complaint);
}

/// Reads the parts from an archive that errors call `name`.
void read_parts(const SavedParts& parts, const ByteSource& file, const std::string& name,
                const LoadOptions& options) {
  Problems problems;
  ZipReader archive;
  open_archive(file, archive, problems);
  problems.raise_if_any(load_op, name);
  std::vector<NpzArray> arrays;
  const std::vector<TensorEntry> entries =
      read_entries(archive, Wanted(parts, options), arrays, problems);
  const auto read = [&](const TensorEntry& entry, std::span<std::byte> to) {
    return read_data(archive, arrays[entry.begin], to);
  };
  replace_parts(load_op, parts, entries, options, name, problems, read);
}

}  // namespace

void write_npz(const SavedParts& parts, const std::string& path) {
  check_ending(save_op, path, FileKind::npz);
  check_names(save_op, parts);
  std::vector<ZipFile> files;
  for (const auto& part : parts) {
    check_utf8(save_op, part->name());
    if (part->name().find('\0') != std::string::npos)
      throw ArgumentError(save_op, "the name " + in_quotes(part->name()) + " holds a zero byte");
    files.push_back({part->name() + std::string(extension),
                     make_npy_header(part->dtype(), part->shape()), part->bytes()});
  }
  std::vector<std::byte> archive;
  if (const Complaint complaint = make_zip(files, archive); !complaint.empty())
    throw FileError(save_op, path + ": cannot put it together: " + complaint);
  AtomicFile file(save_op, path);
  file.write(archive.data(), archive.size());
  file.commit();
}

void read_npz(const SavedParts& parts, const std::string& path, const LoadOptions& options) {
  check_names(load_op, parts);
  read_parts(parts, InputFile(load_op, path), path, options);
}

void read_npz(const SavedParts& parts, std::span<const std::byte> file, const std::string& name,
              const LoadOptions& options) {
  check_names(load_op, parts);
  read_parts(parts, MemoryBytes(file), name, options);
}

}  // namespace tapestry::detail
