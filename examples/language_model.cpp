// SPDX-License-Identifier: MIT
// An RNN as a language model (MIT 6.390, C.4): it reads START c1 ... ck and is to say, at each
// step, what comes next: c1 ... ck END. Once a token is a word, once a character. It is judged by
// its perplexity: among how many equally likely tokens it would be as unsure.
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "chart.hpp"
#include "claims.hpp"
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

using Tokens = std::vector<std::string>;

Tokens split(const std::string& sentence, bool into_words) {
  Tokens tokens;
  std::istringstream stream(sentence);
  if (into_words)
    for (std::string word; stream >> word;) tokens.push_back(word);
  else
    for (const char c : sentence) tokens.emplace_back(1, c);
  return tokens;
}

/// START and END, and the tokens there are.
tp::data::Vocabulary vocabulary_of(bool of_words) {
  Tokens symbols{"START", "END"};
  for (const std::string& sentence : learned)
    for (const std::string& token : split(sentence, of_words))
      if (std::find(symbols.begin(), symbols.end(), token) == symbols.end())
        symbols.push_back(token);
  return tp::data::Vocabulary::of_symbols(symbols);
}

/// After each input token: the three tokens that the model finds likeliest, and what came.
void show_steps(TokenModel<tp::layers::RNN<>>& model, const tp::data::Vocabulary& vocabulary,
                const PaddedBatch& sentence) {
  tp::Tape tape;
  const auto probabilities = softmax(model(tape, sentence.inputs));  // (T, 1, V)
  std::cout << column("  read", 11) << column("likeliest next", 46) << "what came\n";
  for (std::size_t t = 0; t < sentence.lengths[0]; ++t) {
    const auto p = [&](std::int64_t token) { return probabilities.value()(t, 0, token); };
    std::vector<std::int64_t> order(vocabulary.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return p(a) > p(b); });
    const auto name = [&](std::int64_t token) {
      const std::string& symbol = vocabulary.symbol(token);
      return symbol == " " ? "space" : symbol;
    };
    const auto show = [&](std::int64_t token) {
      return column(name(token), 8) + fixed(p(token), 2);
    };
    std::cout << "  " << column(name(sentence.inputs(t, 0)), 9);
    for (int k = 0; k < 3; ++k) std::cout << column(show(order[k]), 15);
    std::cout << ' ' << show(sentence.targets(t, 0)) << '\n';
  }
}

/// Trains a model for tokens of one kind and shows what it says; its perplexities as lines.
std::vector<Line> study(bool of_words, const TrainingOptions& options, Claims& claims) {
  const std::string kind = of_words ? "word" : "character";
  const auto vocabulary = vocabulary_of(of_words);
  const std::int64_t start = vocabulary.token("START");
  const std::int64_t end = vocabulary.token("END");
  const auto batch_of = [&](const std::vector<std::string>& sentences) {
    Sequences sequences(sentences.size());
    for (std::size_t i = 0; i < sentences.size(); ++i)
      for (const std::string& token : split(sentences[i], of_words))
        sequences[i].push_back(vocabulary.token(token));
    return with_start_and_end(sequences, start, end);
  };
  const PaddedBatch batch = batch_of(learned);
  const PaddedBatch unseen = batch_of(held_out);
  tp::seed(options.seed);
  TokenModel<tp::layers::RNN<>> model(
      vocabulary.size(),
      tp::layers::RNNOptions<float>{.input_size = 16, .hidden_size = options.hidden});
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  const auto perplexity = [&](const PaddedBatch& sentences) {
    const auto off = tape.no_grad();
    tape.clear();
    return std::exp(static_cast<double>(loss_of(model, tape, sentences).item()));
  };
  std::vector<Line> lines{{kind + "s, learned", {}, {}}, {kind + "s, held out", {}, {}}};
  for (std::size_t step = 0; step <= options.steps; ++step) {
    if (step % 10 == 0)
      for (Line* line : {&lines[0], &lines[1]}) {
        line->x.push_back(static_cast<double>(step));
        line->y.push_back(perplexity(line == &lines[0] ? batch : unseen));
      }
    tape.clear();
    update(loss_of(model, tape, batch), adam);
  }
  std::cout << "\nA token is a " << kind << "; there are " << vocabulary.size()
            << ". Perplexity before training " << fixed(lines[0].y.front(), 1)
            << ", after: " << fixed(lines[0].y.back(), 2) << " on the sentences it learned from, "
            << fixed(lines[1].y.back(), 2) << " on those held out\n";
  show_steps(model, vocabulary, batch_of({held_out[0]}));
  claims.check(lines[1].y.back() < static_cast<double>(vocabulary.size()) / 4,
               "sentences it has never seen are far from a surprise to the " + kind + " model");
  return lines;
}

void run(const TrainingOptions& options) {
  std::cout << "x = START " << learned[0] << "\ny = " << learned[0] << " END\n";
  Claims claims;
  std::vector<Line> lines = study(true, options, claims);
  for (Line& line : study(false, options, claims)) lines.push_back(line);
  std::cout << '\n';
  draw_chart({"Perplexity of two language models", "training steps", "perplexity", lines, true},
             "language_model.svg");
  claims.settle();
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "An RNN as a language model, of words and of characters.",
                     {.steps = 60, .hidden = 32, .learning_rate = 5e-3}, run);
}
