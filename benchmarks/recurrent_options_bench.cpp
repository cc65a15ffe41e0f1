// SPDX-License-Identifier: MIT
// Training steps (forward and backward) of recurrent layers with each option, and of a cell of
// one's own beside a layer of the library with as many products: two layers of 128 units, T 50,
// B 50, and one of 16 units, T 32, B 1. One thread.
#include <benchmark/benchmark.h>

#include <array>
#include <tapestry/tapestry.hpp>

namespace tp = tapestry;

namespace {

using tp::layers::GRUOptions;
using tp::layers::LSTMOptions;

/// A GRU under another name: the library has no kernel for it.
struct OwnGru {
  static constexpr auto name = "own_gru";
  static constexpr std::array gates{"r", "z", "n"};
  static constexpr std::array states{"h"};

  auto step(const auto& w, const auto& x, const auto& state) const {
    const auto& [h] = state;
    const auto r = sigmoid(w.input(x, "r") + w.hidden(h, "r"));
    const auto z = sigmoid(w.input(x, "z") + w.hidden(h, "z"));
    const auto n = tanh(w.input(x, "n") + r * w.hidden(h, "n"));
    return std::array{((1.0 - z) * n + z * h).named("h")};
  }
};

/// The same for the LSTM.
struct OwnLstm {
  static constexpr auto name = "own_lstm";
  static constexpr std::array gates{"i", "f", "g", "o"};
  static constexpr std::array states{"h", "c"};

  auto step(const auto& w, const auto& x, const auto& state) const {
    const auto& [h, c] = state;
    const auto i = sigmoid(w.input(x, "i") + w.hidden(h, "i"));
    const auto f = sigmoid(w.input(x, "f") + w.hidden(h, "f"));
    const auto g = tanh(w.input(x, "g") + w.hidden(h, "g"));
    const auto o = sigmoid(w.input(x, "o") + w.hidden(h, "o"));
    const auto next = f * c + i * g;
    return std::array{(o * tanh(next)).named("h"), next};
  }
};

template <class Layer>
void measure(benchmark::State& state, Layer layer, std::size_t steps, std::size_t batch,
             const tp::layers::Lengths& lengths) {
  tp::set_num_threads(1);
  const tp::Array<> x = tp::layers::normal<float>({steps, batch, layer.options().input_size}, 1);
  const auto parameters = tp::parameters(layer);
  tp::Tape<> tape;
  for ([[maybe_unused]] const auto& _ : state) {
    tape.clear();
    for (auto* p : parameters) p->zero_grad();
    const auto v = tape.constant(x);
    sum(lengths.empty() ? layer(v).output : layer(v, lengths).output).backward();
  }
}

template <class Layer>
void with(benchmark::State& state, typename Layer::Options options) {
  options.input_size = options.hidden_size = 128;
  options.num_layers = 2;
  measure(state, Layer(options), 50, 50, {});
}

template <class Layer>
void tiny(benchmark::State& state) {
  measure(state, Layer({.input_size = 16, .hidden_size = 16}), 32, 1, {});
}

/// Lengths from 25 to 50: three quarters of the steps.
void lengths(benchmark::State& state) {
  tp::layers::Lengths ends(50);
  for (std::size_t b = 0; b < 50; ++b) ends[b] = 25 + b * 25 / 49;
  measure(state, tp::layers::LSTM<>({.input_size = 128, .hidden_size = 128, .num_layers = 2}), 50,
          50, ends);
}

using Lstm = tp::layers::LSTM<>;
using Gru = tp::layers::GRU<>;
using MyLstm = tp::layers::Recurrent<OwnLstm>;
using MyGru = tp::layers::Recurrent<OwnGru>;

void lstm(benchmark::State& state, const LSTMOptions& options) { with<Lstm>(state, options); }
void gru(benchmark::State& state, const GRUOptions& options) { with<Gru>(state, options); }
void own_lstm(benchmark::State& state) { with<MyLstm>(state, {}); }
void own_gru(benchmark::State& state) { with<MyGru>(state, {}); }

BENCHMARK_CAPTURE(lstm, plain, {})->Unit(benchmark::kMillisecond);
BENCHMARK(lengths)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(lstm, layer_norm, {.layer_norm = true})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(lstm, peephole, {.peephole = true})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(lstm, projection_64, {.proj_size = 64})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(lstm, variational, {.variational_dropout = {.input = 0.2, .state = 0.2}})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(own_lstm)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gru, plain, {})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gru, reset_before, {.reset_after = false})->Unit(benchmark::kMillisecond);
BENCHMARK(own_gru)->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(tiny, Lstm)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(tiny, MyLstm)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(tiny, Gru)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(tiny, MyGru)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
