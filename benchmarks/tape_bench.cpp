// SPDX-License-Identifier: MIT
// What the tape costs: a chain of elementwise ops forward and backward, per op, by size; and a
// training step of a small LSTM in primitive ops.
#include <benchmark/benchmark.h>

#include <tapestry/tapestry.hpp>

namespace tp = tapestry;

namespace {

/// 10,000 times multiply, add, tanh on arrays of `n` elements; reports nanoseconds per op.
void elementwise_chain(benchmark::State& state) {
  constexpr int length = 10'000;
  const auto n = static_cast<std::size_t>(state.range(0));
  tp::Tape<> tape;
  tp::Array<> half = tp::Array<>::from_shape({n});
  half.fill(0.5F);
  for ([[maybe_unused]] const auto& _ : state) {
    tape.clear();
    const auto x = tape.variable(half);
    const auto w = tape.variable(half);
    auto y = x;
    for (int i = 0; i < length; ++i) y = i % 3 == 0 ? y * w : i % 3 == 1 ? y + w : tanh(y);
    sum(y).backward();
    benchmark::DoNotOptimize(*x.grad().data());
  }
  state.counters["per_op"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * length,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(elementwise_chain)->Arg(1)->Arg(64)->Arg(4096)->Unit(benchmark::kMillisecond);

/// Forward and backward of an LSTM (T 30, B 32, I 64, H 64) and its loss over 64 classes.
void lstm_step(benchmark::State& state) {
  constexpr std::size_t steps = 30;
  constexpr std::size_t batch = 32;
  constexpr std::size_t size = 64;
  tp::seed(1);
  tp::layers::LSTM<> lstm({.input_size = size, .hidden_size = size});
  tp::layers::Linear<> head(size, size);
  const auto x = tp::layers::normal<float>({steps, batch, size}, 1);
  tp::Indices targets = tp::Indices::from_shape({steps, batch});
  targets.fill(3);
  tp::Tape<> tape;
  for ([[maybe_unused]] const auto& _ : state) {
    tape.clear();
    const auto [output, last] = lstm(tape.constant(x));
    softmax_cross_entropy(head(output), targets).backward();
  }
  state.counters["peak_MB"] = static_cast<double>(tape.memory_peak()) / 1e6;
}
BENCHMARK(lstm_step)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
