// SPDX-License-Identifier: MIT
// "Does adding deeper layers to an RNN make it work better?" ("Deep Dive on RNNs"): one, two and
// three layers learn to predict the next character of titles, once with equally many units in each
// layer, once with about equally many parameters in all.
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <cmath>
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

constexpr std::int64_t end = 0;  // the first symbol of the vocabulary

struct Data {
  std::size_t symbols = 0;
  Sequences learned;  // all titles but every tenth
  Sequences held_out;
};

Data read() {
  const auto titles = read_lines(TAPESTRY_EXAMPLES "/titles.txt");
  const std::string text = std::accumulate(titles.begin(), titles.end(), std::string());
  const auto vocabulary = tp::data::Vocabulary::of_characters(text, {.special = {"END"}});
  Data data{vocabulary.size(), {}, {}};
  const Sequences all = encoded(titles, vocabulary, end);
  for (std::size_t i = 0; i < all.size(); ++i)
    (i % 10 == 9 ? data.held_out : data.learned).push_back(all[i]);
  return data;
}

/// The held-out loss while a stack of layers is trained; prints the smallest.
tp::Curve train(const Data& data, std::size_t layers, std::size_t hidden,
                const TrainingOptions& options) {
  tp::seed(options.seed);
  const auto start = static_cast<std::int64_t>(data.symbols);  // is read, and never said
  TokenModel<tp::layers::RNN<>> model(
      data.symbols + 1,
      tp::layers::RNNOptions<float>{.input_size = 32, .hidden_size = hidden, .num_layers = layers},
      data.symbols);
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  const auto loss = [&](const tp::data::PaddedBatch& batch) {
    const auto off = tape.no_grad();
    tape.clear();
    return static_cast<double>(loss_of(model, tape, batch, start).item());
  };
  tp::data::BucketBatches batches(data.learned, {.batch = options.batch, .seed = options.seed});
  const auto all_learned = one_batch(data.learned);
  const auto held_out = one_batch(data.held_out);
  tp::Curve line{.name = std::to_string(layers) + " x " + std::to_string(hidden)};
  double learned = 0;
  double best = 1e9;
  for (std::size_t step = 0; step <= options.steps; ++step) {
    if (step % 20 == 0) {
      line.x.push_back(static_cast<double>(step));
      line.y.push_back(loss(held_out));
      if (line.y.back() < best) {
        best = line.y.back();
        learned = loss(all_learned);
      }
    }
    tape.clear();
    update(loss_of(model, tape, batches.next(), start), adam);
  }
  std::cout << column(line.name, 12) << column(std::to_string(tp::count_parameters(model)), -10)
            << column(fixed(best, 3), -10) << column(fixed(learned, 3), -10) << '\n';
  line.name += ", " + std::to_string(tp::count_parameters(model)) + " parameters";
  return line;
}

void run(const TrainingOptions& options) {
  const Data data = read();
  std::cout << column("layers", 12) << column("parameters", -10) << column("held out", -10)
            << column("learned", -10) << "   nats a character, where the held-out loss is least\n";
  const std::size_t hidden = options.hidden;
  std::vector<tp::Curve> lines;
  for (const std::size_t layers : {1U, 2U, 3U})
    lines.push_back(train(data, layers, hidden, options));
  // (32 H + H²) + 2 H² (L - 1) and the head: about the parameters of one layer.
  lines.push_back(train(data, 2, hidden * 5 / 8, options));
  lines.push_back(train(data, 3, hidden * 1 / 2, options));
  draw_curves(lines, "deep_rnn.svg",
              {.title = "Deep RNNs on titles they have not seen",
               .x_label = "training steps",
               .y_label = "nats a character"});
  const auto best = [](const tp::Curve& line) {
    return *std::min_element(line.y.begin(), line.y.end());
  };
  double least = best(lines[0]);
  double most = least;
  for (const tp::Curve& line : lines) {
    least = std::min(least, best(line));
    most = std::max(most, best(line));
  }
  Claims claims;
  claims.check(most < 2.2, "they all learn; guessing costs " +
                               fixed(std::log(static_cast<double>(data.symbols)), 1) + " nats");
  claims.check(best(lines[0]) < least + 0.15, "on so short a text more layers gain little");
  claims.settle();
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "One, two and three layers of RNN on the same task.",
                     {.steps = 300, .batch = 32, .hidden = 64, .learning_rate = 3e-3}, run);
}
