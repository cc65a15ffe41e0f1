// SPDX-License-Identifier: MIT
// An encoder-decoder with attention learns to write words backwards: words of 1 to 10 letters, many
// at a time, each of its own length. It is right only if every letter and the end are right, while
// it reads what it has written itself.
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "training.hpp"

namespace tp = tapestry;

namespace {

constexpr std::size_t letters = 26;
constexpr std::int64_t start = letters;
constexpr std::int64_t end = letters + 1;
constexpr std::size_t longest = 10;

using Model = tp::layers::EncoderDecoder<tp::layers::GRU<>, tp::layers::GeneralAttention<>>;

struct Batch {
  tp::Indices source;                       // (S, B)
  std::vector<std::size_t> lengths;         // (B), of the sources
  tp::Indices target;                       // (S + 1, B): the word backwards, and the end
  std::vector<std::size_t> target_lengths;  // (B)
};

Batch draw(std::size_t size, tp::Generator& random) {
  Batch batch{tp::Indices::from_shape({longest, size}),
              {},
              tp::Indices::from_shape({longest + 1, size}),
              {}};
  batch.source.fill(0);
  batch.target.fill(end);
  for (std::size_t b = 0; b < size; ++b) {
    const std::size_t n = 1 + random.below(longest);
    for (std::size_t i = 0; i < n; ++i) {
      const auto letter = static_cast<std::int64_t>(random.below(letters));
      batch.source(i, b) = letter;
      batch.target(n - 1 - i, b) = letter;
    }
    batch.lengths.push_back(n);
    batch.target_lengths.push_back(n + 1);
  }
  return batch;
}

/// What the model writes by itself, (S + 1, B).
tp::Indices write(Model& model, tp::Tape<>& tape, const Batch& batch) {
  const auto off = tape.no_grad();
  tape.clear();
  const auto inputs = tp::layers::decoder_inputs(batch.target, start);
  const auto [logits, weights] =
      model(tape, batch.source, batch.lengths, inputs, {.teacher_forcing = 0});
  return argmax(logits, -1);
}

/// The share of words that are written backwards without a mistake.
double exact(const Batch& batch, const tp::Indices& written) {
  std::size_t right = 0;
  for (std::size_t b = 0; b < batch.lengths.size(); ++b) {
    bool same = true;
    for (std::size_t t = 0; t < batch.target_lengths[b]; ++t)
      same &= written(t, b) == batch.target(t, b);
    right += same;
  }
  return static_cast<double>(right) / static_cast<double>(batch.lengths.size());
}

std::string word(const tp::Indices& tokens, std::size_t b) {
  std::string text;
  for (std::size_t t = 0; t < tokens.shape()[0] && tokens(t, b) < start; ++t)
    text += static_cast<char>('a' + tokens(t, b));
  return text;
}

void run(const TrainingOptions& options) {
  tp::seed(options.seed);
  tp::Generator random(options.seed);
  Model model({.source_tokens = letters,
               .target_tokens = letters + 2,
               .embedding_size = 32,
               .hidden_size = options.hidden},
              tp::layers::GeneralAttention<>(options.hidden, options.hidden));
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  const auto step = [&] {
    const Batch batch = draw(options.batch, random);
    tape.clear();
    const auto inputs = tp::layers::decoder_inputs(batch.target, start);
    const auto [logits, weights] = model(tape, batch.source, batch.lengths, inputs);
    const auto loss = sequence_cross_entropy(logits, batch.target, batch.target_lengths,
                                             {.reduction = tp::SequenceReduction::mean_of_steps});
    return update(loss, adam);
  };
  tp::Generator other(options.seed + 1);
  const Batch test = draw(1000, other);
  const auto measure = [&] { return exact(test, write(model, tape, test)); };
  const auto show = [&] {
    const tp::Indices written = write(model, tape, test);
    for (std::size_t b = 0; b < 3; ++b) {
      tp::Indices source = tp::Indices::from_shape({test.lengths[b], 1});
      for (std::size_t t = 0; t < test.lengths[b]; ++t) source(t, 0) = test.source(t, b);
      std::cout << "  " << word(source, 0) << " -> " << word(written, b) << '\n';
    }
  };
  train_until({.measure = "exact words",
               .value = 0.99,
               .below = false,
               .baseline = "of 1000 words it has not seen",
               .picture = "encoder_decoder.svg"},
              options.steps, step, measure, show);
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "An encoder-decoder with attention writes words backwards.",
                     {.steps = 4000, .batch = 64, .hidden = 96, .learning_rate = 2e-3}, run);
}
