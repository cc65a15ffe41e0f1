// SPDX-License-Identifier: MIT
// CharRNN over a list of titles, one a line ("Deep Dive on RNNs" made titles of Star Trek): each is
// a sequence of its own between START and END, so that the model also learns when a title is over.
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "claims.hpp"
#include "token_model.hpp"
#include "training.hpp"

namespace tp = tapestry;

namespace {

constexpr const char* our_titles = TAPESTRY_EXAMPLES "/titles.txt";

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw tp::FileError("titles", "cannot read '" + path + "'");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);)
    if (!line.empty()) lines.push_back(line);
  return lines;
}

/// The characters of the lines, and START and END after them.
tp::data::Vocabulary vocabulary_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  std::vector<std::string> symbols = tp::data::Vocabulary::of_characters(text).symbols();
  symbols.insert(symbols.end(), {"START", "END"});
  return tp::data::Vocabulary::of_symbols(symbols);
}

void run(const TrainingOptions& options, const std::string& path, double temperature) {
  const std::vector<std::string> titles = read_lines(path);
  const auto vocabulary = vocabulary_of(titles);
  const std::int64_t start = vocabulary.token("START");
  const std::int64_t end = vocabulary.token("END");
  Sequences sequences;
  std::size_t longest = 0;
  for (const std::string& title : titles) {
    const tp::Indices tokens = vocabulary.encode(title);
    sequences.emplace_back(tokens.begin(), tokens.end());
    longest = std::max(longest, tokens.size());
  }
  std::cout << titles.size() << " titles, the longest of " << longest << " characters; "
            << vocabulary.size() - 2 << " different characters\n";

  tp::seed(options.seed);
  tp::Generator random(options.seed);
  TokenModel<tp::layers::LSTM<>> model(
      vocabulary.size(), tp::layers::LSTMOptions{.input_size = 32, .hidden_size = options.hidden});
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  for (std::size_t step = 1; step <= options.steps; ++step) {
    tape.clear();
    const PaddedBatch batch =
        with_start_and_end(draw_some(sequences, options.batch, random), start, end);
    const double loss = update(loss_of(model, tape, batch), adam);
    if (step == 1 || step % 100 == 0)
      std::cout << "  step " << step << ": " << fixed(loss, 2) << " nats a character\n";
  }

  const std::set<std::string> known(titles.begin(), titles.end());
  std::set<std::string> fresh;
  constexpr std::size_t count = 200;
  std::size_t in_the_list = 0;
  std::size_t ended = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string title =
        vocabulary.decode(write(model, start, end, 2 * longest, temperature, random));
    ended += title.size() < 2 * longest;
    in_the_list += known.contains(title);
    if (!known.contains(title)) fresh.insert(title);
  }
  std::cout << "Titles that are not in the list:\n";
  auto title = fresh.begin();
  const std::size_t stride = std::max<std::size_t>(1, fresh.size() / 12);
  for (std::size_t i = 0; i < fresh.size() && i < 12 * stride; ++i, ++title)
    if (i % stride == 0) std::cout << "  " << *title << '\n';
  std::cout << "Of " << count << " drawn, " << ended << " came to an end, and " << in_the_list
            << " are in the list\n";
  if (path != our_titles) return;  // of another list nothing can be promised
  Claims claims;
  claims.check(ended > count * 9 / 10, "it knows when a title is over");
  claims.check(fresh.size() > count / 4, "it makes titles of its own");
  claims.settle();
}

}  // namespace

int main(int argc, char** argv) {
  TrainingOptions options{.steps = 600, .batch = 32, .hidden = 96, .learning_rate = 5e-3};
  std::string path = our_titles;
  double temperature = 0.8;
  CLI::App app("Learns from a list of titles, one a line, and makes new ones.");
  app.add_option("--titles", path, "the list, in UTF-8")->capture_default_str();
  app.add_option("--temperature", temperature, "of the new titles")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  options.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    run(options, path, temperature);
  } catch (const std::exception& error) {
    std::cerr << "titles: " << error.what() << '\n';
    return 1;
  }
}
