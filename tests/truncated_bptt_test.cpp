// SPDX-License-Identifier: MIT
// Truncated backpropagation through time.
#define BOOST_TEST_MODULE truncated_bptt
#include <boost/test/unit_test.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "errors.hpp"
#include "layer_checks.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers.hpp"
#include "tapestry/optim.hpp"

using namespace tapestry::test;
namespace layers = tapestry::layers;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::Indices;
using tapestry::Steps;
using tapestry::Tape;
using tapestry::truncated_bptt;
using tapestry::truncated_passes;
using tapestry::TruncatedPass;
using tapestry::TruncationOptions;
using tapestry::Variable;

namespace {

constexpr std::size_t T = 10;

/// A recurrent layer with something to learn: outputs are to equal targets.
template <class Recurrent>
struct Task {
  using value_type = double;
  using Carry = typename Recurrent::Carry;

  Recurrent layer{{.input_size = 2, .hidden_size = 3, .num_layers = 2}};
  Array<double> inputs = sample<double>({T, 2, 2}, 1);
  Array<double> targets = sample<double>({T, 2, 3}, 2);
  Carry start;

  void visit(auto&& part) { part("layer", layer); }

  /// A state to start from that is not zeros.
  void warm_up() {
    Tape<double> tape;
    start = layer(tape.constant(sample<double>({2, 2, 2}, 3))).state.carry();
  }

  auto run(Tape<double>& tape) {
    return [&](Steps s, const auto& state) { return layer(tape.constant(s.of(inputs)), state); };
  }
  auto loss(Tape<double>& tape) {
    return [&](const Variable<double>& output, Steps s) {
      return sum(square(output - tape.constant(s.of(targets))));
    };
  }

  std::vector<Array<double>> take_gradients() {
    std::vector<Array<double>> gradients;
    for (auto* parameter : tapestry::parameters(*this)) {
      gradients.push_back(parameter->grad());
      parameter->zero_grad();
    }
    return gradients;
  }
};

/// Of the whole sequence, without any truncation.
template <class Recurrent>
std::vector<Array<double>> full_gradients(Task<Recurrent>& task) {
  Tape<double> tape;
  const auto output = task.run(tape)({0, T}, task.start).output;
  task.loss(tape)(output, {0, T}).backward();
  return task.take_gradients();
}

/// Of each stride by hand: all steps on one tape, the state detached where the window begins.
template <class Recurrent, class Detach>
std::vector<Array<double>> gradients_by_hand(Task<Recurrent>& task, TruncationOptions options,
                                             const Detach& detached) {
  for (std::size_t first = 0; first < T; first += options.stride) {
    const std::size_t last = std::min(first + options.stride, T);
    Tape<double> tape;
    Variable<double> loss = tape.constant(0.0);
    auto [output, state] = task.run(tape)({0, 1}, task.start);
    for (std::size_t t = 0; t < last; ++t) {
      if (t > 0) {
        if (t + options.window == last) state = detached(state);
        const auto next = task.run(tape)({t, t + 1}, state);
        output = next.output;
        state = next.state;
      }
      if (t >= first) loss = loss + task.loss(tape)(output, {t, t + 1});
    }
    loss.backward();
  }
  return task.take_gradients();
}

template <class Recurrent>
std::vector<Array<double>> truncated_gradients(Task<Recurrent>& task, TruncationOptions options) {
  Tape<double> tape;
  truncated_bptt(tape, T, task.start, options, task.run(tape), task.loss(tape));
  return task.take_gradients();
}

double largest_difference(const std::vector<Array<double>>& a,
                          const std::vector<Array<double>>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, relative_difference(a[i], b[i]));
  return largest;
}

struct DetachHidden {
  auto operator()(const layers::HiddenState<double>& s) const {
    return layers::HiddenState<double>{s.h.detach()};
  }
  auto operator()(const layers::CellState<double>& s) const {
    return layers::CellState<double>{s.h.detach(), s.c.detach()};
  }
};

