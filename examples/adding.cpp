// SPDX-License-Identifier: MIT
// The adding problem (Hochreiter and Schmidhuber 1997): of 100 random numbers two are marked, one
// in each half, and after the last step the network has to say their sum. Gradients must come
// through up to a hundred steps, which is what an LSTM's cell is for.
#include <tapestry/tapestry.hpp>

#include <stdexcept>

#include "adding.hpp"
#include "training.hpp"

namespace tp = tapestry;

namespace {

constexpr std::size_t steps = 5000;  // enough to get there

void run(const TrainingOptions& options, std::size_t length) {
  tp::seed(options.seed);
  tp::Generator random(options.seed);
  Adder<tp::layers::LSTM<>> model{
      tp::layers::LSTM<>({.input_size = 2, .hidden_size = options.hidden, .forget_bias = 1}),
      tp::layers::Linear<>(options.hidden, 1)};
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  const auto loss_of = [&](const AddingBatch& batch) {
    tape.clear();
    return mse_loss(model(tape.constant(batch.x)), tape.constant(batch.target));
  };
  const auto step = [&] {
    return update(loss_of(draw_adding(length, options.batch, random)), adam);
  };
  tp::Generator other(options.seed + 1);
  const AddingBatch test = draw_adding(length, 500, other);
  const auto measure = [&] {
    const auto off = tape.no_grad();
    return static_cast<double>(loss_of(test).item());
  };
  const bool reached = train_until({.measure = "mean squared error",
                                    .value = 0.01,
                                    .baseline = "always saying 1: 0.167",
                                    .picture = "adding.svg"},
                                   options.steps, step, measure);
  // A run that was told to be short promises nothing.
  if (!reached && options.steps >= steps) throw std::runtime_error("did not learn to add");
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t length = 100;
  return run_example(
      argc, argv, "An LSTM learns to add two marked numbers out of a hundred.",
      {.steps = steps, .batch = 50, .hidden = 64, .learning_rate = 4e-3},
      [&](const TrainingOptions& options) { run(options, length); },
      [&](CLI::App& app) {
        app.add_option("--length", length, "of how many numbers two are marked")
            ->capture_default_str()
            ->check(CLI::Range(2, 10'000));
      });
}
