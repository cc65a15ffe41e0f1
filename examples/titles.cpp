// SPDX-License-Identifier: MIT
// CharRNN over a list of titles, one a line ("Deep Dive on RNNs" made titles of Star Trek): each is
// a sequence of its own between START and END, so that the model also learns when a title is over.
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <iostream>
#include <numeric>
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

constexpr const char* our_titles = TAPESTRY_EXAMPLES "/titles.txt";

// The first symbols of the vocabulary.
constexpr std::int64_t start = 0;
constexpr std::int64_t end = 1;

void run(const TrainingOptions& options, const std::string& path, double temperature) {
  const std::vector<std::string> titles = read_lines(path);
  const std::string text = std::accumulate(titles.begin(), titles.end(), std::string());
  const auto vocabulary = tp::data::Vocabulary::of_characters(text, {.special = {"START", "END"}});
  const Sequences sequences = encoded(titles, vocabulary, end);
  std::size_t longest = 0;
  for (const auto& sequence : sequences) longest = std::max(longest, sequence.size() - 1);
  // Titles of about equal length side by side: little is filled up.
  tp::data::BucketBatches batches(sequences, {.batch = options.batch, .seed = options.seed});
  std::cout << titles.size() << " titles, the longest of " << longest << " characters; "
            << vocabulary.size() - 2 << " different characters; batches are "
            << fixed(100 * batches.padded_share(), 0) << " % padding\n";

  tp::seed(options.seed);
  tp::Generator random(options.seed);
  TokenModel<tp::layers::LSTM<>> model(
      vocabulary.size(), tp::layers::LSTMOptions{.input_size = 32, .hidden_size = options.hidden});
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  tp::Curve curve;
  for (std::size_t step = 1; step <= options.steps; ++step) {
    tape.clear();
    const double loss = update(loss_of(model, tape, batches.next(), start), adam);
    curve.x.push_back(static_cast<double>(step));
    curve.y.push_back(loss);
    if (step == 1 || step % 100 == 0)
      std::cout << "  step " << step << ": " << fixed(loss, 2) << " nats a character\n";
  }
  draw_curves({curve}, "titles.svg", {.x_label = "training step", .y_label = "nats a character"});

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
  std::string path = our_titles;
  double temperature = 0.8;
  const auto more = [&](CLI::App& app) {
    app.add_option("--titles", path, "the list, in UTF-8")->capture_default_str();
    app.add_option("--temperature", temperature, "of the new titles")
        ->capture_default_str()
        ->check(CLI::NonNegativeNumber);
  };
  return run_example(
      argc, argv, "Learns from a list of titles, one a line, and makes new ones.",
      {.steps = 600, .batch = 32, .hidden = 96, .learning_rate = 5e-3},
      [&](const TrainingOptions& options) { run(options, path, temperature); }, more);
}
