// SPDX-License-Identifier: MIT
#include "tensors.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry::detail {
namespace {

/// Whether a program can address an array of this shape. Extents count even where another is 0:
/// strides are products of them.
bool is_addressable(const std::vector<std::uint64_t>& shape) {
  std::uint64_t left = std::uint64_t{1} << 48;
  for (const std::uint64_t extent : shape) {
    if (extent > left) return false;
    if (extent > 0) left /= extent;
  }
  return true;
}

/// Whether the entry can take the place of the part; adds why not.
void check_fit(const SavedPart& part, const TensorEntry& entry, Problems& problems) {
  if (!entry.valid) return;  // then it was reported already
  if (entry.dtype != part.dtype())
    problems.add(in_quotes(part.name()) + " is " + entry.dtype + " in the file, " + part.dtype() +
                 " in the model");
  if (part.takes_any_shape() && entry.shape.size() > Shape::max_rank)
    problems.add(in_quotes(part.name()) + " has shape " + shape_text(entry.shape) +
                 " in the file, arrays have at most " + std::to_string(Shape::max_rank) + " axes");
  else if (part.takes_any_shape() && !is_addressable(entry.shape))
    problems.add(in_quotes(part.name()) + " has the absurd shape " + shape_text(entry.shape) +
                 " in the file");
  if (entry.shape != part.shape() && !part.takes_any_shape())
    problems.add(in_quotes(part.name()) + " has shape " + shape_text(entry.shape) +
                 " in the file, " + shape_text(part.shape()) + " in the model");
}

/// Finds the entry of each part. Adds to `problems` what differs, is missing or is too many.
std::vector<const TensorEntry*> match(const SavedParts& parts,
                                      const std::vector<TensorEntry>& entries,
                                      const LoadOptions& options, Problems& problems) {
  std::unordered_map<std::string_view, const TensorEntry*> by_name;
  for (const TensorEntry& entry : entries) by_name.emplace(entry.name, &entry);
  std::vector<const TensorEntry*> found;
  for (const auto& part : parts) {
    const auto place = by_name.find(part->name());
    if (place == by_name.end()) {
      problems.add(in_quotes(part->name()) + " is missing");
      continue;
    }
    check_fit(*part, *found.emplace_back(place->second), problems);
    by_name.erase(place);
  }
  if (options.ignore_surplus) return found;
  for (const TensorEntry& entry : entries)
    if (by_name.contains(entry.name)) problems.add(in_quotes(entry.name) + " is not in the model");
  return found;
}

/// Reads the new numbers of a part into memory of its own. Returns "", or what is wrong with them.
std::string stage(SavedPart& part, const TensorEntry& entry, const ReadTensor& read) {
  try {
    const std::string complaint = read(entry, part.stage(entry.shape));
    if (!complaint.empty()) return complaint;
    return part.staged_is_valid() ? "" : "its numbers make no sense";
  } catch (const std::bad_alloc&) {
    return "there is not enough memory for it";
  }
}

}  // namespace

std::optional<std::uint64_t> element_size(std::string_view dtype) {
  using Size = std::pair<std::string_view, std::uint64_t>;
  static constexpr auto sizes = std::to_array<Size>({{"F32", 4},
                                                     {"F64", 8},
                                                     {"F16", 2},
                                                     {"BF16", 2},
                                                     {"BOOL", 1},
                                                     {"I64", 8},
                                                     {"I32", 4},
                                                     {"I16", 2},
                                                     {"I8", 1},
                                                     {"U64", 8},
                                                     {"U32", 4},
                                                     {"U16", 2},
                                                     {"U8", 1},
                                                     {"F8_E4M3", 1},
                                                     {"F8_E5M2", 1},
                                                     {"F8_E8M0", 1},
                                                     {"C64", 8}});
  for (const auto& [name, size] : sizes)
    if (name == dtype) return size;
  return std::nullopt;
}

std::optional<std::uint64_t> byte_count(const std::vector<std::uint64_t>& shape,
                                        std::uint64_t element) {
  if (std::find(shape.begin(), shape.end(), 0u) != shape.end()) return 0;
  std::uint64_t bytes = element;
  for (const std::uint64_t extent : shape) {
    if (extent > std::numeric_limits<std::uint64_t>::max() / bytes) return std::nullopt;
    bytes *= extent;
  }
  return bytes;
}

Wanted::Wanted(const SavedParts& parts, const LoadOptions& options)
    : all_(!options.ignore_surplus) {
  for (const auto& part : parts) names_.insert(part->name());
}

void check_names(const char* op, const SavedParts& parts) {
  std::unordered_set<std::string_view> names;
  for (const auto& part : parts) {
    if (part->name().empty())
      throw ArgumentError(op, "a parameter cannot have the name '' in a file");
    if (!names.insert(part->name()).second)
      throw ArgumentError(op, "two parameters have the name '" + part->name() + "'");
  }
}

void replace_parts(const char* op, const SavedParts& parts, const std::vector<TensorEntry>& entries,
                   const LoadOptions& options, const std::string& path, Problems& problems,
                   const ReadTensor& read) {
  const std::vector<const TensorEntry*> found = match(parts, entries, options, problems);
  problems.raise_if_any(op, path);
  // First all into memory of our own: reading can fail half-way, moving cannot.
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string complaint = stage(*parts[i], *found[i], read);
    if (!complaint.empty()) problems.add(in_quotes(parts[i]->name()) + ": " + complaint);
  }
  problems.raise_if_any(op, path);
  for (const auto& part : parts) part->commit();
}

}  // namespace tapestry::detail
