// SPDX-License-Identifier: MIT
// The character model of "Deep Dive on RNNs": it reads 30 characters and says which comes next,
// with a loss on the last step only. Then it writes: S, a sample of the distribution that it gives
// for the next character, is read in turn. Always taking the likeliest (temperature 0) ends in a
// circle. Measured are how much of the text repeats itself, and how much is copied from what the
// model has learned.
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "claims.hpp"
#include "draw_curves.hpp"
#include "text.hpp"
#include "token_model.hpp"
#include "training.hpp"

namespace tp = tapestry;

namespace {

constexpr std::size_t window = 30;
constexpr std::array<double, 7> temperatures{0, 0.1, 0.2, 0.3, 0.5, 1, 1.5};
constexpr std::size_t written = 500;  // characters at each temperature
constexpr std::size_t piece = 10;     // characters that count as repeated together

/// The licence that Debian brings along, or else the titles of this folder.
std::string read_text() {
  std::string path = "/usr/share/common-licenses/GPL-3";
  if (!std::filesystem::exists(path)) path = TAPESTRY_EXAMPLES "/titles.txt";
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void show_cut(std::string text, std::size_t length) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::cout << "X: \"" << text.substr(0, length) << "\"   y: \"" << text[length] << "\"\n";
}

/// The share of pieces of the text that occur in it earlier.
double repeated(const std::string& text) {
  std::set<std::string> seen;
  std::size_t again = 0;
  for (std::size_t i = 0; i + piece <= text.size(); ++i)
    again += !seen.insert(text.substr(i, piece)).second;
  return static_cast<double>(again) / static_cast<double>(text.size() - piece + 1);
}

/// The share of pieces of the text that occur in `source`.
double copied(const std::string& text, const std::string& source) {
  std::size_t found = 0;
  for (std::size_t i = 0; i + piece <= text.size(); ++i)
    found += source.find(text.substr(i, piece)) != std::string::npos;
  return static_cast<double>(found) / static_cast<double>(text.size() - piece + 1);
}

/// After how many characters the same 30 come again; 0 if they do not.
std::size_t period(const std::string& text) {
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i + window <= text.size(); ++i) {
    const auto [place, fresh] = places.try_emplace(text.substr(i, window), i);
    if (!fresh) return i - place->second;
  }
  return 0;
}

using Model = TokenModel<tp::layers::LSTM<>>;

/// What comes next after each column of `x` (30, B): logits (B, V).
auto next(Model& model, tp::Tape<>& tape, const tp::Indices& x) {
  const auto output = model.layer(model.embed(tape, x)).output;
  return model.head(select(output, 0, -1));
}

/// What the model finds likeliest after the 30 characters of the text that are shown.
void show_likeliest(Model& model, const tp::data::Vocabulary& symbols, const tp::Indices& text) {
  tp::Tape tape;
  tp::Indices x = tp::Indices::from_shape({window, 1});
  for (std::size_t t = 0; t < window; ++t) x(t, 0) = text(text.size() / 2 + t);
  const auto probabilities = softmax(next(model, tape, x));  // (1, V)
  const auto p = [&](std::int64_t token) { return probabilities.value()(0, token); };
  const auto order = likeliest({probabilities.value().data(), symbols.size()});
  std::cout << "After this X it expects";
  for (std::size_t k = 0; k < 5; ++k) {
    const std::string& symbol = symbols.symbol(order[k]);
    std::cout << (k > 0 ? "," : "") << " \"" << (symbol == "\n" ? "\\n" : symbol) << "\" "
              << fixed(p(order[k]), 2);
  }
  std::cout << '\n';
}

/// Writes on after 30 characters of the text, once for each temperature, side by side.
std::array<std::string, temperatures.size()> write(Model& model,
                                                   const tp::data::Vocabulary& symbols,
                                                   const tp::Indices& text, std::uint64_t seed) {
  tp::Generator random(seed);
  tp::Tape tape;
  const auto off = tape.no_grad();
  tp::Indices x = tp::Indices::from_shape({window, temperatures.size()});
  for (std::size_t t = 0; t < window; ++t)
    for (std::size_t b = 0; b < temperatures.size(); ++b) x(t, b) = text(text.size() / 2 + t);
  std::array<std::string, temperatures.size()> texts;
  for (std::size_t i = 0; i < written; ++i) {
    tape.clear();
    const auto logits = next(model, tape, x);
    std::copy(x.begin() + temperatures.size(), x.end(), x.begin());  // the oldest falls out
    for (std::size_t b = 0; b < temperatures.size(); ++b) {
      x(window - 1, b) = tp::data::sample(select(logits, 0, b).value(), temperatures[b], random);
      texts[b] += symbols.symbol(x(window - 1, b));
    }
  }
  return texts;
}

