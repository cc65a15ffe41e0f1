// SPDX-License-Identifier: MIT
// The parts of training that the options choose: what is learned from, by which optimizer, at which
// rate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tapestry/autodiff.hpp>
#include <tapestry/data.hpp>
#include <tapestry/optim.hpp>

#include "model.hpp"
#include "options.hpp"

/// A text as training sees it.
struct TextParts {
  std::shared_ptr<const tapestry::data::TokenSource> training;
  std::optional<tapestry::data::SequenceBatches> validation;  ///< none without held-out text
  std::string unit;                                           ///< "character" or "word"
  std::string description;                                    ///< for the person in front of it
};

/// Holds out the end of the text. Throws FileError when one of the parts is too short.
[[nodiscard]] TextParts split(std::shared_ptr<const tapestry::data::TextTokens> text,
                              const CharRnnOptions& options);

[[nodiscard]] tapestry::data::VocabularyOptions vocabulary_options(const TokenOptions& options);

/// Matrices with the weight decay of the options, biases without.
[[nodiscard]] std::unique_ptr<tapestry::optim::Optimizer<>> make_optimizer(
    CharModel& model, const CharRnnOptions& options);

[[nodiscard]] tapestry::optim::Schedule make_schedule(const ScheduleOptions& options,
                                                      std::uint64_t steps);

/// The mean loss of a model over all batches, in nats per token, with dropout off. `tape` is
/// cleared; the memory that it keeps serves the next time.
[[nodiscard]] double mean_loss(CharModel& model, tapestry::data::SequenceBatches& batches,
                               tapestry::Tape<>& tape);
