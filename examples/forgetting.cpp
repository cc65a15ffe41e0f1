// SPDX-License-Identifier: MIT
// Why an RNN forgets (MIT 6.390, C.4.5), measured: a network reads 21 symbols, and from its last
// state alone it is asked for all of them. The state stores a limited amount, so the older ones are
// replaced by newer data; how far back it reaches depends on the number of units.
// Measured are plain RNNs, all trained alike. Training longer lets each reach further back, but not
// the small ones to the first symbol. Gates are not compared here: see vanishing_gradients.
#include <tapestry/tapestry.hpp>

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

constexpr std::size_t kinds = 8;  // of symbols
constexpr std::size_t length = 21;
constexpr std::size_t asked = 1000;  // sequences in the test
const std::vector<std::size_t> shown{0, 1, 2, 3, 4, 6, 8, 10, 15, 20};

tp::Indices draw(std::size_t count, tp::Generator& random) {
  tp::Indices symbols = tp::Indices::from_shape({length, count});
  for (auto& symbol : symbols) symbol = static_cast<std::int64_t>(random.below(kinds));
  return symbols;
}

/// The share of symbols that a trained RNN recalls, by how many it has read since.
tp::Curve recall(std::size_t units, const TrainingOptions& options) {
  tp::seed(options.seed);
  tp::Generator random(options.seed);
  TokenModel<tp::layers::RNN<>> model(
      kinds, tp::layers::RNNOptions<float>{.input_size = 16, .hidden_size = units}, length * kinds);
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  const auto answers = [&](const tp::Indices& symbols) {  // logits (T, B, kinds) of all it has read
    tape.clear();
    const auto last = select(model(tape, symbols), 0, -1);  // (B, T kinds)
    return transpose(reshape(last, {symbols.shape()[1], length, kinds}), {1, 0, 2});
  };
  for (std::size_t step = 0; step < options.steps; ++step) {
    const tp::Indices symbols = draw(options.batch, random);
    update(softmax_cross_entropy(answers(symbols), symbols), adam);
  }
  const auto off = tape.no_grad();
  const tp::Indices symbols = draw(asked, random);
  const tp::Indices said = argmax(answers(symbols), -1);
  tp::Curve line{.name = std::to_string(units) + " units"};
  for (std::size_t lag = 0; lag < length; ++lag) {
    const std::size_t t = length - 1 - lag;
    std::size_t right = 0;
    for (std::size_t b = 0; b < asked; ++b) right += said(t, b) == symbols(t, b);
    line.x.push_back(static_cast<double>(lag));
    line.y.push_back(static_cast<double>(right) / asked);
  }
  return line;
}

void show(const std::vector<tp::Curve>& lines) {
  std::cout << "Share of symbols recalled; guessing gets " << fixed(1.0 / kinds, 2) << '\n'
            << column("symbols since", 18);
  for (const tp::Curve& line : lines) std::cout << column(line.name, -10);
  for (const std::size_t lag : shown) {
    std::cout << '\n' << column(std::to_string(lag), 18);
    for (const tp::Curve& line : lines) std::cout << column(fixed(line.y[lag], 2), -10);
  }
  std::cout << '\n' << column("recalled of " + std::to_string(length), 18);
  for (const tp::Curve& line : lines)
    std::cout << column(fixed(std::accumulate(line.y.begin(), line.y.end(), 0.0), 1), -10);
  std::cout << '\n';
}

void run(const TrainingOptions& options) {
  std::vector<tp::Curve> lines;
  for (const std::size_t times : {1U, 2U, 3U, 8U})
    lines.push_back(recall(times * options.hidden, options));
  show(lines);
  draw_curves(lines, "forgetting.svg",
              {.title = "What the last state still holds",
               .x_label = "symbols read since",
               .y_label = "share recalled"});
  const tp::Curve& middle = lines[2];
  Claims claims;
  claims.check(middle.y[0] > 0.9 && middle.y[2] > 0.8, middle.name + " recall the newest symbols");
  claims.check(middle.y[20] < 0.2, "of what they read twenty symbols ago nothing is left");
  claims.check(lines[3].y[10] > lines[0].y[10] + 0.3,
               "a larger state holds more: ten symbols back, " + lines[3].name + " against " +
                   lines[0].name);
  claims.settle();
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv,
                     "Why an RNN forgets: what its last state still holds of all that it has read. "
                     "Compares networks of 1, 2, 3 and 8 times the hidden units.",
                     {.steps = 1000, .batch = 32, .hidden = 8, .learning_rate = 5e-3}, run);
}
