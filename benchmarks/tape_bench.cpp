// SPDX-License-Identifier: MIT
// What the tape costs: a chain of elementwise ops forward and backward, per op, by size.
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

}  // namespace

BENCHMARK_MAIN();
