// SPDX-License-Identifier: MIT
// CharRNN over a list of titles, one a line ("Deep Dive on RNNs" made titles of Star Trek): each is
// a sequence of its own between START and END, so that the model also learns when a title is over.
// Every tenth is held out: new titles are made by the model of the step at which these cost least,
// as later it learns the others by heart and recites them.
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

constexpr std::int64_t end = 0;  // the first symbol of the vocabulary

using Model = TokenModel<tp::layers::LSTM<>>;

struct Trained {
  Model best;  // of the step at which the titles held out cost least
  Model last;
};

Trained train(const Sequences& learned, const Sequences& others, std::size_t symbols,
              const TrainingOptions& options) {
  // Titles of about equal length side by side: little is filled up.
  tp::data::BucketBatches batches(learned, {.batch = options.batch, .seed = options.seed});
  const auto held_out = one_batch(others);
  std::cout << "Batches are " << fixed(100 * batches.padded_share(), 0) << " % padding\n";
  tp::seed(options.seed);
  const auto start = static_cast<std::int64_t>(symbols);  // is read, and never written
  Model model(symbols + 1, tp::layers::LSTMOptions{.input_size = 32, .hidden_size = options.hidden},
              symbols);
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  const auto measure = [&] {
    const auto off = tape.no_grad();
    tape.clear();
    return static_cast<double>(loss_of(model, tape, held_out, start).item());
  };
  std::vector<tp::Curve> curves{{.name = "learned"}, {.name = "held out"}};
  Model best = model;
  double least = measure();
  double loss = 0;
  for (std::size_t step = 1; step <= options.steps; ++step) {
    tape.clear();
    const double now = update(loss_of(model, tape, batches.next(), start), adam);
    loss = step == 1 ? now : 0.9 * loss + 0.1 * now;
    if (step % 20 != 0 && step != options.steps) continue;
    const double cost = measure();
    if (cost < least) {
      least = cost;
      best = model;
    }
    for (tp::Curve& curve : curves) curve.x.push_back(static_cast<double>(step));
    curves[0].y.push_back(loss);
    curves[1].y.push_back(cost);
    if (step % 100 == 0)
      std::cout << "  step " << step << ": " << fixed(loss, 2) << " nats a character, "
                << fixed(cost, 2) << " in titles held out\n";
  }
  draw_curves(curves, "titles.svg", {.x_label = "training step", .y_label = "nats a character"});
  return {best, model};
}

constexpr std::size_t count = 200;  // of new titles

struct Drawn {
  std::set<std::string> fresh;  // not in the list
  std::size_t in_the_list = 0;
  std::size_t ended = 0;
};

Drawn draw_titles(Model& model, const tp::data::Vocabulary& vocabulary,
                  const std::set<std::string>& known, std::size_t longest, double temperature,
                  std::uint64_t seed) {
  tp::Generator random(seed);
  const auto start = static_cast<std::int64_t>(vocabulary.size());
  Drawn drawn;
  for (std::size_t i = 0; i < count; ++i) {
    const auto tokens = write(model, start, end, longest, temperature, random);
    const std::string title = vocabulary.decode(tokens);
    drawn.ended += tokens.size() < longest;
    drawn.in_the_list += known.contains(title);
    if (!known.contains(title)) drawn.fresh.insert(title);
  }
  return drawn;
}

void run(const TrainingOptions& options, const std::string& path, double temperature) {
  const std::vector<std::string> titles = read_lines(path);
  const std::string text = std::accumulate(titles.begin(), titles.end(), std::string());
  const auto vocabulary = tp::data::Vocabulary::of_characters(text, {.special = {"END"}});
  Sequences learned;
  Sequences held_out;
  std::size_t longest = 0;
  for (const auto& sequence : encoded(titles, vocabulary, end)) {
    longest = std::max(longest, sequence.size() - 1);
    const bool tenth = (learned.size() + held_out.size()) % 10 == 9;
    (tenth ? held_out : learned).push_back(sequence);
  }
  if (held_out.empty()) held_out = learned;  // fewer than ten
  std::cout << titles.size() << " titles, the longest of " << longest << " characters; "
            << vocabulary.size() - 1 << " different characters\n";
  auto [best, last] = train(learned, held_out, vocabulary.size(), options);
  const auto draw = [&](Model& model) {
    return draw_titles(model, vocabulary, {titles.begin(), titles.end()}, 2 * longest, temperature,
                       options.seed);
  };
  const Drawn drawn = draw(best);
  std::cout << "Titles that are not in the list:\n";
  auto title = drawn.fresh.begin();
  const std::size_t stride = std::max<std::size_t>(1, drawn.fresh.size() / 12);
  for (std::size_t i = 0; i < drawn.fresh.size() && i < 12 * stride; ++i, ++title)
    if (i % stride == 0) std::cout << "  " << *title << '\n';
  std::cout << "Of " << count << " drawn, " << drawn.ended << " came to an end, and "
            << drawn.in_the_list << " are in the list; after the last step "
            << draw(last).in_the_list << '\n';
  if (path != our_titles) return;  // of another list nothing can be promised
  Claims claims;
  claims.check(drawn.ended > count * 9 / 10, "it knows when a title is over");
  claims.check(drawn.fresh.size() > count / 2, "it makes titles of its own");
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
