// SPDX-License-Identifier: MIT
#include "safetensors_header.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace tapestry::detail {
namespace {

constexpr std::size_t max_tensors = 1'000'000;
constexpr std::size_t max_texts = 1'000'000;
constexpr std::size_t max_axes = 64;

/// Turns the text into entries piece by piece, so that a hostile one never becomes a tree.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(SafetensorsHeader& header, Problems& problems)
      : header_(header), problems_(problems) {}

  bool null() override {
    const bool no_metadata = skipped_ == 0 && place_ == Place::file && name_ == metadata_key;
    return no_metadata || misfit();
  }
  bool boolean(bool) override { return misfit(); }
  bool number_integer(number_integer_t) override { return misfit(); }
  bool number_float(number_float_t, const string_t&) override { return misfit(); }
  bool binary(binary_t&) override { return misfit(); }
  bool number_unsigned(number_unsigned_t number) override {
    if (skipped_ > 0 || place_ != Place::numbers || numbers_.size() == max_axes) return misfit();
    numbers_.push_back(number);
    return true;
  }
  bool string(string_t& text) override;
  bool start_object(std::size_t) override;
  bool start_array(std::size_t) override;
  bool key(string_t& name) override;
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    return stop("its header is not valid JSON at byte " + std::to_string(position));
  }

  /// Why reading stopped before the end.
  [[nodiscard]] const std::string& stopped() const { return stopped_; }

 private:
  enum class Place : std::uint8_t { outside, file, metadata, entry, numbers };

  struct Field {
    const char* name;
    const char* kind;
    bool seen = false;
    bool bad = false;
  };
  enum : std::size_t { dtype, shape, data_offsets, other };

  bool stop(std::string reason) {
    stopped_ = std::move(reason);
    return false;
  }
  bool misfit();
  bool skip() {
    ++skipped_;
    return true;
  }
  bool end();
  bool start_part(const std::string& name);
  void start_field(std::string_view name);
  void finish_numbers();
  void finish_entry();

  SafetensorsHeader& header_;
  Problems& problems_;
  Place place_ = Place::outside;
  std::size_t skipped_ = 0;  // depth within a value that does not matter
  std::set<std::string> names_;
  std::string name_;       // of the current part of the file
  std::string key_;        // of the current text of the metadata
  bool repeated_ = false;  // the name was there before
  TensorEntry entry_;
  std::array<Field, 3> fields_{};
  std::size_t field_ = other;
  std::vector<std::uint64_t> numbers_;
  std::string stopped_;
};

/// A value of a kind that does not belong where it is.
bool HeaderReader::misfit() {
  if (skipped_ > 0) return true;
  if (place_ == Place::file) {
    problems_.add(in_quotes(name_) + " is not an object");
    if (!repeated_ && name_ != metadata_key) header_.tensors.emplace_back().name = name_;
  } else if (place_ == Place::metadata) {
    problems_.add("the metadata " + in_quotes(key_) + " is not a text");
  } else if (field_ != other) {
    fields_[field_].bad = true;
  }
  return true;
}

bool HeaderReader::string(string_t& text) {
  if (skipped_ == 0 && place_ == Place::metadata) {
    if (!header_.metadata.emplace(key_, std::move(text)).second)
      problems_.add("the metadata " + in_quotes(key_) + " is there twice");
    return true;
  }
  if (skipped_ > 0 || place_ != Place::entry || field_ != dtype) return misfit();
  entry_.dtype = std::move(text);
  return true;
}

bool HeaderReader::start_object(std::size_t) {
  if (skipped_ > 0) return skip();
  if (place_ == Place::outside) {
    place_ = Place::file;
    return true;
  }
  if (place_ != Place::file) {
    misfit();
    return skip();
  }
  place_ = name_ == metadata_key ? Place::metadata : Place::entry;
  entry_ = {};
  entry_.name = name_;
  fields_ = {{{"dtype", "a text"},
              {"shape", "a list of at most 64 sizes"},
              {"data_offsets", "a list of two positions"}}};
  return true;
}

bool HeaderReader::start_array(std::size_t) {
  if (skipped_ == 0 && place_ == Place::entry && (field_ == shape || field_ == data_offsets)) {
    place_ = Place::numbers;
    numbers_.clear();
    return true;
  }
  misfit();
  return skip();
}

bool HeaderReader::key(string_t& name) {
  if (skipped_ > 0) return true;
  if (place_ == Place::file) return start_part(name);
  if (place_ == Place::metadata && header_.metadata.size() == max_texts)
    return stop("its metadata has more than " + std::to_string(max_texts) + " texts");
  if (place_ == Place::metadata)
    key_ = name;
  else
    start_field(name);
  return true;
}

bool HeaderReader::start_part(const std::string& name) {
  name_ = name;
  repeated_ = !names_.insert(name).second;
  if (repeated_) problems_.add(in_quotes(name) + " is there twice");
  if (names_.size() <= max_tensors) return true;
  return stop("it has more than " + std::to_string(max_tensors) + " tensors");
}

