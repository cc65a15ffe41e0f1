// SPDX-License-Identifier: MIT
// The copy-memory problem (Hochreiter and Schmidhuber 1997; Arjovsky et al. 2016): ten symbols, a
// long pause, a signal, and then the network has to repeat the ten. Who remembers nothing says
// "blank" until the signal and guesses from then on: 10 ln 8 / (delay + 20) nats a step.
#include <tapestry/tapestry.hpp>

#include <cmath>
#include <stdexcept>

#include "text.hpp"
#include "token_model.hpp"
#include "training.hpp"

namespace tp = tapestry;

namespace {

constexpr std::size_t count = 10;           // symbols to remember
constexpr std::size_t kinds = 8;            // of symbols
constexpr std::int64_t blank = kinds;       // the pause
constexpr std::int64_t signal = kinds + 1;  // repeat now
constexpr std::size_t steps = 8000;         // enough to get there

struct Batch {
  tp::Indices input;   // (T, B)
  tp::Indices target;  // (T, B)
};

Batch draw(std::size_t delay, std::size_t size, tp::Generator& random) {
  const std::size_t length = delay + 2 * count;
  Batch batch{tp::Indices::from_shape({length, size}), tp::Indices::from_shape({length, size})};
  batch.input.fill(blank);
  batch.target.fill(blank);
  for (std::size_t b = 0; b < size; ++b) {
    batch.input(length - count - 1, b) = signal;
    for (std::size_t k = 0; k < count; ++k) {
      const auto symbol = static_cast<std::int64_t>(random.below(kinds));
      batch.input(k, b) = symbol;
      batch.target(length - count + k, b) = symbol;
    }
  }
  return batch;
}

void run(const TrainingOptions& options, std::size_t delay) {
  tp::seed(options.seed);
  tp::Generator random(options.seed);
  TokenModel<tp::layers::GRU<>> model(
      kinds + 2, tp::layers::GRUOptions{.input_size = 16, .hidden_size = options.hidden},
      kinds + 1);
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  const auto loss_of = [&](const Batch& batch) {
    tape.clear();
    return softmax_cross_entropy(model(tape, batch.input), batch.target);
  };
  const auto step = [&] { return update(loss_of(draw(delay, options.batch, random)), adam); };
  tp::Generator other(options.seed + 1);
  const Batch test = draw(delay, 200, other);
  const auto measure = [&] {
    const auto off = tape.no_grad();
    return static_cast<double>(loss_of(test).item());
  };
  const double baseline = count * std::log(kinds) / static_cast<double>(delay + 2 * count);
  const bool reached = train_until({.measure = "cross entropy",
                                    .value = baseline / 4,
                                    .baseline = "without memory: " + fixed(baseline, 4),
                                    .picture = "copy_memory.svg"},
                                   options.steps, step, measure);
  // A run that was told to be short promises nothing.
  if (!reached && options.steps >= steps) throw std::runtime_error("did not learn to repeat");
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t delay = 50;
  return run_example(
      argc, argv, "A GRU learns to repeat ten symbols after a pause of fifty steps.",
      {.steps = steps, .batch = 64, .hidden = 96, .learning_rate = 3e-3},
      [&](const TrainingOptions& options) { run(options, delay); },
      [&](CLI::App& app) {
        app.add_option("--delay", delay, "steps of the pause")
            ->capture_default_str()
            ->check(CLI::Range(1, 10'000));
      });
}
