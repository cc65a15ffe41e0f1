// SPDX-License-Identifier: MIT
// An RNN as a language model (MIT 6.390, C.4): it reads START c1 ... ck and is to say, at each
// step, what comes next: c1 ... ck END. Once a token is a word, once a character. It is judged by
// its perplexity: among how many equally likely tokens it would be as unsure. That compares models
// of the same tokens only; how surprising a whole sentence is, in nats, compares any two.
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "claims.hpp"
#include "draw_curves.hpp"
#include "text.hpp"
#include "token_model.hpp"
#include "training.hpp"

namespace tp = tapestry;

namespace {

const std::vector<std::string> learned{
    "the cat is outside",         "the dog is outside",          "the cat is in the house",
    "the bird is in the garden",  "the dog plays outside",       "the cat plays in the garden",
    "the dog plays in the house", "the bird sings outside",      "the bird sings in the garden",
    "the cat sleeps outside",     "the dog sleeps in the house", "the bird sleeps in the garden"};
const std::vector<std::string> held_out{"the cat sleeps in the house", "the dog is in the garden",
                                        "the bird plays outside"};

constexpr std::int64_t end = 0;  // the first symbol of a vocabulary

using Model = TokenModel<tp::layers::RNN<>>;

/// As a word holds the space before it, let the first word of a sentence have one, too.
std::vector<std::string> texts(std::vector<std::string> sentences, bool of_words) {
  if (of_words)
    for (std::string& sentence : sentences) sentence = " " + sentence;
  return sentences;
}

tp::data::Vocabulary vocabulary_of(bool of_words) {
  std::string text;
  for (const std::string& sentence : texts(learned, of_words)) text += sentence;
  const tp::data::VocabularyOptions options{.special = {"END"}};
  return of_words ? tp::data::Vocabulary::of_words(text, options)
                  : tp::data::Vocabulary::of_characters(text, options);
}

/// Concept 34: whether what is said at a step depends on no token that is read later. The last two
/// tokens become others; all that was said before must stay the same to the last bit.
bool sees_only_the_past(Model& model, tp::Indices inputs) {
  tp::Tape tape;
  const auto off = tape.no_grad();
  const tp::Array<float> before = model(tape, inputs).value();  // (T, 1, V)
  const std::size_t changed = inputs.size() - 2;
  for (std::size_t t = changed; t < inputs.size(); ++t) inputs(t, 0) = inputs(t, 0) == 1 ? 2 : 1;
  const tp::Array<float> after = model(tape, inputs).value();
  const auto first = static_cast<std::ptrdiff_t>(changed * before.shape()[2]);
  return std::equal(before.begin(), before.begin() + first, after.begin()) &&
         !std::equal(before.begin() + first, before.end(), after.begin() + first);
}

/// After each input token: the three tokens that the model finds likeliest, and what came.
void show_steps(Model& model, const tp::data::Vocabulary& vocabulary, const tp::Indices& inputs,
                const tp::Indices& targets) {
  tp::Tape tape;
  const auto probabilities = softmax(model(tape, inputs));  // (T, 1, V)
  const auto name = [&](std::int64_t token) -> std::string {
    if (token == static_cast<std::int64_t>(vocabulary.size())) return "START";
    const std::string& symbol = vocabulary.symbol(token);
    return symbol == " " ? "space" : symbol.substr(symbol.front() == ' ' ? 1 : 0);
  };
  std::cout << column("  read", 11) << column("likeliest next", 46) << "what came\n";
  for (std::size_t t = 0; t < targets.size(); ++t) {
    const auto p = [&](std::int64_t token) { return probabilities.value()(t, 0, token); };
    const auto show = [&](std::int64_t token) {
      return column(name(token), 8) + fixed(p(token), 2);
    };
    const auto order =
        likeliest({probabilities.value().data() + t * vocabulary.size(), vocabulary.size()});
    std::cout << "  " << column(name(inputs(t, 0)), 9);
    for (int k = 0; k < 3; ++k) std::cout << column(show(order[k]), 15);
    std::cout << ' ' << show(targets(t, 0)) << '\n';
  }
}

/// END included.
double tokens_a_sentence(const tp::data::PaddedBatch& batch) {
  const auto& lengths = batch.lengths;
  return std::accumulate(lengths.begin(), lengths.end(), 0.0) / static_cast<double>(lengths.size());
}

/// Trains a model for tokens of one kind and shows what it says where the held-out sentences cost
/// least, before it learns the others by heart. Returns what a sentence costs, of those it learns
/// from and of those held out.
std::vector<tp::Curve> study(bool of_words, const TrainingOptions& options, Claims& claims) {
  const std::string kind = of_words ? "word" : "character";
  const auto vocabulary = vocabulary_of(of_words);
  const auto start = static_cast<std::int64_t>(vocabulary.size());  // is read, and never said
  const auto batch_of = [&](const std::vector<std::string>& sentences) {
    return one_batch(encoded(texts(sentences, of_words), vocabulary, end));
  };
  const auto batch = batch_of(learned);
  const auto unseen = batch_of(held_out);
  tp::seed(options.seed);
  Model model(vocabulary.size() + 1,
              tp::layers::RNNOptions<float>{.input_size = 16, .hidden_size = options.hidden},
              vocabulary.size());
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  const auto nats = [&](Model& some, const tp::data::PaddedBatch& sentences) {  // a token
    const auto off = tape.no_grad();
    tape.clear();
    return static_cast<double>(loss_of(some, tape, sentences, start).item());
  };
  const double before = tp::data::perplexity(nats(model, batch));
  Model best = model;
  double least = nats(model, unseen);
  std::size_t best_step = 0;
  std::vector<tp::Curve> curves{{.name = kind + "s, learned"}, {.name = kind + "s, held out"}};
  for (std::size_t step = 1; step <= options.steps; ++step) {
    tape.clear();
    update(loss_of(model, tape, batch, start), adam);
    const double cost = nats(model, unseen);
    if (cost < least) {
      least = cost;
      best = model;
      best_step = step;
    }
    for (tp::Curve& curve : curves) curve.x.push_back(static_cast<double>(step));
    curves[0].y.push_back(nats(model, batch) * tokens_a_sentence(batch));
    curves[1].y.push_back(cost * tokens_a_sentence(unseen));
  }
  std::cout << "\nA token is a " << kind << "; there are " << vocabulary.size() << ". Perplexity "
            << fixed(before, 1) << " before training; after " << best_step << " steps\n"
            << fixed(tp::data::perplexity(nats(best, batch)), 2)
            << " on the sentences it learned from, " << fixed(tp::data::perplexity(least), 2)
            << " on those held out, which is the least. It reads x:\n";
  const auto targets = batch_of({held_out[0]}).tokens;
  const auto inputs = tp::layers::decoder_inputs(targets, start);
  show_steps(best, vocabulary, inputs, targets);
  claims.check(tp::data::perplexity(least) < static_cast<double>(vocabulary.size()) / 4,
               "sentences it has never seen are far from a surprise to the " + kind + " model");
  claims.check(sees_only_the_past(best, inputs),
               "other tokens at the end change nothing of what it said before them");
  return curves;
}

void run(const TrainingOptions& options) {
  const std::string& sentence = held_out[0];
  const auto count = [&](bool of_words) {
    return std::to_string(vocabulary_of(of_words).encode(texts({sentence}, of_words)[0]).size());
  };
  std::cout << "x = START " << sentence << "\ny = " << sentence << " END\n(held out; it is "
            << count(true) << " tokens as words, " << count(false) << " as characters)\n";
  Claims claims;
  auto curves = study(true, options, claims);
  for (const tp::Curve& curve : study(false, options, claims)) curves.push_back(curve);
  const auto least = [&](std::size_t k) {
    return fixed(*std::min_element(curves[k].y.begin(), curves[k].y.end()), 1);
  };
  std::cout << "\nPerplexities of different tokens cannot be compared: a sentence has more "
               "characters than words.\nA held-out sentence costs "
            << least(1) << " nats by words, " << least(3) << " by characters.\n";
  draw_curves(curves, "language_model.svg",
              {.title = "What a sentence costs two language models",
               .x_label = "training steps",
               .y_label = "nats a sentence",
               .log_y = true});
  claims.settle();
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "An RNN as a language model, of words and of characters.",
                     {.steps = 200, .hidden = 32, .learning_rate = 5e-3}, run);
}
