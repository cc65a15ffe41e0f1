// SPDX-License-Identifier: MIT
// The character model of "Deep Dive on RNNs": it reads 30 characters and says which comes next,
// with a loss on the last step only. Then it writes: S draws a character from what it says, which
// is read in turn. Always taking the likeliest (temperature 0) ends in a circle, which is measured.
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <string>

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

using Model = TokenModel<tp::layers::LSTM<>>;

/// What comes next after each column of `x` (30, B): logits (B, V).
auto next(Model& model, tp::Tape<>& tape, const tp::Indices& x) {
  const auto output = model.layer(model.embed(tape, x)).output;
  return model.head(select(output, 0, -1));
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

void run(const TrainingOptions& options) {
  const std::string text = read_text();
  const auto symbols = tp::data::Vocabulary::of_characters(text);
  const tp::Indices tokens = symbols.encode(text);
  const std::string simon = "My cat is named Simon";
  show_cut(simon, simon.size() - 1);
  std::cout << "and of " << tokens.size() << " characters that it learns from:\n";
  show_cut(text.substr(text.size() / 2), window);

  tp::seed(options.seed);
  tp::Generator random(options.seed);
  Model model(symbols.size(),
              tp::layers::LSTMOptions{.input_size = 32, .hidden_size = options.hidden});
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
  std::cout << "Loss after " << options.steps << " steps: " << fixed(loss, 2) << " nats\n\n"
            << "temperature  repeated  what it writes\n";
  const auto texts = write(model, symbols, tokens, options.seed);
  std::array<double, temperatures.size()> shares{};
  for (std::size_t b = 0; b < texts.size(); ++b) {
    shares[b] = repeated(texts[b]);
    std::string line = texts[b].substr(texts[b].size() - 70);
    std::replace(line.begin(), line.end(), '\n', ' ');
    std::cout << column(fixed(temperatures[b], 1), 13)
              << column(fixed(100 * shares[b], 0) + " %", 8) << "  ..." << line << '\n';
  }
  draw_curves(
      {{.x = {temperatures.begin(), temperatures.end()}, .y = {shares.begin(), shares.end()}}},
      "next_character.svg",
      {.x_label = "temperature", .y_label = "share of what it writes that it wrote before"});
  Claims claims;
  claims.check(shares[0] > 0.5, "the likeliest character each time: more than half is repetition");
  claims.check(shares[5] < shares[0] / 4,
               "drawn by the probabilities: less than a quarter of that");
  claims.settle();
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "Predicts the character after 30 others, and writes a text.",
                     {.steps = 2500, .batch = 32, .hidden = 64, .learning_rate = 5e-3}, run);
}
