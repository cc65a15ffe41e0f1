// SPDX-License-Identifier: MIT
// Why an RNN forgets (MIT 6.390, C.4.5), measured: each network reads a symbol, then n others, and
// is to say which was the first. It is trained on n from 0 to 20, and asked at every distance. The
// state is replaced by newer data, unless gates learn to shield it.
#include <tapestry/tapestry.hpp>

#include <iostream>
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
constexpr std::size_t longest = 20;
const std::vector<std::size_t> distances{0, 1, 2, 3, 4, 6, 8, 10, 15, 20};

struct Batch {
  tp::Indices symbols;  // (n + 1, B)
  tp::Indices first;    // (B)
};

Batch draw(std::size_t distance, std::size_t size, tp::Generator& random) {
  Batch batch{tp::Indices::from_shape({distance + 1, size}), tp::Indices::from_shape({size})};
  for (auto& symbol : batch.symbols) symbol = static_cast<std::int64_t>(random.below(kinds));
  for (std::size_t b = 0; b < size; ++b) batch.first(b) = batch.symbols(0, b);
  return batch;
}

/// The shares of first symbols that a network recalls after each distance, trained on all of them.
template <class Layer>
tp::Curve recall(const std::string& name, auto layer_options, const TrainingOptions& options) {
  tp::seed(options.seed);
  tp::Generator random(options.seed);
  TokenModel<Layer> model(kinds, layer_options);
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  const auto answers = [&](const Batch& batch) {
    tape.clear();
    return select(model(tape, batch.symbols), 0, -1);  // (B, kinds), after the last symbol
  };
  for (std::size_t step = 0; step < options.steps; ++step) {
    const Batch batch = draw(random.below(longest + 1), options.batch, random);
    update(softmax_cross_entropy(answers(batch), batch.first), adam);
  }
  const auto off = tape.no_grad();
  tp::Curve line{.name = name};
  for (const std::size_t distance : distances) {
    const Batch batch = draw(distance, 500, random);
    const tp::Indices said = argmax(answers(batch), -1);
    std::size_t right = 0;
    for (std::size_t b = 0; b < said.size(); ++b) right += said(b) == batch.first(b);
    line.x.push_back(static_cast<double>(distance));
    line.y.push_back(static_cast<double>(right) / static_cast<double>(said.size()));
  }
  return line;
}

void run(const TrainingOptions& options) {
  const std::size_t hidden = options.hidden;
  const tp::layers::RNNOptions<float> rnn{.input_size = 16, .hidden_size = hidden};
  const tp::layers::LSTMOptions lstm{.input_size = 16, .hidden_size = hidden, .forget_bias = 1};
  const tp::layers::GRUOptions gru{.input_size = 16, .hidden_size = hidden};
  const std::vector<tp::Curve> lines{recall<tp::layers::RNN<>>("RNN", rnn, options),
                                     recall<tp::layers::LSTM<>>("LSTM", lstm, options),
                                     recall<tp::layers::GRU<>>("GRU", gru, options)};
  std::cout << "Share of first symbols recalled; guessing gets " << fixed(1.0 / kinds, 2) << '\n'
            << column("symbols between", 18);
  for (const tp::Curve& line : lines) std::cout << column(line.name, -8);
  std::cout << '\n';
  for (std::size_t i = 0; i < distances.size(); ++i) {
    std::cout << column(std::to_string(distances[i]), 18);
    for (const tp::Curve& line : lines) std::cout << column(fixed(line.y[i], 2), -8);
    std::cout << '\n';
  }
  draw_curves(lines, "forgetting.svg",
              {.title = "What is left of the first symbol",
               .x_label = "symbols in between",
               .y_label = "share recalled"});
  Claims claims;
  claims.check(lines[0].y.front() > 0.7, "the RNN recalls most of what it has just read");
  claims.check(lines[0].y.back() < lines[0].y.front() / 2,
               "twenty symbols later most of that is gone");
  claims.check(lines[1].y.back() > 0.9, "the LSTM has kept it");
  claims.settle();
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv,
                     "Why an RNN forgets: recall of a symbol that was read a while ago.",
                     {.steps = 500, .batch = 32, .hidden = 24, .learning_rate = 1e-3}, run);
}