/// Trains on snippets of the text; prints the loss at the end.
Model train(const tp::Indices& tokens, std::size_t symbols, const TrainingOptions& options) {
  tp::seed(options.seed);
  tp::Generator random(options.seed);
  Model model(symbols, tp::layers::LSTMOptions{.input_size = 32, .hidden_size = options.hidden});
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  tp::Indices x = tp::Indices::from_shape({window, options.batch});
  tp::Indices y = tp::Indices::from_shape({options.batch});
  double loss = 0;
  for (std::size_t step = 0; step < options.steps; ++step) {
    for (std::size_t b = 0; b < options.batch; ++b) {
      const std::size_t first = random.below(tokens.size() - window);
      for (std::size_t t = 0; t < window; ++t) x(t, b) = tokens(first + t);
      y(b) = tokens(first + window);
    }
    tape.clear();
    const double now = update(softmax_cross_entropy(next(model, tape, x), y), adam);
    loss = step == 0 ? now : 0.98 * loss + 0.02 * now;
  }
  std::cout << "Loss after " << options.steps << " steps: " << fixed(loss, 2) << " nats\n";
  return model;
}

/// Measures what was written at each temperature.
void study(const std::array<std::string, temperatures.size()>& texts, const std::string& text) {
  std::cout << "\ntemperature  repeated  copied  what it writes\n";
  const std::vector<double> x_axis(temperatures.begin(), temperatures.end());
  tp::Curve repetition{.name = "repeats itself", .x = x_axis};
  tp::Curve copying{.name = "copied from the training text", .x = x_axis};
  for (std::size_t b = 0; b < texts.size(); ++b) {
    repetition.y.push_back(repeated(texts[b]));
    copying.y.push_back(copied(texts[b], text));
    std::string line = texts[b].substr(texts[b].size() - 60);
    std::replace(line.begin(), line.end(), '\n', ' ');
    std::cout << column(fixed(temperatures[b], 1), 13)
              << column(fixed(100 * repetition.y[b], 0) + " %", -8)
              << column(fixed(100 * copying.y[b], 0) + " %", -8) << "  ..." << line << '\n';
  }
  const std::size_t circle = period(texts[0]);
  std::cout << "Why the likeliest repeats: what comes next depends on the last " << window
            << " characters alone, so when the\nsame " << window
            << " come again, so does all that followed them"
            << (circle > 0 ? "; the period is " + std::to_string(circle) : "") << ".\n";
  draw_curves({repetition, copying}, "next_character.svg",
              {.x_label = "temperature", .y_label = "share of pieces of 10 characters"});
  Claims claims;
  claims.check(*std::max_element(copying.y.begin() + 1, copying.y.begin() + 4) > 0.1,
               "nearly the likeliest: more than a tenth is of the text it read");
  claims.check(circle > 0, "the likeliest character each time ends in a circle");
  claims.check(repetition.y[0] > 0.5,
               "the likeliest character each time: more than half is repetition");
  claims.check(repetition.y[5] < repetition.y[0] / 4,
               "drawn by the probabilities: less than a quarter of that");
  claims.settle();
}

void run(const TrainingOptions& options) {
  const std::string text = read_text();
  const auto symbols = tp::data::Vocabulary::of_characters(text);
  const tp::Indices tokens = symbols.encode(text);
  const std::string simon = "My cat is named Simon";
  show_cut(simon, simon.size() - 1);
  std::cout << "and of " << tokens.size() << " characters that it learns from:\n";
  show_cut(text.substr(text.size() / 2), window);

  Model model = train(tokens, symbols.size(), options);
  show_likeliest(model, symbols, tokens);
  study(write(model, symbols, tokens, options.seed), text);
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "Predicts the character after 30 others, and writes a text.",
                     {.steps = 2500, .batch = 32, .hidden = 64, .learning_rate = 5e-3}, run);
}
