// SPDX-License-Identifier: MIT
// Tagging with a bidirectional RNN ("Deep Dive on RNNs"): the kind of some words depends on the
// next one. "her" is a possessive in "she saw her dog" and a pronoun in "she saw her"; "to" is a
// preposition in "to school" and a particle in "to sing". Who reads from left to right has to
// guess. Gradients show how far the words are that a tag depends on.
#include <tapestry/tapestry.hpp>

#include <cmath>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "claims.hpp"
#include "text.hpp"
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

const tp::data::Vocabulary vocabulary = [] {
  Words words{"her", "to", "and"};  // the ambiguous ones first
  for (const Words& some : {subjects, seen, came, things, places, deeds})
    words.insert(words.end(), some.begin(), some.end());
  return tp::data::Vocabulary::of_symbols(words);
}();

struct Batch {
  tp::data::PaddedBatch words;
  tp::data::PaddedBatch tags;  // of the same lengths
};

/// Sentences of one to three clauses, joined by "and": "she saw her [dog]", "he came to school" or
/// "to sing".
Batch draw(std::size_t count, tp::Generator& random) {
  Sequences words(count);
  Sequences tags(count);
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
  }
  return {one_batch(words), one_batch(tags)};
}

using Model = TokenModel<tp::layers::RNN<>>;

/// Logits (T, B, tags). With lengths, the direction from the right starts at the end of each
/// sentence.
auto logits_of(Model& model, const tp::Variable<>& vectors, const Batch& batch) {
  return model.head(model.layer(vectors, batch.words.lengths).output);
}

Model train(bool bidirectional, const TrainingOptions& options) {
  tp::seed(options.seed);
  tp::Generator random(options.seed);
  Model model(vocabulary.size(),
              tp::layers::RNNOptions<float>{.input_size = 8,
                                            .hidden_size = options.hidden / (bidirectional ? 2 : 1),
                                            .bidirectional = bidirectional},
              tag_names.size());
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  for (std::size_t step = 0; step < options.steps; ++step) {
    const Batch batch = draw(options.batch, random);
    tape.clear();
    const auto logits = logits_of(model, model.embed(tape, batch.words.tokens), batch);
    update(sequence_cross_entropy(logits, batch.tags.tokens, batch.tags.lengths), adam);
  }
  return model;
}

/// The tags (T, B) that a network gives.
tp::Indices tags_of(Model& model, const Batch& test) {
  tp::Tape tape;
  const auto off = tape.no_grad();
  return argmax(logits_of(model, model.embed(tape, test.words.tokens), test), -1);
}

constexpr std::size_t reach = 4;

/// How much the tag of a word depends on the words up to 4 before and after it: norms of the
/// gradient of its logit by the vector of each, mean over the words in the middle of all sentences
/// that are long enough.
std::vector<double> sensitivity(Model& model, const Batch& test) {
  tp::Tape tape;
  const auto vectors = model.embed(tape, test.words.tokens);  // (T, B, E)
  const auto logits = logits_of(model, vectors, test);
  auto chosen = tp::Array<float>::from_shape(logits.value().shape());
  chosen.fill(0);
  std::vector<std::pair<std::size_t, std::size_t>> middles;
  for (std::size_t b = 0; b < test.words.lengths.size(); ++b) {
    const std::size_t t = test.words.lengths[b] / 2;
    if (t < reach || t + reach >= test.words.lengths[b]) continue;
    middles.emplace_back(t, b);
    chosen(t, b, test.tags.tokens(t, b)) = 1;
  }
  const auto [slope] = gradients(logits, {vectors}, tape.constant(chosen));
  std::vector<double> norms(2 * reach + 1);
  for (const auto& [t, b] : middles)
    for (std::size_t k = 0; k < norms.size(); ++k) {
      const auto by_word = select(select(slope, 0, t + k - reach), 0, b);
      norms[k] += std::sqrt(sum(square(by_word)).item()) / static_cast<double>(middles.size());
    }
  return norms;
}