using Recurrents = std::tuple<layers::RNN<double>, layers::LSTM<double>, layers::GRU<double>>;

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(one_pass_over_all_is_the_full_gradient, Recurrent, Recurrents) {
  Task<Recurrent> task;
  task.warm_up();
  const auto full = full_gradients(task);
  BOOST_TEST(largest_difference(truncated_gradients(task, {.window = T}), full) == 0);
  BOOST_TEST(largest_difference(truncated_gradients(task, {.window = T + 7}), full) == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_covering_window_gives_the_full_gradient, Recurrent, Recurrents) {
  Task<Recurrent> task;
  task.warm_up();
  const auto full = full_gradients(task);
  for (const std::size_t stride : {1, 3, 5, 9})
    BOOST_TEST(largest_difference(truncated_gradients(task, {T, stride}), full) < 1e-14);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_smaller_window_cuts_the_gradient, Recurrent, Recurrents) {
  Task<Recurrent> task;
  task.warm_up();
  const auto full = full_gradients(task);
  for (const TruncationOptions options :
       {TruncationOptions{5, 5}, {4, 4}, {6, 4}, {9, 2}, {3, 1}, {1, 1}, {8, 7}}) {
    const auto by_hand = gradients_by_hand(task, options, DetachHidden{});
    const auto truncated = truncated_gradients(task, options);
    BOOST_TEST_CONTEXT("window " << options.window << ", stride " << options.stride) {
      BOOST_TEST(largest_difference(truncated, by_hand) < 1e-14);
      BOOST_TEST(largest_difference(truncated, full) > 1e-4);
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_state_is_never_cut, Recurrent, Recurrents) {
  Task<Recurrent> task;
  task.warm_up();
  Tape<double> tape;
  const auto whole = task.run(tape)({0, T}, task.start);
  const double loss = task.loss(tape)(whole.output, {0, T}).item();
  const std::size_t size = tape.size();
  for (const TruncationOptions options : {TruncationOptions{4, 4}, {6, 4}, {9, 2}, {T, 3}}) {
    const auto result =
        truncated_bptt(tape, T, task.start, options, task.run(tape), task.loss(tape));
    BOOST_TEST(max_difference(result.carry.h, whole.state.h.value()) < 1e-15);
    BOOST_TEST(std::abs(result.loss - loss) < 1e-12);
    BOOST_TEST((result.passes == truncated_passes(T, options)));
    BOOST_TEST(tape.size() == size);  // and what was on it before is still there
  }
}

// The stride is the window when it is not given.
BOOST_AUTO_TEST_CASE(default_stride) {
  BOOST_TEST((truncated_passes(10, {.window = 4}) == truncated_passes(10, {4, 4})));
}

BOOST_AUTO_TEST_CASE(passes_explain_themselves) {
  const auto passes = truncated_passes(10, {.window = 6, .stride = 4});
  const std::vector<TruncatedPass> expected{{0, {0, 4}}, {2, {4, 8}}, {4, {8, 10}}};
  BOOST_TEST((passes == expected));
  BOOST_TEST(explain(passes) ==
             "losses of steps 0 to 3, gradient back to step 0\n"
             "losses of steps 4 to 7, gradient back to step 2 (steps 2 to 3 run again)\n"
             "losses of steps 8 to 9, gradient back to step 4 (steps 4 to 7 run again)\n");
  BOOST_TEST(explain(truncated_passes(2, {.window = 2, .stride = 1})) ==
             "losses of step 0, gradient back to step 0\n"
             "losses of step 1, gradient back to step 0 (step 0 run again)\n");
  BOOST_TEST(truncated_passes(0, {.window = 2}).empty());
}

// A model of one's own: h' = tanh(a h + x), whose state is one number.
namespace {

struct Scalar {
  Variable<double> h;
  [[nodiscard]] double carry() const { return h.item(); }
};
struct ScalarRun {
  Variable<double> output;
  Scalar state;
};

}  // namespace

BOOST_AUTO_TEST_CASE(any_callable_with_a_state) {
  const Array<double> x{0.5, -0.3, 0.8, 0.2, -0.6};
  tapestry::Parameter<double> a(Array<double>(0.7), "a");
  Tape<double> tape;
  const auto on_tape = [&](const auto& state) {
    if constexpr (requires { state.h; })
      return state.h;
    else
      return tape.constant(Array<double>(state));
  };
  const auto run = [&](Steps s, const auto& state) {
    std::vector<Variable<double>> outputs;
    Variable<double> h = on_tape(state);
    for (std::size_t t = s.first; t < s.last; ++t)
      outputs.push_back(h = tanh(tape.watch(a) * h + x(t)));
    return ScalarRun{stack(outputs), {h}};
  };
  const auto loss = [](const auto& output, Steps) { return sum(square(output)); };
  truncated_bptt(tape, 5, 0.1, {.window = 5, .stride = 2}, run, loss);
  const double truncated = a.grad()();
  a.zero_grad();
  loss(run({0, 5}, 0.1).output, {0, 5}).backward();
  BOOST_TEST(std::abs(truncated - a.grad()()) < 1e-15);
}

namespace {

struct Echo {  // says after one step what it has heard
  layers::Embedding<> embed{4, 8};
  layers::GRU<> gru{{.input_size = 8, .hidden_size = 16}};
  layers::Linear<> head{16, 4};
  void visit(auto&& part) {
    part("embed", embed);
    part("gru", gru);
    part("head", head);
  }
};

}  // namespace

// The training loop as the header shows it, with a token of delay that must be remembered.
BOOST_AUTO_TEST_CASE(training_loop) {
  tapestry::seed(1);
  Echo model;
  tapestry::optim::Adam adam(tapestry::parameters(model), {.learning_rate = 0.02});
  Tape tape;
  layers::GRU<>::Carry carry;
  Indices tokens = Indices::from_shape({12, 4}), targets = tokens;
  tokens.fill(0);
  const auto run = [&](Steps s, const auto& state) {
    return model.gru(model.embed(tape, s.of(tokens)), state);
  };
  const auto loss = [&](const auto& output, Steps s) {
    return softmax_cross_entropy(model.head(output), s.of(targets));
  };
  std::size_t updates = 0;
  const auto update = [&] {
    adam.step();
    adam.zero_grad();
    ++updates;
  };
  double last = 0;
  for (int batch = 0; batch < 60; ++batch) {
    for (std::size_t b = 0; b < 4; ++b)
      for (std::size_t t = 0; t < 12; ++t) {
        targets(t, b) = tokens((t + 11) % 12, b);  // of the batch before, for t = 0
        tokens(t, b) = static_cast<std::int64_t>(tapestry::default_generator().below(4));
      }
    const auto result =
        truncated_bptt(tape, 12, carry, {.window = 4, .stride = 3}, run, loss, update);
    carry = result.carry;
    last = result.loss / static_cast<double>(result.passes.size());
  }
  BOOST_TEST(updates == 240u);
  BOOST_TEST(last < 0.1);  // of log 4 = 1.39 at first
}

BOOST_AUTO_TEST_CASE(bad_input) {
  BOOST_CHECK_EXCEPTION(static_cast<void>(truncated_passes(5, {})), ArgumentError,
                        says("[truncated_bptt] window must be positive"));
  BOOST_CHECK_EXCEPTION(static_cast<void>(truncated_passes(9, {.window = 2, .stride = 5})),
                        ArgumentError,
                        says("[truncated_bptt] window 2 must be at least the stride 5: losses of "
                             "the steps between would not count"));
  const Indices tokens = Indices::from_shape({4, 2});
  BOOST_CHECK_EXCEPTION(static_cast<void>(Steps{2, 5}.of(tokens)), tapestry::IndexError,
                        says("[steps] [2, 5) is not within an array of shape (4, 2)"));
  Task<layers::GRU<double>> task;
  Tape<double> tape;
  const auto not_scalar = [&](const Variable<double>& output, Steps) { return output; };
  BOOST_CHECK_THROW(truncated_bptt(tape, T, task.start, {.window = 3}, task.run(tape), not_scalar),
                    tapestry::GradientError);
  BOOST_TEST(tape.size() == 0u);
}
