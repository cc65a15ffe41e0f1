// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/data/vocabulary.hpp"

namespace tapestry::data {
namespace {

using Json = nlohmann::json;

constexpr const char* op = "Vocabulary";
constexpr std::array<const char*, 3> kinds = {"character", "word", "symbol"};

[[noreturn]] void refuse(const std::string& reason) {
  throw ArgumentError(op, "the JSON is not that of a vocabulary: " + reason);
}

/// What the JSON of a vocabulary says, read piece by piece, so that a hostile one never becomes a
/// tree. What does not belong is skipped, and noted.
class Reader final : public nlohmann::json_sax<Json> {
 public:
  enum Field : std::size_t { unit, special, unknown, symbols, other };
  static constexpr std::array<const char*, other> names = {"unit", "special", "unknown", "symbols"};
  static constexpr std::uint64_t misfit = ~std::uint64_t{0};  // stands for a value of no use

  explicit Reader(std::string_view text) { (void)Json::sax_parse(text.begin(), text.end(), this); }

  bool null() override { return value(field_ == unknown ? std::nullopt : std::optional(misfit)); }
  bool boolean(bool) override { return value(misfit); }
  bool number_integer(number_integer_t) override { return value(misfit); }
  bool number_float(number_float_t, const string_t&) override { return value(misfit); }
  bool binary(binary_t&) override { return value(misfit); }
  bool number_unsigned(number_unsigned_t number) override {
    return value(field_ == unit ? misfit : number);
  }
  bool string(string_t& text) override;
  bool start_object(std::size_t) override { return start(depth_ == 0); }
  bool end_object() override { return end(); }
  bool start_array(std::size_t) override { return start(depth_ == 1 && field_ == symbols); }
  bool end_array() override { return end(); }
  bool key(string_t& name) override;
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    const auto* syntax = dynamic_cast<const Json::parse_error*>(&error);
    refuse(syntax ? "it is not valid at byte " + std::to_string(syntax->byte)
                  : "it has a number that is too large");
  }

  /// The value of a field that must be there: a number, nothing for null.
  [[nodiscard]] std::optional<std::uint64_t> number(Field field) const {
    if (!is_object_) refuse("it is not an object");
    if (!seen_[field]) refuse(std::string("it has no '") + names[field] + "'");
    return numbers_[field];
  }
  [[nodiscard]] std::vector<std::string> take_symbols();

 private:
  [[nodiscard]] bool in_list() const { return is_object_ && depth_ == 2 && field_ == symbols; }
  bool value(std::optional<std::uint64_t> number) {
    if (in_list()) bad_symbol_ = true;
    if (is_object_ && depth_ == 1 && field_ != other) numbers_[field_] = number;
    return true;
  }
  bool start(bool fits);
  bool end() {
    --depth_;
    return true;
  }

  std::size_t depth_ = 0;
  bool is_object_ = false;
  Field field_ = other;
  std::array<bool, other> seen_{};
  std::array<std::optional<std::uint64_t>, other> numbers_{};
  std::vector<std::string> symbols_;
  bool bad_symbol_ = false;
};

bool Reader::start(bool fits) {
  if (!fits) value(misfit);
  if (fits && depth_ == 0) is_object_ = true;
  ++depth_;
  return true;
}

bool Reader::string(string_t& text) {
  if (in_list()) {
    symbols_.push_back(std::move(text));
    return true;
  }
  const auto* kind = std::find(kinds.begin(), kinds.end(), text);
  const bool known = field_ == unit && kind != kinds.end();
  return value(known ? static_cast<std::uint64_t>(kind - kinds.begin()) : misfit);
}

bool Reader::key(string_t& name) {
  if (!is_object_ || depth_ != 1) return true;
  const auto* found = std::find(names.begin(), names.end(), name);
  field_ = static_cast<Field>(found - names.begin());
  if (field_ == other) return true;
  if (seen_[field_]) refuse(std::string("it has its '") + names[field_] + "' twice");
  seen_[field_] = true;
  return true;
}

std::vector<std::string> Reader::take_symbols() {
  if (number(symbols) == misfit) refuse("its 'symbols' are not a list");
  if (bad_symbol_) refuse("one of its 'symbols' is not a text");
  return std::move(symbols_);
}

/// A number from 0 to `largest`.
std::size_t number_of(const Reader& reader, Reader::Field field, std::size_t largest) {
  const std::optional<std::uint64_t> number = reader.number(field);
  if (!number || *number > largest)
    refuse(std::string("its '") + Reader::names[field] + "' is not a number from 0 to " +
           std::to_string(largest));
  return *number;
}

}  // namespace

std::string Vocabulary::to_json() const {
  Json json;
  json["unit"] = kinds[static_cast<std::size_t>(matching_)];
  json["special"] = special_;
  json["unknown"] = unknown_ ? Json(*unknown_) : Json();
  json["symbols"] = symbols_;
  return json.dump();
}

Vocabulary Vocabulary::from_json(std::string_view text) {
  Reader reader(text);
  const std::uint64_t kind = *reader.number(Reader::unit);
  if (kind >= kinds.size()) refuse("its 'unit' is none of 'character', 'word', 'symbol'");
  const auto matching = static_cast<Matching>(kind);
  std::vector<std::string> symbols = reader.take_symbols();
  if (symbols.empty()) refuse("it has no symbols");
  const std::size_t special = number_of(reader, Reader::special, symbols.size());
  std::optional<std::int64_t> unknown;
  if (reader.number(Reader::unknown)) {
    unknown = static_cast<std::int64_t>(number_of(reader, Reader::unknown, symbols.size() - 1));
    if (static_cast<std::size_t>(*unknown) < special) refuse("its 'unknown' is a special symbol");
  }
  if (matching == Matching::longest && (special > 0 || unknown))
    refuse("a list of symbols has no special ones");
  return {matching, std::move(symbols), special, unknown};
}

}  // namespace tapestry::data
