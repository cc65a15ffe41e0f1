// SPDX-License-Identifier: MIT
// Tagging with a bidirectional RNN ("Deep Dive on RNNs"): the kind of some words depends on the
// next one. "her" is a possessive in "she saw her dog" and a pronoun in "she saw her"; "to" is a
// preposition in "to school" and a particle in "to sing". Who reads from left to right has to
// guess.
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "claims.hpp"
#include "token_model.hpp"
#include "training.hpp"

namespace tp = tapestry;

namespace {

enum Tag : std::int64_t { pronoun, verb, possessive, noun, preposition, particle, conjunction };
const std::vector<std::string> tag_names{"pronoun",     "verb",     "possessive", "noun",
                                         "preposition", "particle", "conjunction"};

using Words = std::vector<std::string>;
const Words subjects{"she", "he", "they"};
const Words seen{"saw", "called", "liked"};
const Words came{"came", "went", "ran"};
const Words things{"dog", "sister", "house", "book"};
const Words places{"school", "town", "church"};
const Words deeds{"sing", "dance", "help"};

tp::data::Vocabulary vocabulary() {
  Words words{"her", "to", "and"};
  for (const Words& some : {subjects, seen, came, things, places, deeds})
    words.insert(words.end(), some.begin(), some.end());
  return tp::data::Vocabulary::of_symbols(words);
}

struct Batch {
  tp::Indices words;  // (T, B)
  tp::Indices tags;   // (T, B)
  tp::layers::Lengths lengths;
};

/// Sentences of one to three clauses, joined by "and": "she saw her [dog]", "he came to school" or
/// "to sing".
Batch draw(std::size_t count, const tp::data::Vocabulary& vocabulary, tp::Generator& random) {
  Sequences words(count);
  Sequences tags(count);
  tp::layers::Lengths lengths;
  const auto any = [&](const Words& some) { return some[random.below(some.size())]; };
  for (std::size_t b = 0; b < count; ++b) {
    const auto say = [&](const std::string& word, Tag tag) {
      words[b].push_back(vocabulary.token(word));
      tags[b].push_back(tag);
    };
    for (std::size_t clauses = 1 + random.below(3); clauses > 0; --clauses) {
      if (!words[b].empty()) say("and", conjunction);
      say(any(subjects), pronoun);
      const bool other = random.below(2) == 1;
      if (random.below(2) == 1) {
        say(any(seen), verb);
        say("her", other ? possessive : pronoun);
        if (other) say(any(things), noun);
      } else {
        say(any(came), verb);
        say("to", other ? preposition : particle);
        say(any(other ? places : deeds), other ? noun : verb);
      }
    }
    lengths.push_back(words[b].size());
  }
  return {in_columns(words), in_columns(tags), lengths};
}

/// The tags (T, B) that a trained network gives to `test`.
tp::Indices tags_of(const Batch& test, bool bidirectional, const tp::data::Vocabulary& vocabulary,
                    const TrainingOptions& options) {
  tp::seed(options.seed);
  tp::Generator random(options.seed);
  TokenModel<tp::layers::RNN<>> model(
      vocabulary.size(),
      tp::layers::RNNOptions<float>{.input_size = 8,
                                    .hidden_size = options.hidden / (bidirectional ? 2 : 1),
                                    .bidirectional = bidirectional},
      tag_names.size());
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  for (std::size_t step = 0; step < options.steps; ++step) {
    const Batch batch = draw(options.batch, vocabulary, random);
    tape.clear();
    // The direction from the right starts at the end of each sentence, not of the longest.
    const auto logits = model(tape, batch.words, batch.lengths);
    update(sequence_cross_entropy(logits, batch.tags, batch.lengths), adam);
  }
  const auto off = tape.no_grad();
  tape.clear();
  return argmax(model(tape, test.words, test.lengths), -1);
}

/// The share of right tags: of all words, or of "her" and "to" only.
double accuracy(const Batch& test, const tp::Indices& tags, bool ambiguous_only) {
  std::size_t right = 0;
  std::size_t count = 0;
  for (std::size_t b = 0; b < test.lengths.size(); ++b)
    for (std::size_t t = 0; t < test.lengths[b]; ++t) {
      if (ambiguous_only && test.words(t, b) > 1) continue;
      ++count;
      right += tags(t, b) == test.tags(t, b);
    }
  return static_cast<double>(right) / static_cast<double>(count);
}

void run(const TrainingOptions& options) {
  const auto words = vocabulary();
  tp::Generator other(options.seed + 1);
  const Batch test = draw(500, words, other);
  const tp::Indices one = tags_of(test, false, words, options);
  const tp::Indices both = tags_of(test, true, words, options);

  const auto shown = static_cast<std::size_t>(  // the longest sentence
      std::max_element(test.lengths.begin(), test.lengths.end()) - test.lengths.begin());
  std::cout << column("word", 10) << column("from the left", 15) << column("from both", 15)
            << "is\n";
  for (std::size_t t = 0; t < test.lengths[shown]; ++t) {
    const auto name = [&](const tp::Indices& tags) {
      const bool right = tags(t, shown) == test.tags(t, shown);
      return column(tag_names[static_cast<std::size_t>(tags(t, shown))] + (right ? "" : " (!)"),
                    15);
    };
    std::cout << column(words.symbol(test.words(t, shown)), 10) << name(one) << name(both)
              << name(test.tags) << '\n';
  }
  const auto share = [&](const tp::Indices& tags, bool ambiguous) {
    return column(fixed(100 * accuracy(test, tags, ambiguous), 1) + " %", 15);
  };
  std::cout << "\nright tags, of 500 sentences:\n"
            << column("all words", 15) << share(one, false) << share(both, false) << '\n'
            << column("her and to", 15) << share(one, true) << share(both, true) << "\n";
  Claims claims;
  claims.check(accuracy(test, both, false) > 0.99, "both directions tag nearly every word right");
  claims.check(accuracy(test, one, true) < 0.65, "from the left, \"her\" and \"to\" are guesses");
  claims.settle();
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "Tags words whose kind depends on the next word.",
                     {.steps = 200, .batch = 32, .hidden = 32, .learning_rate = 1e-2}, run);
}
