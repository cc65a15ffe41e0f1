// SPDX-License-Identifier: MIT
// Recurrent cells of one's own: against their equations step by step, against loops over numbers,
// and with all that layers can do.
#define BOOST_TEST_MODULE own_cell
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "allocations.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "fused_layers.hpp"
#include "own_cells.hpp"
#include "tapestry/tapestry.hpp"

using namespace tapestry::test;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::Generator;
using tapestry::Parameter;
using tapestry::parameters;
using tapestry::ShapeError;
using tapestry::sum;
using tapestry::Tape;
using tapestry::Variable;
using tapestry::layers::Lengths;
using tapestry::layers::Recurrent;
using tapestry::layers::RecurrentOptions;

namespace {

using Cells = std::tuple<MinimalGatedUnit, CoupledLSTM, IndRNN, ThreeStates>;

constexpr double bound = 1e-11;  // between a fused layer and its steps

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// W(first + i, ...) x + b(first + i)
double affine(const Parameter<double>& w, const Parameter<double>& b, std::size_t row,
              const std::vector<double>& x) {
  double total = b.value()(row);
  for (std::size_t j = 0; j < x.size(); ++j) total += w.value()(row, j) * x[j];
  return total;
}

std::vector<double> row_of(const Array<double>& x, std::size_t t) {
  std::vector<double> row;
  for (std::size_t i = 0; i < x.shape()[2]; ++i) row.push_back(x(t, 0, i));
  return row;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(run_fused_with_every_option, Cell, Cells) {
  const Array<double> x = sample<double>({5, 3, 3});
  for (int set = 0; set < 64; ++set) {
    const bool drops = (set & 16) != 0;
    Recurrent<Cell, double> layer(
        {.input_size = 3,
         .hidden_size = 4,
         .num_layers = (set & 1) != 0 ? 2U : 1U,
         .bias = (set & 2) == 0,
         .dropout = (set & 33) == 33 ? 0.3 : 0.0,
         .bidirectional = (set & 4) != 0,
         .variational_dropout = {.input = drops ? 0.4 : 0.0, .state = drops ? 0.2 : 0.0},
         .layer_norm = (set & 8) != 0,
         .learned_initial_state = (set & 32) != 0});
    const std::string what = std::string(Cell::name) + " " + std::to_string(set);
    BOOST_TEST(layer.fuses(), what << ": " << layer.why_not_fused());
    expect_fused_is_steps(layer, what, bound, x);
    expect_fused_is_steps(layer, what + " lengths", bound, x, Lengths{2, 5, 0});
    Tape<double> tape;
    const auto carry = layer(tape.constant(x)).state.carry();
    expect_fused_is_steps(layer, what + " carry", bound, x, carry, Lengths{4, 1, 5});
  }
}

BOOST_AUTO_TEST_CASE(random_cells_equal_their_equations) {
  Generator generator(1);
  std::size_t fused = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    const auto pick = [&](std::size_t most) { return 1 + generator.below(most); };
    const std::size_t inputs = pick(5), units = pick(20), steps = pick(6), batch = pick(5);
    Recurrent<RandomCell, double> layer({.input_size = inputs,
                                         .hidden_size = units,
                                         .num_layers = pick(2),
                                         .bidirectional = generator.below(2) == 0},
                                        RandomCell{seed});
    BOOST_TEST(layer.fuses(), seed << ": " << layer.why_not_fused());
    fused += layer.fuses() ? 1 : 0;
    Lengths lengths(batch);
    for (auto& length : lengths) length = generator.below(steps + 1);
    const Array<double> x = sample<double>({steps, batch, inputs}, seed);
    expect_fused_is_steps(layer, "seed " + std::to_string(seed), bound, x);
    expect_fused_is_steps(layer, "seed " + std::to_string(seed) + " lengths", bound, x, lengths);
  }
  BOOST_TEST(fused == 150u);
}

BOOST_AUTO_TEST_SUITE(equal_loops_over_numbers)

BOOST_AUTO_TEST_CASE(minimal_gated_unit) {
  Recurrent<MinimalGatedUnit, double> layer({.input_size = 3, .hidden_size = 4});
  auto& w = layer.weights(0);
  const Array<double> x = sample<double>({6, 1, 3});
  Tape<double> tape;
  const auto output = layer(tape.constant(x)).output;
  std::vector<double> h(4, 0);
  for (std::size_t t = 0; t < 6; ++t) {
    const auto in = row_of(x, t);
    std::vector<double> f(4), kept(4), next(4);
    for (std::size_t i = 0; i < 4; ++i)
      f[i] = logistic(affine(w.weight_ih, w.bias_ih, i, in) + affine(w.weight_hh, w.bias_hh, i, h));
    for (std::size_t i = 0; i < 4; ++i) kept[i] = f[i] * h[i];
    for (std::size_t i = 0; i < 4; ++i) {
      const double n = std::tanh(affine(w.weight_ih, w.bias_ih, 4 + i, in) +
                                 affine(w.weight_hh, w.bias_hh, 4 + i, kept));
      next[i] = (1 - f[i]) * h[i] + f[i] * n;
      BOOST_TEST(std::abs(output.value()(t, 0, i) - next[i]) < 1e-14);
    }
    h = next;
  }
}

BOOST_AUTO_TEST_CASE(coupled_gates) {
  Recurrent<CoupledLSTM, double> layer({.input_size = 3, .hidden_size = 4});
  auto& w = layer.weights(0);
  const Array<double> x = sample<double>({6, 1, 3});
  Tape<double> tape;
  const auto output = layer(tape.constant(x)).output;
  std::vector<double> h(4, 0), c(4, 0);
  for (std::size_t t = 0; t < 6; ++t) {
    const auto in = row_of(x, t);
    std::vector<double> next(4);
    for (std::size_t i = 0; i < 4; ++i) {
      const auto sum_of = [&](std::size_t gate) {
        return affine(w.weight_ih, w.bias_ih, 4 * gate + i, in) +
               affine(w.weight_hh, w.bias_hh, 4 * gate + i, h);
      };
      const double f = logistic(sum_of(0));
      c[i] = f * c[i] + (1 - f) * std::tanh(sum_of(1));
      next[i] = logistic(sum_of(2)) * std::tanh(c[i]);
      BOOST_TEST(std::abs(output.value()(t, 0, i) - next[i]) < 1e-14);
    }
    h = next;
  }
}

BOOST_AUTO_TEST_CASE(independent_units) {
  Recurrent<IndRNN, double> layer({.input_size = 3, .hidden_size = 4});
  auto& w = layer.weights(0);
  BOOST_TEST(w.weight_hh.shape().rank() == 0u);
  const Array<double> x = sample<double>({6, 1, 3});
  Tape<double> tape;
  const auto output = layer(tape.constant(x)).output;
  std::vector<double> h(4, 0);
  for (std::size_t t = 0; t < 6; ++t)
    for (std::size_t i = 0; i < 4; ++i) {
      h[i] = std::max(
          0.0, affine(w.weight_ih, w.bias_ih, i, row_of(x, t)) + w.vector("u").value()(i) * h[i]);
      BOOST_TEST(std::abs(output.value()(t, 0, i) - h[i]) < 1e-14);
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE_TEMPLATE(have_second_derivatives, Cell, Cells) {
  Recurrent<Cell, double> layer({.input_size = 2, .hidden_size = 3});
  for (auto* p : parameters(layer)) p->value() = Array<double>(p->value() + 0.1);
  const auto score = [&](const Variable<double>& x) { return sum(square(layer(x).output + 0.4)); };
  const auto checked =
      tapestry::gradcheck(score, sample<double>({3, 2, 2}), {.second_order = true});
  BOOST_TEST(checked.passed, Cell::name << ": " << checked.message);
}

BOOST_AUTO_TEST_CASE(name_their_parameters_and_gates) {
  Recurrent<ThreeStates, double> layer(
      {.input_size = 4, .hidden_size = 3, .bidirectional = true, .learned_initial_state = true});
  std::set<std::string> names;
  layer.visit([&](const std::string& name, auto&) { names.insert(name); });
  for (const char* name : {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "p_l0",
                           "h0_l0", "c0_l0", "s0_l0", "p_l0_reverse"})
    BOOST_TEST(names.contains(name), name);
  BOOST_TEST(names.size() == 16u);
  BOOST_TEST(layer.weights(0).weight_ih.shape() == tapestry::Shape({9, 4}));
  BOOST_TEST((layer.value_names() == std::vector<std::string>{"a", "b", "m", "h"}));
  BOOST_TEST(layer.is_sigmoid("a"));
  BOOST_TEST(!layer.is_sigmoid("b"));
  Tape<double> tape;
  const auto result = layer(tape.constant(sample<double>({5, 2, 4})));
  BOOST_TEST((result.gate("a").shape() == tapestry::Array<double>::shape_type{2, 5, 2, 3}));
  BOOST_TEST((result.gate("b", 0).shape() == tapestry::Array<double>::shape_type{5, 2, 3}));
  const auto report = tapestry::health_report(layer, result);
  BOOST_TEST(report.values.size() == 8u);
}

BOOST_AUTO_TEST_CASE(are_saved_and_loaded) {
  const TemporaryFolder folder;
  const RecurrentOptions options{.input_size = 3, .hidden_size = 4, .num_layers = 2};
  Recurrent<IndRNN, double> first(options), second(options);
  tapestry::save(first, folder / "indrnn.safetensors");
  tapestry::load(second, folder / "indrnn.safetensors");
  const Array<double> x = sample<double>({4, 2, 3});
  BOOST_TEST((results(first, false, x)[0] == results(second, false, x)[0]));
}

BOOST_AUTO_TEST_CASE(take_the_batch_first) {
  const Array<double> x = sample<double>({5, 2, 3});
  RecurrentOptions options{.input_size = 3, .hidden_size = 4, .num_layers = 2};
  tapestry::seed(1);
  Recurrent<MinimalGatedUnit, double> time_first(options);
  options.batch_first = true;
  tapestry::seed(1);
  Recurrent<MinimalGatedUnit, double> batch_first(options);
  for (const bool primitive : {false, true}) {
    Tape<double> tape;
    tape.set_primitive(primitive);
    const auto v = tape.constant(x);
    const auto a = time_first(v, Lengths{5, 3});
    const auto b = batch_first(swapaxes(v, 0, 1), Lengths{5, 3});
    BOOST_TEST((swapaxes(b.output, 0, 1).value() == a.output.value()));
    BOOST_TEST((b.state.h.value() == a.state.h.value()));
    BOOST_TEST((b.gate("f", 1) == a.gate("f", 1)));
    BOOST_CHECK_THROW(batch_first(v, Lengths{5, 3}), ShapeError);
  }
}

namespace {

/// What a step must not do, or cannot do fused.
struct Odd {
  static constexpr auto name = "odd";
  static constexpr std::array gates{"h"};
  static constexpr std::array states{"h"};
  enum class Kind { plain, unknown_gate, mixes, constant, wide, detached } kind = Kind::plain;

  auto step(const auto& w, const auto& x, const auto& state) const {
    const auto& [h] = state;
    const auto y = w.input(x, kind == Kind::unknown_gate ? "q" : "h") + w.hidden(h);
    switch (kind) {
      case Kind::mixes:
        return std::array{tanh(y - mean(y, 0, true))};
      case Kind::constant:
        return std::array{tanh(y + zeros_of(y))};
      case Kind::wide:
        return std::array{concatenate(std::vector{y, y}, -1)};
      case Kind::detached:
        return std::array{tanh(y + h.detach())};
      default:
        return std::array{tanh(y)};
    }
  }
  static auto zeros_of(const auto& y) {
    return y.tape().constant(sample<double>({y.shape()[0], y.shape()[1]}));
  }
};

std::string obstacle_of(Odd::Kind kind) {
  Recurrent<Odd, double> layer({.input_size = 2, .hidden_size = 3}, Odd{kind});
  if (kind != Odd::Kind::wide)
    expect_fused_is_steps(layer, "odd", bound, sample<double>({3, 2, 2}));
  return layer.why_not_fused();
}

}  // namespace

BOOST_AUTO_TEST_CASE(say_what_is_wrong) {
  BOOST_TEST(obstacle_of(Odd::Kind::plain).empty());
  for (const auto& [kind, text] : std::vector<std::pair<Odd::Kind, std::string>>{
           {Odd::Kind::mixes, "'mean'"},
           {Odd::Kind::constant, "constant for each sequence"},
           {Odd::Kind::detached, "not among its weights"},
           {Odd::Kind::wide, "must keep the shape"}})
    BOOST_TEST(obstacle_of(kind).find(text) != std::string::npos, obstacle_of(kind));
  const RecurrentOptions options{.input_size = 2, .hidden_size = 3};
  BOOST_CHECK_EXCEPTION((Recurrent<Odd, double>(options, Odd{Odd::Kind::unknown_gate})),
                        ArgumentError, says("[odd] there is no gate 'q'; there are: h"));
  Recurrent<Odd, double> wide(options, Odd{Odd::Kind::wide});
  Tape<double> tape;
  BOOST_CHECK_EXCEPTION(
      (void)wide(tape.constant(sample<double>({3, 2, 2}))), ShapeError,
      says("[odd] step gives state 'h' of shape (2, 6) after one of shape (2, 3); it must "
           "keep the shape (in odd)"));
}

namespace {

/// Ops of a user's own, named as ops of the library that are run by other means.
struct LeakyRelu {
  static constexpr auto name = "relu";
  static constexpr tapestry::Saves saves = tapestry::save_inputs;
  auto forward(const auto& x) const { return maximum(x, 0.0) + 0.1 * minimum(x, 0.0); }
  auto backward(const auto& g, const auto& x) const { return g * (0.1 + 0.9 * (x > 0.0)); }
};
struct NoisySum {
  static constexpr auto name = "add";
  static constexpr tapestry::Saves saves = tapestry::save_nothing;
  auto forward(const auto& a, const auto& b) const { return a + 2.0 * b; }
  auto backward(tapestry::Wrt<0>, const auto& g) const { return g; }
  auto backward(tapestry::Wrt<1>, const auto& g) const { return 2.0 * g; }
};

struct Namesakes {
  static constexpr auto name = "namesakes";
  static constexpr std::array gates{"h"};
  static constexpr std::array states{"h"};
  auto step(const auto& w, const auto& x, const auto& state) const {
    const auto y = tapestry::apply(NoisySum{}, w.input(x), w.hidden(state[0]));
    return std::array{tapestry::apply(LeakyRelu{}, tanh(y)).named("h")};
  }
};

/// A step that watches its gradients.
struct Hooked {
  static constexpr auto name = "hooked";
  static constexpr std::array gates{"h"};
  static constexpr std::array states{"h"};
  int* calls = nullptr;
  auto step(const auto& w, const auto& x, const auto& state) const {
    const auto y = tanh(w.input(x) + w.hidden(state[0]));
    y.register_hook([calls = calls](const auto&) { ++*calls; });
    return std::array{y * 2.0};
  }
};

}  // namespace

// An op is known by what it is, and not by its name.
BOOST_AUTO_TEST_CASE(ops_of_the_same_name_are_not_taken_for_those_of_the_library) {
  Recurrent<Namesakes, double> layer({.input_size = 3, .hidden_size = 5});
  expect_fused_is_steps(layer, "namesakes", bound, sample<double>({4, 3, 3}));
}

BOOST_AUTO_TEST_CASE(hooks_of_a_step_are_called) {
  int calls = 0;
  Recurrent<Hooked, double> layer({.input_size = 2, .hidden_size = 3}, Hooked{&calls});
  BOOST_TEST(layer.why_not_fused().find("hook") != std::string::npos, layer.why_not_fused());
  Tape<double> tape;
  sum(layer(tape.variable(sample<double>({4, 1, 2}))).output).backward();
  BOOST_TEST(calls == 4);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(allocate_nothing_in_a_steady_step, Cell, Cells) {
  Recurrent<Cell, float> layer({.input_size = 3, .hidden_size = 9, .num_layers = 2});
  const Array<float> input = sample<float>({6, 4, 3});
  Tape<float> tape;
  const auto all = parameters(layer);
  const auto step = [&] {
    tape.clear();
    for (auto* p : all) p->zero_grad();
    sum(square(layer(tape.constant(input)).output)).backward();
  };
  for (int i = 0; i < 3; ++i) step();
  const std::size_t before = allocations();
  step();
  const std::size_t allocated = allocations() - before;
  BOOST_TEST(allocated == 0u, Cell::name << ": " << allocated);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(give_the_same_bits_with_any_number_of_threads, Cell, Cells) {
  Recurrent<Cell, double> layer({.input_size = 40, .hidden_size = 64});
  const Array<double> x = sample<double>({12, 40, 40});
  std::vector<Array<double>> first;
  for (const int threads : {1, 2, 3}) {
    tapestry::set_num_threads(threads);
    const auto all = results(layer, false, x);
    if (first.empty()) first = all;
    for (std::size_t i = 0; i < all.size(); ++i) BOOST_TEST((all[i] == first[i]));
  }
  tapestry::set_num_threads(1);
}

namespace {

/// A layer of one's own that is no cell.
struct Scaled {
  Parameter<double> scale{Array<double>{2.0}, "scale"};
  Variable<double> operator()(const Variable<double>& x) { return x * watch(x, scale); }
};

}  // namespace

BOOST_AUTO_TEST_CASE(layers_need_no_tape_as_an_argument) {
  Scaled scaled;
  Tape<double> tape;
  const auto x = tape.variable(Array<double>{1.0, 3.0});
  BOOST_TEST(&x.tape() == &tape);
  sum(scaled(x)).backward();
  BOOST_TEST(scaled.scale.grad()(0) == 4.0);
  Variable<double> orphan;
  {
    Tape<double> gone;
    orphan = gone.variable(Array<double>{1.0});
  }
  BOOST_CHECK_THROW((void)orphan.tape(), tapestry::StaleVariable);
}
