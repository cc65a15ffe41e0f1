// SPDX-License-Identifier: MIT
#include <array>
#include <nlohmann/json.hpp>
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

Json parsed(std::string_view text) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    refuse("it is not valid at byte " + std::to_string(error.byte));
  } catch (const Json::exception&) {
    refuse("it has a number that is too large");
  }
}

const Json& field(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end()) refuse(std::string("it has no '") + name + "'");
  return *found;
}

std::size_t kind_of(const Json& json) {
  const Json& kind = field(json, "unit");
  for (std::size_t i = 0; i < kinds.size(); ++i)
    if (kind == kinds[i]) return i;
  refuse("its 'unit' is none of 'character', 'word', 'symbol'");
}

std::vector<std::string> symbols_of(const Json& json) {
  const Json& list = field(json, "symbols");
  std::vector<std::string> symbols;
  if (!list.is_array()) refuse("its 'symbols' are not a list");
  for (const Json& symbol : list) {
    if (!symbol.is_string()) refuse("one of its 'symbols' is not a text");
    symbols.push_back(symbol.get<std::string>());
  }
  return symbols;
}

/// A number from 0 to `largest`.
std::size_t number_of(const Json& json, const char* name, std::size_t largest) {
  const Json& number = field(json, name);
  if (!number.is_number_unsigned() || number.get<std::uint64_t>() > largest)
    refuse(std::string("its '") + name + "' is not a number from 0 to " + std::to_string(largest));
  return number.get<std::size_t>();
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
  const Json json = parsed(text);
  if (!json.is_object()) refuse("it is not an object");
  const auto matching = static_cast<Matching>(kind_of(json));
  std::vector<std::string> symbols = symbols_of(json);
  if (symbols.empty()) refuse("it has no symbols");
  const std::size_t special = number_of(json, "special", symbols.size());
  std::optional<std::int64_t> unknown;
  if (!field(json, "unknown").is_null()) {
    unknown = static_cast<std::int64_t>(number_of(json, "unknown", symbols.size() - 1));
    if (static_cast<std::size_t>(*unknown) < special) refuse("its 'unknown' is a special symbol");
  }
  if (matching == Matching::longest && (special > 0 || unknown))
    refuse("a list of symbols has no special ones");
  return {matching, std::move(symbols), special, unknown};
}

}  // namespace tapestry::data
