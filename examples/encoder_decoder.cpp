// SPDX-License-Identifier: MIT
// An encoder-decoder ("Deep Dive on RNNs") learns to write words backwards. The final state of the
// encoder is the context C, and all that the decoder knows of the word. With attention, which the
// document does not have, the decoder also looks back at the encoder's state after each letter.
// Both learn on words of 1 to 5 letters, each of its own length. A word is right only if every
// letter and the end are right, while the decoder reads what it has written itself.
#include <tapestry/tapestry.hpp>

#include <iostream>
#include <string>
#include <vector>

#include "claims.hpp"
#include "draw_curves.hpp"
#include "text.hpp"
#include "training.hpp"

namespace tp = tapestry;

namespace {

constexpr std::size_t letters = 26;
constexpr std::int64_t start = letters;
constexpr std::int64_t end = letters + 1;
constexpr std::size_t learned = 5;  // letters of the longest word that they learn from
constexpr std::size_t longest = 8;  // and of the longest that they are tried on

using Plain = tp::layers::EncoderDecoder<tp::layers::GRU<>>;
using Attentive = tp::layers::EncoderDecoder<tp::layers::GRU<>, tp::layers::GeneralAttention<>>;

struct Batch {
  tp::Indices source;                       // (S, B)
  std::vector<std::size_t> lengths;         // (B), of the sources
  tp::Indices target;                       // (S + 1, B): the word backwards, and the end
  std::vector<std::size_t> target_lengths;  // (B)
};

/// Words of `least` to `most` letters.
Batch draw(std::size_t size, std::size_t least, std::size_t most, tp::Generator& random) {
  Batch batch{
      tp::Indices::from_shape({most, size}), {}, tp::Indices::from_shape({most + 1, size}), {}};
  batch.source.fill(0);
  batch.target.fill(end);
  for (std::size_t b = 0; b < size; ++b) {
    const std::size_t n = least + random.below(most - least + 1);
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

/// What a model writes by itself, (S + 1, B).
tp::Indices write(auto& model, const Batch& batch) {
  tp::Tape tape;
  const auto off = tape.no_grad();
  const auto inputs = tp::layers::decoder_inputs(batch.target, start);
  return argmax(model(tape, batch.source, batch.lengths, inputs, {.teacher_forcing = 0}).logits,
                -1);
}

/// The share of words that are written backwards without a mistake.
double exact(auto& model, const Batch& batch) {
  const tp::Indices written = write(model, batch);
  std::size_t right = 0;
  for (std::size_t b = 0; b < batch.lengths.size(); ++b) {
    bool same = true;
    for (std::size_t t = 0; t < batch.target_lengths[b]; ++t)
      same &= written(t, b) == batch.target(t, b);
    right += same;
  }
  return static_cast<double>(right) / static_cast<double>(batch.lengths.size());
}

void train(auto& model, const TrainingOptions& options) {
  tp::Generator random(options.seed);
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  for (std::size_t step = 0; step < options.steps; ++step) {
    const Batch batch = draw(options.batch, 1, learned, random);
    tape.clear();
    const auto inputs = tp::layers::decoder_inputs(batch.target, start);
    const auto logits = model(tape, batch.source, batch.lengths, inputs).logits;
    update(sequence_cross_entropy(logits, batch.target, batch.target_lengths,
                                  {.reduction = tp::SequenceReduction::mean_of_steps}),
           adam);
  }
}

std::string word(const tp::Indices& tokens, std::size_t b, std::size_t length) {
  std::string text;
  for (std::size_t t = 0; t < length && tokens(t, b) < start; ++t)
    text += static_cast<char>('a' + tokens(t, b));
  return text;
}

void show_words(Plain& plain, Attentive& attentive, tp::Generator& random) {
  std::cout << column("word", 12) << column("from C alone", 16) << "with attention\n";
  for (const std::size_t length : {2U, 3U, 4U, 5U, 6U, 8U}) {
    const Batch batch = draw(1, length, length, random);
    const auto shown = [&](auto& model) {
      const std::string said = word(write(model, batch), 0, length + 1);
      const bool right = said == word(batch.target, 0, length + 1);
      return column(said + (right ? "" : " (!)"), 16);
    };
    std::cout << column(word(batch.source, 0, length), 12) << shown(plain) << shown(attentive)
              << '\n';
  }
}

void run(const TrainingOptions& options) {
  const tp::layers::EncoderDecoderOptions sizes{.source_tokens = letters,
                                                .target_tokens = letters + 2,
                                                .embedding_size = 32,
                                                .hidden_size = options.hidden};
  tp::seed(options.seed);
  Plain plain(sizes);
  train(plain, options);
  tp::seed(options.seed);
  Attentive attentive(sizes, tp::layers::GeneralAttention<>(options.hidden, options.hidden));
  train(attentive, options);

  tp::Generator other(options.seed + 1);
  show_words(plain, attentive, other);
  std::vector<tp::Curve> lines{{.name = "from C alone"}, {.name = "with attention"}};
  std::cout << "\nShare of words without a mistake, of 1000 each\n"
            << column("letters", 12) << column(lines[0].name, 16) << lines[1].name << '\n';
  for (std::size_t length = 1; length <= longest; ++length) {
    const Batch test = draw(1000, length, length, other);
    for (tp::Curve& line : lines) line.x.push_back(static_cast<double>(length));
    lines[0].y.push_back(exact(plain, test));
    lines[1].y.push_back(exact(attentive, test));
    std::cout << column(std::to_string(length), 12) << column(fixed(lines[0].y.back(), 3), 16)
              << column(fixed(lines[1].y.back(), 3), 8)
              << (length > learned ? "longer than it has learned" : "") << '\n';
  }
  draw_curves(lines, "encoder_decoder.svg",
              {.x_label = "letters of the word (learned on 1 to 5)",
               .y_label = "share written backwards without a mistake"});
  const Batch test = draw(1000, 1, learned, other);
  const double alone = exact(plain, test);
  const double with = exact(attentive, test);
  const std::string of = " of new words of 1 to " + std::to_string(learned) + " letters";
  Claims claims;
  claims.check(alone > 0.8, "from C alone it writes " + fixed(100 * alone, 1) + " %" + of);
  claims.check(with > 0.98, "with attention " + fixed(100 * with, 1) + " %");
  claims.settle();
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv,
                     "Encoder-decoders, without and with attention, write words backwards.",
                     {.steps = 1000, .batch = 64, .hidden = 96, .learning_rate = 5e-3}, run);
}
