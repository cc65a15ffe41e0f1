// SPDX-License-Identifier: MIT
// "Does adding deeper layers to an RNN make it work better?" ("Deep Dive on RNNs"): one, two and
// three layers learn to predict the next character of titles, once with equally many units in each
// layer, once with about equally many parameters in all.
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "chart.hpp"
#include "claims.hpp"
#include "token_model.hpp"
#include "training.hpp"

namespace tp = tapestry;

namespace {

struct Data {
  std::size_t symbols = 0;  // the last two are START and END
  PaddedBatch learned;      // all titles but every tenth
  PaddedBatch held_out;
  Sequences sequences;
};

Data read() {
  std::ifstream file(TAPESTRY_EXAMPLES "/titles.txt");
  std::vector<std::string> titles;
  std::string text;
  for (std::string line; std::getline(file, line); text += line) titles.push_back(line);
  const auto vocabulary = tp::data::Vocabulary::of_characters(text);
  Data data;
  data.symbols = vocabulary.size() + 2;
  Sequences held_out;
  for (std::size_t i = 0; i < titles.size(); ++i) {
    const tp::Indices tokens = vocabulary.encode(titles[i]);
    (i % 10 == 9 ? held_out : data.sequences).emplace_back(tokens.begin(), tokens.end());
  }
  const auto start = static_cast<std::int64_t>(vocabulary.size());
  data.learned = with_start_and_end(data.sequences, start, start + 1);
  data.held_out = with_start_and_end(held_out, start, start + 1);
  return data;
}

/// The held-out loss while a stack of layers is trained; prints the smallest.
Line train(const Data& data, std::size_t layers, std::size_t hidden,
           const TrainingOptions& options) {
  tp::seed(options.seed);
  tp::Generator random(options.seed);
  TokenModel<tp::layers::RNN<>> model(
      data.symbols,
      tp::layers::RNNOptions<float>{.input_size = 32, .hidden_size = hidden, .num_layers = layers});
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  const auto loss = [&](const PaddedBatch& batch) {
    const auto off = tape.no_grad();
    tape.clear();
    return static_cast<double>(loss_of(model, tape, batch).item());
  };
  const auto start = static_cast<std::int64_t>(data.symbols - 2);
  Line line{std::to_string(layers) + " x " + std::to_string(hidden), {}, {}};
  double learned = 0;
  double best = 1e9;
  for (std::size_t step = 0; step <= options.steps; ++step) {
    if (step % 20 == 0) {
      line.x.push_back(static_cast<double>(step));
      line.y.push_back(loss(data.held_out));
      if (line.y.back() < best) {
        best = line.y.back();
        learned = loss(data.learned);
      }
    }
    const PaddedBatch batch =
        with_start_and_end(draw_some(data.sequences, options.batch, random), start, start + 1);
    tape.clear();
    update(loss_of(model, tape, batch), adam);
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
  std::vector<Line> lines;
  for (const std::size_t layers : {1U, 2U, 3U})
    lines.push_back(train(data, layers, hidden, options));
  // (32 H + H²) + 2 H² (L - 1) and the head: about the parameters of one layer.
  lines.push_back(train(data, 2, hidden * 5 / 8, options));
  lines.push_back(train(data, 3, hidden * 1 / 2, options));
  draw_chart(
      {"Deep RNNs on titles they have not seen", "training steps", "nats a character", lines},
      "deep_rnn.svg");
  const auto best = [](const Line& line) {
    return *std::min_element(line.y.begin(), line.y.end());
  };
  double least = best(lines[0]);
  double most = least;
  for (const Line& line : lines) {
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
