// SPDX-License-Identifier: MIT
#include "checkpoint.hpp"

#include <charconv>
#include <system_error>
#include <utility>
#include <vector>

namespace tp = tapestry;

namespace {

constexpr const char* format = "tapestry char_rnn 1";

/// What goes wrong on the way, as a FileError that names the file.
[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  throw tp::FileError("checkpoint", "'" + path + "' " + reason);
}

/// A text of the metadata, which must be there.
const std::string& text_of(const tp::Metadata& metadata, const char* key, const std::string& path) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) refuse(path, std::string("has no '") + key + "'");
  return found->second;
}

std::uint64_t fingerprint_of(const std::string& text, const std::string& path) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size())
    refuse(path, "has a damaged fingerprint of its text");
  return number;
}

/// Refuses a file whose matrices are not those of its options and vocabulary: they tell what would
/// be built. `load` compares the rest.
void check_matrices(const CheckpointInfo& info, const std::string& path) {
  const ModelOptions& model = info.options.model;
  const tp::SavedShapes held = tp::read_shapes(path);
  const auto check = [&](const std::string& name, std::uint64_t rows, std::uint64_t columns,
                         const char* because) {
    const auto found = held.find(name);
    if (found != held.end() && found->second == std::vector{rows, columns}) return;
    std::string has = "not there";
    if (found != held.end()) {
      has = "(";
      for (const std::uint64_t extent : found->second)
        has.append(has.size() > 1 ? ", " : "") += std::to_string(extent);
      has += ")";
    }
    refuse(path, "does not hold what it says it does: by its " + std::string(because) + " '" +
                     name + "' is (" + std::to_string(rows) + ", " + std::to_string(columns) +
                     "), in the file it is " + has);
  };
  const std::uint64_t size = info.vocabulary.size(), hidden = model.hidden;
  const std::uint64_t rows = (model.cell == "lstm" ? 4 : model.cell == "gru" ? 3 : 1) * hidden;
  check("embed.weight", size, model.embedding, "vocabulary and model.embedding");
  check("head.weight", size, hidden, "vocabulary and model.hidden");
  const auto layer = [&](const char* what, std::size_t k) {
    return model.cell + "." + what + "_l" + std::to_string(k);
  };
  for (std::size_t k = 0; k < model.layers; ++k) {
    check(layer("weight_ih", k), rows, k == 0 ? model.embedding : hidden,
          "model.cell, model.layers, model.hidden and model.embedding");
    check(layer("weight_hh", k), rows, hidden, "model.cell, model.layers and model.hidden");
  }
  if (held.contains(layer("weight_hh", model.layers)))
    refuse(path, "holds more layers than the " + std::to_string(model.layers) +
                     " that it says it does (model.layers)");
}

/// The vocabulary, with the name of the file where it is damaged.
tp::data::Vocabulary vocabulary_of(const std::string& json, const std::string& path) {
  try {
    return tp::data::Vocabulary::from_json(json);
  } catch (const tp::ArgumentError& error) {
    refuse(path, std::string("has a damaged vocabulary: ") + error.what());
  }
}

}  // namespace

tp::Metadata to_metadata(const CheckpointInfo& info) {
  return {{"format", format},
          {"options", to_json(info.options)},
          {"vocabulary", info.vocabulary.to_json()},
          {"text", std::to_string(info.text)}};
}

CheckpointInfo read_info(const std::string& path) {
  const tp::Metadata metadata = tp::read_metadata(path);
  const auto found = metadata.find("format");
  if (found == metadata.end() || found->second != format)
    refuse(path,
           std::string("holds another model: it was not written by char_rnn train (") +
               (found == metadata.end() ? "it has no format"
                                        : "its format is '" + found->second.substr(0, 50) + "'") +
               ", not '" + format + "')");
  CheckpointInfo info{options_from_json(text_of(metadata, "options", path), path),
                      vocabulary_of(text_of(metadata, "vocabulary", path), path),
                      fingerprint_of(text_of(metadata, "text", path), path)};
  check_matrices(info, path);
  return info;
}

Checkpoint read_checkpoint(const std::string& path) {
  CheckpointInfo info = read_info(path);
  CharModel model(info.options.model, info.vocabulary.size());
  tp::load(model, path, {.ignore_surplus = true});
  tp::eval(model);
  return {std::move(info), std::move(model)};
}

std::int64_t first_token(const tp::data::Vocabulary& vocabulary) {
  for (const char* line_end : {"\n", "\r\n"})
    if (vocabulary.contains(line_end)) return vocabulary.token(line_end);
  return 0;
}
