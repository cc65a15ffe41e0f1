// SPDX-License-Identifier: MIT
// Recurrent layers, as fused ops and in primitive ops: a training step, a forward pass over a
// sequence, and one step of streaming inference.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <tapestry/tapestry.hpp>

namespace tp = tapestry;

namespace {

constexpr std::size_t steps = 30;
constexpr std::size_t batch = 32;

tp::Array<> random(std::size_t t, std::size_t b, std::size_t n) {
  return tp::layers::normal<float>({t, b, n}, 1);
}

/// Arguments: hidden size, and 1 for primitive ops.
template <class Layer>
void training_step(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  tp::seed(1);
  Layer layer({.input_size = size, .hidden_size = size});
  const tp::Array<> x = random(steps, batch, size);
  tp::Tape<> tape;
  tape.set_primitive(state.range(1) != 0);
  for ([[maybe_unused]] const auto& _ : state) {
    tape.clear();
    mean(square(layer(tape.constant(x)).output)).backward();
  }
  state.counters["peak_MB"] = static_cast<double>(tape.memory_peak()) / 1e6;
}

template <class Layer>
void forward(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  Layer layer({.input_size = size, .hidden_size = size});
  tp::eval(layer);
  const tp::Array<> x = random(steps, batch, size);
  tp::Tape<> tape;
  tape.set_primitive(state.range(1) != 0);
  const auto off = tape.no_grad();
  for ([[maybe_unused]] const auto& _ : state) {
    tape.clear();
    auto first = *layer(tape.constant(x)).output.value().data();
    benchmark::DoNotOptimize(first);
  }
}

template <class Layer>
void streaming_step(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  Layer layer({.input_size = size, .hidden_size = size});
  tp::eval(layer);
  const tp::Array<> x = random(1, 1, size);
  typename Layer::Carry carry;
  tp::Tape<> tape;
  tape.set_primitive(state.range(1) != 0);
  const auto off = tape.no_grad();
  for ([[maybe_unused]] const auto& _ : state) {
    tape.clear();
    layer(tape.constant(x), carry).state.carry(carry);
  }
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"hidden", "primitive"})->ArgsProduct({{16, 64, 128}, {0, 1}});
  b->Unit(benchmark::kMicrosecond);
}

BENCHMARK_TEMPLATE(training_step, tp::layers::LSTM<>)->Apply(sizes);
BENCHMARK_TEMPLATE(training_step, tp::layers::GRU<>)->Apply(sizes);
BENCHMARK_TEMPLATE(training_step, tp::layers::RNN<>)->Apply(sizes);
BENCHMARK_TEMPLATE(forward, tp::layers::LSTM<>)->Apply(sizes);
BENCHMARK_TEMPLATE(forward, tp::layers::GRU<>)->Apply(sizes);
BENCHMARK_TEMPLATE(forward, tp::layers::RNN<>)->Apply(sizes);
BENCHMARK_TEMPLATE(streaming_step, tp::layers::LSTM<>)->Apply(sizes);
BENCHMARK_TEMPLATE(streaming_step, tp::layers::GRU<>)->Apply(sizes);
BENCHMARK_TEMPLATE(streaming_step, tp::layers::RNN<>)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
