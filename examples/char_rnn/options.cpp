// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <tapestry/autodiff/error.hpp>

#include <nlohmann/json.hpp>

namespace tapestry::data {

NLOHMANN_JSON_SERIALIZE_ENUM(Unit, {{Unit::character, "character"}, {Unit::word, "word"}})

}  // namespace tapestry::data

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ModelOptions, cell, layers, hidden, embedding, dropout)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TokenOptions, unit, min_count, max_vocabulary)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ScheduleOptions, kind, warm_up, decay_every, decay_factor)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainingOptions, text, tokens, model, schedule, optimizer,
                                   learning_rate, weight_decay, clip, sequence, batch, epochs,
                                   steps, validation, evaluate_every, patience, seed)

std::string to_json(const TrainingOptions& options) { return nlohmann::json(options).dump(); }

TrainingOptions options_from_json(const std::string& json, const std::string& file) {
  try {
    return nlohmann::json::parse(json).get<TrainingOptions>();
  } catch (const nlohmann::json::exception& error) {
    throw tapestry::FileError("checkpoint",
                              "the options in '" + file + "' are damaged: " + error.what());
  }
}
