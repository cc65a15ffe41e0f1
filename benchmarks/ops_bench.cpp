// SPDX-License-Identifier: MIT
// Ops on a tape, forward and backward, beside hand-written loops for the same.
#include <benchmark/benchmark.h>

#include <cmath>
#include <tapestry/tapestry.hpp>
#include <vector>

namespace tp = tapestry;

namespace {

constexpr int length = 3'000;

void per_op(benchmark::State& state) {
  state.counters["per_op"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * length,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// y = y w, y = y + w, y = tanh(y), and so on, with the gradients by the first y and by w.
void chain_on_a_tape(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  tp::Array<> half = tp::Array<>::from_shape({n});
  half.fill(0.5F);
  tp::Tape<> tape;
  for ([[maybe_unused]] const auto& _ : state) {
    tape.clear();
    const auto x = tape.variable(half);
    const auto w = tape.variable(half);
    auto y = x;
    for (int i = 0; i < length; ++i) y = i % 3 == 0 ? y * w : i % 3 == 1 ? y + w : tanh(y);
    sum(y).backward();
    auto first = *x.grad().data();
    benchmark::DoNotOptimize(first);
  }
  per_op(state);
}

/// The same by hand: each op a loop over arrays that are there, each gradient another.
void chain_by_hand(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  std::vector<std::vector<float>> y(length + 1, std::vector<float>(n, 0.5F));
  const std::vector<float> w(n, 0.5F);
  std::vector<float> by_w(n), g(n);
  for ([[maybe_unused]] const auto& _ : state) {
    for (int i = 0; i < length; ++i) {
      const float* a = y[i].data();
      float* b = y[i + 1].data();
      if (i % 3 == 0)
        for (std::size_t k = 0; k < n; ++k) b[k] = a[k] * w[k];
      else if (i % 3 == 1)
        for (std::size_t k = 0; k < n; ++k) b[k] = a[k] + w[k];
      else
        for (std::size_t k = 0; k < n; ++k) b[k] = std::tanh(a[k]);
    }
    for (std::size_t k = 0; k < n; ++k) g[k] = 1, by_w[k] = 0;
    for (int i = length; i-- > 0;) {
      const float* a = y[i].data();
      const float* b = y[i + 1].data();
      if (i % 3 == 0)
        for (std::size_t k = 0; k < n; ++k) by_w[k] += g[k] * a[k], g[k] *= w[k];
      else if (i % 3 == 1)
        for (std::size_t k = 0; k < n; ++k) by_w[k] += g[k];
      else
        for (std::size_t k = 0; k < n; ++k) g[k] *= 1 - b[k] * b[k];
    }
    for (float* result : {g.data(), by_w.data()}) benchmark::DoNotOptimize(result);
    benchmark::ClobberMemory();
  }
  per_op(state);
}

BENCHMARK(chain_on_a_tape)->Arg(1)->Arg(16)->Arg(64)->Arg(256)->Arg(4096);
BENCHMARK(chain_by_hand)->Arg(1)->Arg(16)->Arg(64)->Arg(256)->Arg(4096);

/// logits (960, classes): softmax and cross-entropy, with the gradient by the logits.
void cross_entropy(benchmark::State& state) {
  const auto classes = static_cast<std::size_t>(state.range(0));
  const tp::Array<> logits = tp::layers::normal<float>({960, classes}, 1);
  tp::Indices targets = tp::Indices::from_shape({960});
  targets.fill(3);
  tp::Tape<> tape;
  for ([[maybe_unused]] const auto& _ : state) {
    tape.clear();
    softmax_cross_entropy(tape.variable(logits), targets).backward();
  }
  state.counters["per_logit"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * 960 * static_cast<double>(classes),
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(cross_entropy)->Arg(64)->Arg(10'000)->Unit(benchmark::kMicrosecond);

/// (n, n) times (n, n), forward and both gradients.
void matrix_product(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const tp::Array<> a = tp::layers::normal<float>({n, n}, 1);
  tp::Tape<> tape;
  for ([[maybe_unused]] const auto& _ : state) {
    tape.clear();
    sum(matmul(tape.variable(a), tape.variable(a))).backward();
  }
  state.counters["flops"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * 6 * static_cast<double>(n * n) *
                             static_cast<double>(n),
                         benchmark::Counter::kIsRate);
}
BENCHMARK(matrix_product)->Arg(16)->Arg(64)->Arg(256)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
