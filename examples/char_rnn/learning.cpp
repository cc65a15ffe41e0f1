// SPDX-License-Identifier: MIT
#include "learning.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace tp = tapestry;

namespace {

constexpr std::size_t most_held_out = 500'000;  // tokens; more would hold up training

/// Long streams, so that the state is rarely cold; several where there is enough text for them.
tp::data::SequenceBatches held_out(std::shared_ptr<const tp::data::TokenSource> source) {
  const std::size_t size = source->size() - 1;
  const std::size_t streams = std::clamp<std::size_t>(size / 10'000, 1, 16);
  const std::size_t steps = std::min<std::size_t>(size / streams, 250);
  return tp::data::SequenceBatches(std::move(source), {.steps = steps, .batch = streams});
}

[[noreturn]] void throw_too_short(const CharRnnOptions& options, std::size_t there) {
  throw tp::FileError("train", "'" + options.text + "' is too short: " + std::to_string(there) +
                                   " tokens to train on, and a batch of " +
                                   std::to_string(options.batch) + " sequences of " +
                                   std::to_string(options.sequence) +
                                   " needs more; choose smaller --batch and --sequence");
}

}  // namespace

TextParts split(std::shared_ptr<const tp::data::TextTokens> text, const CharRnnOptions& options) {
  const std::size_t size = text->size();
  const auto kept = static_cast<std::size_t>(static_cast<double>(size) * (1 - options.validation));
  if (kept == 0 || options.sequence > (kept - 1) / options.batch) throw_too_short(options, kept);
  TextParts parts;
  const bool words = options.tokens.unit == tp::data::Unit::word;
  parts.unit = words ? "word" : "character";
  parts.description = std::to_string(size) + " " + parts.unit + "s, " +
                      std::to_string(text->vocabulary().size()) + " different";
  parts.training = std::make_shared<tp::data::TokenRange>(text, 0, kept);
  if (size - kept >= 2)
    parts.validation = held_out(
        std::make_shared<tp::data::TokenRange>(text, kept, std::min(size - kept, most_held_out)));
  return parts;
}

tp::data::VocabularyOptions vocabulary_options(const TokenOptions& options) {
  const bool words = options.unit == tp::data::Unit::word;
  const bool cut = options.min_count > 1 || options.max_vocabulary > 0;
  return {.min_count = options.min_count,
          .max_size = options.max_vocabulary,
          .unknown = words ? " <unk>"
                     : cut ? "<unk>"
                           : ""};
}

std::unique_ptr<tp::optim::Optimizer<>> make_optimizer(CharModel& model,
                                                       const CharRnnOptions& options) {
  tp::ParameterList<float> matrices, biases;
  for (tp::Parameter<float>* parameter : tp::parameters(model))
    (parameter->shape().rank() > 1 ? matrices : biases).push_back(parameter);
  const std::vector<tp::optim::ParameterGroup<float>> groups = {
      {.parameters = matrices, .weight_decay = options.weight_decay},
      {.parameters = biases, .weight_decay = 0}};
  const double rate = options.learning_rate;
  const std::string& name = options.optimizer;
  using namespace tp::optim;
  if (name == "adam") return std::make_unique<Adam<>>(groups, AdamOptions{.learning_rate = rate});
  if (name == "adamw")
    return std::make_unique<AdamW<>>(groups, AdamWOptions{.learning_rate = rate});
  if (name == "rmsprop")
    return std::make_unique<RMSprop<>>(groups, RMSpropOptions{.learning_rate = rate});
  if (name == "adagrad")
    return std::make_unique<Adagrad<>>(groups, AdagradOptions{.learning_rate = rate});
  if (name == "sgd")
    return std::make_unique<SGD<>>(groups, SGDOptions{.learning_rate = rate, .momentum = 0.9});
  throw tp::ArgumentError("train", "there is no optimizer '" + name + "'");
}

tp::optim::Schedule make_schedule(const ScheduleOptions& options, std::uint64_t steps) {
  using namespace tp::optim;
  const std::uint64_t warm = std::min<std::uint64_t>(options.warm_up, steps);
  const std::uint64_t rest = std::max<std::uint64_t>(steps - warm, 1);
  Schedule then = constant();
  if (options.kind == "cosine")
    then = cosine({.steps = rest});
  else if (options.kind == "step")
    then = step_decay(
        {.every = options.decay_every ? options.decay_every : std::max<std::uint64_t>(rest / 10, 1),
         .factor = options.decay_factor});
  else if (options.kind != "constant")
    throw tp::ArgumentError("train", "there is no schedule '" + options.kind + "'");
  return warm > 0 ? warm_up(warm, then) : then;
}

double mean_loss(CharModel& model, tp::data::SequenceBatches& batches, tp::Tape<>& tape) {
  tp::eval(model);
  batches.restart();
  const auto no_grad = tape.no_grad();
  tp::data::SequenceBatch batch;
  tp::data::Mean mean;
  Carry carry;
  for (std::size_t i = 0; i < batches.batches_per_epoch(); ++i) {
    batches.next(batch);
    tape.clear();
    mean.add(
        tp::softmax_cross_entropy(model.logits(tape, batch.tokens, carry), batch.targets).item());
  }
  tp::train(model);
  return mean.value();
}
