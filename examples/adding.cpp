// SPDX-License-Identifier: MIT
// The adding problem (Hochreiter and Schmidhuber 1997): of 100 random numbers two are marked, one
// in each half, and after the last step the network has to say their sum. Gradients must come
// through up to a hundred steps, which is what an LSTM's cell is for.
#include <tapestry/tapestry.hpp>

#include "training.hpp"

namespace tp = tapestry;

namespace {

constexpr std::size_t length = 100;

struct Adder {
  tp::layers::LSTM<> lstm;
  tp::layers::Linear<> head;

  explicit Adder(std::size_t hidden)
      : lstm({.input_size = 2, .hidden_size = hidden, .forget_bias = 1}), head(hidden, 1) {}

  void visit(auto&& part) {
    part("lstm", lstm);
    part("head", head);
  }

  /// The sums for x (T, B, 2): (B, 1).
  auto operator()(const tp::Variable<>& x) {
    const auto [output, state] = lstm(x);
    return head(select(output, 0, -1));
  }
};

struct Batch {
  tp::Array<float> x;       // (T, B, 2): a number, and 1 where it is marked
  tp::Array<float> target;  // (B, 1)
};

Batch draw(std::size_t size, tp::Generator& random) {
  Batch batch{tp::Array<float>::from_shape({length, size, 2}),
              tp::Array<float>::from_shape({size, 1})};
  for (std::size_t b = 0; b < size; ++b) {
    for (std::size_t t = 0; t < length; ++t) {
      batch.x(t, b, 0) = static_cast<float>(random.uniform());
      batch.x(t, b, 1) = 0;
    }
    const std::size_t first = random.below(length / 2);
    const std::size_t second = length / 2 + random.below(length / 2);
    batch.x(first, b, 1) = batch.x(second, b, 1) = 1;
    batch.target(b, 0) = batch.x(first, b, 0) + batch.x(second, b, 0);
  }
  return batch;
}

void run(const TrainingOptions& options) {
  tp::seed(options.seed);
  tp::Generator random(options.seed);
  Adder model(options.hidden);
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  const auto loss_of = [&](const Batch& batch) {
    tape.clear();
    return mse_loss(model(tape.constant(batch.x)), tape.constant(batch.target));
  };
  const auto step = [&] { return update(loss_of(draw(options.batch, random)), adam); };
  tp::Generator other(options.seed + 1);
  const Batch test = draw(500, other);
  const auto measure = [&] {
    const auto off = tape.no_grad();
    return static_cast<double>(loss_of(test).item());
  };
  train_until(
      {.measure = "mean squared error", .value = 0.01, .baseline = "always saying 1: 0.167"},
      options.steps, step, measure);
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "An LSTM learns to add two marked numbers out of a hundred.",
                     {.steps = 5000, .batch = 50, .hidden = 64, .learning_rate = 4e-3}, run);
}
