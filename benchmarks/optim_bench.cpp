// SPDX-License-Identifier: MIT
// Optimizers and gradient clipping: nanoseconds per parameter number.
#include <benchmark/benchmark.h>

#include <tapestry/tapestry.hpp>

namespace tp = tapestry;

namespace {

/// Four parameters with `n` numbers together, and gradients.
class Model {
 public:
  explicit Model(std::size_t n) : parts_(4) {
    for (tp::Parameter<>& part : parts_) {
      part = tp::Parameter<>(tp::layers::normal<float>({n / 4}, 1));
      part.grad() = tp::layers::normal<float>({n / 4}, 1);
      list_.push_back(&part);
    }
  }
  [[nodiscard]] const tp::ParameterList<float>& list() const { return list_; }

 private:
  std::vector<tp::Parameter<>> parts_;
  tp::ParameterList<float> list_;
};

template <class Run>
void measure(benchmark::State& state, const Run& run) {
  for ([[maybe_unused]] const auto& _ : state) run();
  state.counters["per_number"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * static_cast<double>(state.range(0)),
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void adam(benchmark::State& state) {
  const Model model(static_cast<std::size_t>(state.range(0)));
  tp::optim::Adam optimizer(model.list(), {});
  measure(state, [&] { optimizer.step(); });
}

void sgd_with_momentum(benchmark::State& state) {
  const Model model(static_cast<std::size_t>(state.range(0)));
  tp::optim::SGD optimizer(model.list(), {.learning_rate = 0.01, .momentum = 0.9});
  measure(state, [&] { optimizer.step(); });
}

void clip(benchmark::State& state) {
  const Model model(static_cast<std::size_t>(state.range(0)));
  measure(state, [&] { tp::optim::clip_grad_norm(model.list(), 1); });
}

BENCHMARK(adam)->Arg(1 << 12)->Arg(1 << 20);
BENCHMARK(sgd_with_momentum)->Arg(1 << 12)->Arg(1 << 20);
BENCHMARK(clip)->Arg(1 << 12)->Arg(1 << 20);

}  // namespace

BENCHMARK_MAIN();
