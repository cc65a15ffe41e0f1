// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <iostream>
#include <limits>
#include <optional>
#include <tapestry/autodiff.hpp>
#include <tapestry/data.hpp>
#include <tapestry/layers.hpp>
#include <utility>
#include <vector>

#include "checkpoint.hpp"
#include "commands.hpp"
#include "guards.hpp"

namespace tp = tapestry;

namespace {

/// A model that reads one token after another.
class Reader {
 public:
  explicit Reader(Checkpoint& checkpoint)
      : model_(checkpoint.model), unknown_(checkpoint.info.vocabulary.unknown()) {}

  /// The logits of what follows `token`, valid until the next call.
  [[nodiscard]] tp::Variable<> read(std::int64_t token, Carry& carry) {
    tape_.clear();
    token_(0, 0) = token;
    return model_.logits(tape_, token_, carry);
  }

  /// The same as numbers, by which the unknown token, which is no text, is never chosen.
  [[nodiscard]] const std::vector<float>& scores(const tp::Variable<>& logits) {
    const auto values = logits.value();
    scores_.assign(values.begin(), values.end());
    if (unknown_)
      scores_[static_cast<std::size_t>(*unknown_)] = -std::numeric_limits<float>::infinity();
    return scores_;
  }

 private:
  CharModel& model_;
  std::optional<std::int64_t> unknown_;
  tp::Tape<> tape_;
  tp::NoGrad<> no_grad_ = tape_.no_grad();
  tp::Indices token_ = tp::Indices::from_shape({1, 1});
  std::vector<float> scores_;
};

void draw_at_random(Reader& reader, const tp::data::Vocabulary& vocabulary, std::int64_t token,
                    Carry& carry, const SampleOptions& options) {
  const tp::data::SampleOptions choice{
      .temperature = options.temperature, .top_k = options.top_k, .top_p = options.top_p};
  const bool watched = isatty(STDOUT_FILENO) != 0;
  for (std::size_t i = 0; options.length == 0 || i < options.length; ++i) {
    token = tp::data::sample(reader.scores(reader.read(token, carry)), choice);
    const std::string symbol = vocabulary.symbol(token);
    if (watched)  // a checkpoint's symbols must not move the cursor of a terminal
      std::cout << tp::utf8::harmless(symbol) << std::flush;
    else
      std::cout << symbol;
    if (!std::cout) return;
  }
}

/// The likeliest text that a beam finds; returns the logarithm of its probability.
double search(Reader& reader, const tp::data::Vocabulary& vocabulary, std::int64_t token,
              const Carry& carry, const SampleOptions& options) {
  const auto step = [&](std::int64_t last, Carry state) {
    const auto log_probs = log_softmax(reader.read(last, state));
    return std::pair(reader.scores(log_probs), std::move(state));
  };
  const auto found =
      tp::beam_search(token, carry, step, {.width = options.beam, .max_length = options.length});
  const std::string text = vocabulary.decode(found.front().tokens);
  std::cout << (isatty(STDOUT_FILENO) != 0 ? tp::utf8::harmless(text) : text);
  return found.front().log_probability;
}

}  // namespace

void sample(const SampleOptions& options) {
  if (options.beam > 0 && options.length == 0)
    throw tp::ArgumentError("sample", "a beam search needs a --length to come to an end");
  check_standard_output("sample", {options.checkpoint});
  Checkpoint checkpoint = read_checkpoint(options.checkpoint);
  const tp::data::Vocabulary& vocabulary = checkpoint.info.vocabulary;
  tp::seed(options.seed.value_or(checkpoint.info.options.seed));
  Reader reader(checkpoint);
  Carry carry;
  std::int64_t token = first_token(vocabulary);
  const tp::Indices prime = vocabulary.encode(options.prime);
  for (std::size_t i = 0; i < prime.size(); ++i) {
    if (i > 0) static_cast<void>(reader.read(token, carry));
    token = prime(i);
  }
  std::cout << options.prime;
  std::optional<double> log_probability;
  if (options.beam > 0)
    log_probability = search(reader, vocabulary, token, carry, options);
  else
    draw_at_random(reader, vocabulary, token, carry, options);
  std::cout << std::endl;
  if (log_probability)
    std::cerr << "log-probability: " << tp::number_text(*log_probability) << '\n';
}
