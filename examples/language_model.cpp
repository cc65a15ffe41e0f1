// SPDX-License-Identifier: MIT
// An RNN as a language model (MIT 6.390, C.4): it reads START c1 ... ck and is to say, at each
// step, what comes next: c1 ... ck END. Once a token is a word, once a character. It is judged by
// its perplexity: among how many equally likely tokens it would be as unsure.
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

// The first symbols of a vocabulary.
constexpr std::int64_t start = 0;
constexpr std::int64_t end = 1;

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
  const tp::data::VocabularyOptions options{.special = {"START", "END"}};
  return of_words ? tp::data::Vocabulary::of_words(text, options)
                  : tp::data::Vocabulary::of_characters(text, options);
}

/// After each input token: the three tokens that the model finds likeliest, and what came.
void show_steps(Model& model, const tp::data::Vocabulary& vocabulary, const tp::Indices& targets) {
  tp::Tape tape;
  const tp::Indices inputs = tp::layers::decoder_inputs(targets, start);
  const auto probabilities = softmax(model(tape, inputs));  // (T, 1, V)
  const auto name = [&](std::int64_t token) {
    const std::string& symbol = vocabulary.symbol(token);
    return symbol == " " ? "space" : symbol.substr(symbol.front() == ' ' ? 1 : 0);
  };
  std::cout << column("  read", 11) << column("likeliest next", 46) << "what came\n";
  for (std::size_t t = 0; t < targets.size(); ++t) {
    const auto p = [&](std::int64_t token) { return probabilities.value()(t, 0, token); };
    const auto show = [&](std::int64_t token) {
      return column(name(token), 8) + fixed(p(token), 2);
    };
    std::vector<std::int64_t> order(vocabulary.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return p(a) > p(b); });
    std::cout << "  " << column(name(inputs(t, 0)), 9);
    for (int k = 0; k < 3; ++k) std::cout << column(show(order[k]), 15);
    std::cout << ' ' << show(targets(t, 0)) << '\n';
  }
}

/// Trains a model for tokens of one kind and shows what it says; its perplexities on the sentences
/// it learns from and on those held out.
std::vector<tp::Curve> study(bool of_words, const TrainingOptions& options, Claims& claims) {
  const std::string kind = of_words ? "word" : "character";
  const auto vocabulary = vocabulary_of(of_words);
  const auto batch_of = [&](const std::vector<std::string>& sentences) {
    return one_batch(encoded(texts(sentences, of_words), vocabulary, end));
  };
  const auto batch = batch_of(learned);
  const auto unseen = batch_of(held_out);
  tp::seed(options.seed);
  Model model(vocabulary.size(),
              tp::layers::RNNOptions<float>{.input_size = 16, .hidden_size = options.hidden});
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  std::vector<tp::Curve> curves{{.name = kind + "s, learned"}, {.name = kind + "s, held out"}};
  const auto measure = [&](tp::Curve& curve, std::size_t step, const auto& sentences) {
    const auto off = tape.no_grad();
    tape.clear();
    curve.x.push_back(static_cast<double>(step));
    curve.y.push_back(tp::data::perplexity(loss_of(model, tape, sentences, start).item()));
  };
  for (std::size_t step = 0; step <= options.steps; ++step) {
    if (step % 10 == 0) {
      measure(curves[0], step, batch);
      measure(curves[1], step, unseen);
    }
    tape.clear();
    update(loss_of(model, tape, batch, start), adam);
  }
  std::cout << "\nA token is a " << kind << "; there are " << vocabulary.size() << ". Perplexity "
            << fixed(curves[0].y.front(), 1) << " before training; after it\n"
            << fixed(curves[0].y.back(), 2) << " on the sentences it learned from, "
            << fixed(curves[1].y.back(), 2) << " on those held out\n";
  show_steps(model, vocabulary, batch_of({held_out[0]}).tokens);
  claims.check(curves[1].y.back() < static_cast<double>(vocabulary.size()) / 4,
               "sentences it has never seen are far from a surprise to the " + kind + " model");
  return curves;
}

void run(const TrainingOptions& options) {
  std::cout << "x = START " << learned[0] << "\ny = " << learned[0] << " END\n";
  Claims claims;
  auto curves = study(true, options, claims);
  for (const tp::Curve& curve : study(false, options, claims)) curves.push_back(curve);
  draw_curves(curves, "language_model.svg",
              {.title = "Perplexity of two language models",
               .x_label = "training steps",
               .y_label = "perplexity",
               .log_y = true});
  claims.settle();
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "An RNN as a language model, of words and of characters.",
                     {.steps = 60, .hidden = 32, .learning_rate = 5e-3}, run);
}