/// The percentage of right tags: of all words, or of "her" and "to" only.
double accuracy(const Batch& test, const tp::Indices& tags, bool ambiguous_only) {
  std::vector<double> right;
  for (std::size_t b = 0; b < test.words.lengths.size(); ++b)
    for (std::size_t t = 0; t < test.words.lengths[b]; ++t)
      if (!ambiguous_only || test.words.tokens(t, b) <= 1)
        right.push_back(tags(t, b) == test.tags.tokens(t, b) ? 100 : 0);
  return std::accumulate(right.begin(), right.end(), 0.0) / static_cast<double>(right.size());
}

/// Draws the computation of the tags of three words.
void draw_graph() {
  Model model(
      vocabulary.size(),
      tp::layers::RNNOptions<float>{.input_size = 8, .hidden_size = 16, .bidirectional = true},
      tag_names.size());
  tp::Tape tape;
  tp::Indices words = tp::Indices::from_shape({3, 1});
  for (std::size_t t = 0; const char* word : {"she", "saw", "her"})
    words(t++, 0) = vocabulary.token(word);
  tp::save_dot(model(tape, words).named("tags"), "tagging.dot");
}

void show_sensitivity(Model& from_left, Model& from_both, const Batch& test, Claims& claims) {
  const auto left = sensitivity(from_left, test);
  const auto around = sensitivity(from_both, test);
  std::cout << "\nHow much the tag in the middle of a sentence depends on each word (norm of its "
               "gradient):\n"
            << column("distance", 15);
  for (std::size_t k = 0; k < left.size(); ++k)
    std::cout << column(fixed(static_cast<double>(k) - reach, 0), -7);
  for (const auto* norms : {&left, &around}) {
    std::cout << '\n' << column(norms == &left ? "from the left" : "from both", 15);
    for (const double norm : *norms) std::cout << column(fixed(norm, 2), -7);
  }
  std::cout << '\n';
  bool falls = true;
  for (std::size_t k = 0; k < reach; ++k)
    falls &= around[k] < around[k + 1] && around[2 * reach - k] < around[2 * reach - k - 1];
  claims.check(falls, "the closer a word, before or after, the more a tag depends on it");
}

void run(const TrainingOptions& options) {
  tp::Generator other(options.seed + 1);
  const Batch test = draw(500, other);
  Model from_left = train(false, options);
  Model from_both = train(true, options);
  const tp::Indices one = tags_of(from_left, test);
  const tp::Indices both = tags_of(from_both, test);

  const std::size_t shown = test.words.lengths.size() - 1;  // the longest sentence
  std::cout << column("word", 12) << column("from the left", 15) << column("from both", 15)
            << "is\n";
  for (std::size_t t = 0; t < test.words.lengths[shown]; ++t) {
    const std::int64_t right = test.tags.tokens(t, shown);
    const auto name = [&](std::int64_t tag) {
      return column(tag_names[static_cast<std::size_t>(tag)] + (tag == right ? "" : " (!)"), 15);
    };
    std::cout << column(vocabulary.symbol(test.words.tokens(t, shown)), 12) << name(one(t, shown))
              << name(both(t, shown)) << tag_names[static_cast<std::size_t>(right)] << '\n';
  }
  std::cout << "\nright tags, of 500 sentences:\n";
  for (const bool ambiguous : {false, true}) {
    std::cout << column(ambiguous ? "her and to" : "all words", 12);
    for (const tp::Indices& tags : {one, both})
      std::cout << column(fixed(accuracy(test, tags, ambiguous), 1) + " %", 15);
    std::cout << '\n';
  }
  Claims claims;
  claims.check(accuracy(test, both, false) > 99, "both directions tag nearly every word right");
  claims.check(accuracy(test, one, true) < 65, "from the left, \"her\" and \"to\" are guesses");
  show_sensitivity(from_left, from_both, test, claims);
  claims.settle();
  draw_graph();
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "Tags words whose kind depends on the next word.",
                     {.steps = 200, .batch = 32, .hidden = 32, .learning_rate = 1e-2}, run);
}