void HeaderReader::start_field(std::string_view name) {
  for (field_ = 0; field_ < other; ++field_)
    if (name == fields_[field_].name) break;
  if (field_ == other) return;
  if (fields_[field_].seen)
    problems_.add(in_quotes(name_) + " has its " + fields_[field_].name + " twice");
  fields_[field_].seen = true;
}

bool HeaderReader::end() {
  if (skipped_ > 0) {
    --skipped_;
    return true;
  }
  if (place_ == Place::numbers) {
    finish_numbers();
    place_ = Place::entry;
  } else if (place_ == Place::file) {
    place_ = Place::outside;
  } else {
    if (place_ == Place::entry && !repeated_) finish_entry();
    place_ = Place::file;
  }
  return true;
}

void HeaderReader::finish_numbers() {
  if (field_ == shape) {
    entry_.shape = numbers_;
  } else if (numbers_.size() == 2) {
    entry_.begin = numbers_[0];
    entry_.end = numbers_[1];
  } else {
    fields_[field_].bad = true;
  }
}

void HeaderReader::finish_entry() {
  entry_.complete = true;
  for (const Field& field : fields_) {
    if (field.seen && !field.bad) continue;
    entry_.complete = false;
    problems_.add(in_quotes(name_) + (field.seen ? " has a " : " has no ") + field.name +
                  (field.seen ? std::string(" that is not ") + field.kind : ""));
  }
  header_.tensors.push_back(std::move(entry_));
}

std::string range_text(std::uint64_t begin, std::uint64_t end) {
  return "[" + std::to_string(begin) + ", " + std::to_string(end) + ")";
}

/// Whether the entry's offsets lie within the data.
bool in_data(const TensorEntry& entry, std::uint64_t data_size) {
  return entry.begin <= entry.end && entry.end <= data_size;
}

/// Whether the parts of a complete entry agree; adds what does not.
bool check_entry(const TensorEntry& entry, std::uint64_t data_size, const Wanted& wanted,
                 Problems& problems) {
  bool good = in_data(entry, data_size);
  if (!good)
    problems.add(in_quotes(entry.name) + " has data at " + range_text(entry.begin, entry.end) +
                 ", outside the " + std::to_string(data_size) + " bytes of data");
  const std::optional<std::uint64_t> element = element_size(entry.dtype);
  if (!element) {
    if (wanted(entry.name))
      problems.add(in_quotes(entry.name) + " has the unknown dtype " + in_quotes(entry.dtype));
    return false;
  }
  const std::optional<std::uint64_t> bytes = byte_count(entry.shape, *element);
  if (bytes && (!good || *bytes == entry.end - entry.begin)) return good;
  const std::string needs = bytes ? std::to_string(*bytes) : "more than 2^64";
  problems.add(in_quotes(entry.name) + " of shape " + shape_text(entry.shape) + " and dtype " +
               entry.dtype + " needs " + needs + " bytes, its data is at " +
               range_text(entry.begin, entry.end));
  return false;
}

/// Checks that each byte of the data belongs to one tensor.
void check_cover(const std::vector<TensorEntry>& tensors, std::uint64_t data_size,
                 Problems& problems) {
  std::vector<const TensorEntry*> ordered;
  bool all_known = true;  // else a gap may belong to a tensor that was reported already
  for (const TensorEntry& entry : tensors) {
    const bool known = entry.complete && in_data(entry, data_size);
    all_known = all_known && known;
    if (known && entry.begin < entry.end) ordered.push_back(&entry);
  }
  std::sort(ordered.begin(), ordered.end(),
            [](const auto* a, const auto* b) { return a->begin < b->begin; });
  const auto check_gap = [&](std::uint64_t from, std::uint64_t to) {
    if (from < to && all_known)
      problems.add("the bytes " + range_text(from, to) + " of its data belong to no tensor");
  };
  const TensorEntry* furthest = nullptr;
  for (const TensorEntry* entry : ordered) {
    const std::uint64_t covered = furthest ? furthest->end : 0;
    check_gap(covered, entry->begin);
    if (entry->begin < covered)
      problems.add(in_quotes(furthest->name) + " and " + in_quotes(entry->name) + " overlap at " +
                   range_text(entry->begin, std::min(covered, entry->end)));
    if (entry->end > covered) furthest = entry;
  }
  check_gap(furthest ? furthest->end : 0, data_size);
}

}  // namespace

std::optional<SafetensorsHeader> parse_safetensors_header(std::string_view text,
                                                          std::uint64_t data_size,
                                                          const Wanted& wanted,
                                                          Problems& problems) {
  // The parser would skip other beginnings, and take a zero byte for the end.
  if (!text.starts_with('{') || text.find('\0') != std::string_view::npos) {
    problems.add("its header is not a JSON object");
    return std::nullopt;
  }
  SafetensorsHeader header;
  HeaderReader reader(header, problems);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &reader)) {
    problems = {};  // of a part of the header: they would only hide the one that matters
    problems.add(reader.stopped());
    return std::nullopt;
  }
  for (TensorEntry& entry : header.tensors)
    entry.valid = entry.complete && check_entry(entry, data_size, wanted, problems);
  check_cover(header.tensors, data_size, problems);
  return header;
}

}  // namespace tapestry::detail
