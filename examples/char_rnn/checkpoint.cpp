// SPDX-License-Identifier: MIT
#include "checkpoint.hpp"

#include <cstdlib>
#include <utility>

namespace tp = tapestry;

namespace {

constexpr const char* format = "tapestry char_rnn 1";

}  // namespace

tp::Metadata to_metadata(const CheckpointInfo& info) {
  return {{"format", format},
          {"options", to_json(info.options)},
          {"vocabulary", info.vocabulary.to_json()},
          {"text", std::to_string(info.text)}};
}

CheckpointInfo read_info(const std::string& path) {
  tp::Metadata metadata = tp::read_metadata(path);
  if (metadata["format"] != format)
    throw tp::FileError("checkpoint", "'" + path + "' holds another model: it was not written by " +
                                          "char_rnn train (its format is '" + metadata["format"] +
                                          "', not '" + format + "')");
  return {options_from_json(metadata["options"], path),
          tp::data::Vocabulary::from_json(metadata["vocabulary"]),
          std::strtoull(metadata["text"].c_str(), nullptr, 10)};
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
