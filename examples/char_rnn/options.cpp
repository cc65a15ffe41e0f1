// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <tapestry/autodiff/error.hpp>

#include <nlohmann/json.hpp>
#include <type_traits>

#include "option_list.hpp"

namespace tapestry::data {

NLOHMANN_JSON_SERIALIZE_ENUM(Unit, {{Unit::character, "character"}, {Unit::word, "word"}})

}  // namespace tapestry::data

namespace {

using Json = nlohmann::json;

/// Ours are a few hundred bytes and the path of the text.
constexpr std::size_t longest = 100'000;

/// "model.hidden", for messages.
std::string name_of(const std::string& place) {
  std::string name = place.substr(1);
  for (char& c : name)
    if (c == '/') c = '.';
  return name;
}

/// Whether a value of JSON is of the kind of `Value`: 16.9 and true are no sizes, "16" neither.
template <class Value>
bool is_of_kind(const Json& json) {
  if constexpr (std::is_floating_point_v<Value>) return json.is_number();
  if constexpr (std::is_integral_v<Value>) return json.is_number_unsigned();
  return json.is_string();
}

/// Reads one field, which `check` must find good as it would on the command line.
template <class Value>
void read(const Json& json, const std::string& place, Value& value, const Check* check) {
  const Json::json_pointer pointer(place);
  if (!json.contains(pointer))
    throw tapestry::ArgumentError("options", "there is no " + name_of(place));
  const Json& found = json[pointer];
  const std::string text = found.is_string() ? found.get<std::string>() : found.dump();
  const std::string complaint = is_of_kind<Value>(found) ? (check ? check->complaint(text) : "")  //
                                                         : "is of another kind: " + text;
  if (!complaint.empty())
    throw tapestry::ArgumentError("options", name_of(place) + " " + complaint);
  found.get_to(value);
}

}  // namespace

std::string to_json(const CharRnnOptions& options) {
  Json json;
  json["text"] = options.text;
  for_each_option(options, [&](const OptionText& option, const auto& value, const auto&) {
    json[Json::json_pointer(option.place)] = value;
  });
  return json.dump();
}

CharRnnOptions options_from_json(const std::string& json, const std::string& file) {
  try {
    if (json.size() > longest)
      throw tapestry::ArgumentError("options", std::to_string(json.size()) + " bytes are too many");
    const Json parsed = Json::parse(json);
    CharRnnOptions options;
    read(parsed, "/text", options.text, nullptr);
    for_each_option(options, [&](const OptionText& option, auto& value, const auto& check) {
      read(parsed, option.place, value, &check);
    });
    return options;
  } catch (const std::exception& error) {
    throw tapestry::FileError("checkpoint",
                              "the options in '" + file + "' are damaged: " + error.what());
  }
}
