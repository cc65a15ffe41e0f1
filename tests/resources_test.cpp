// SPDX-License-Identifier: MIT
// Memory and time that must not grow: names, scopes, values that nobody needs; and sizes that no
// machine has.
#define BOOST_TEST_MODULE resources
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tapestry/tapestry.hpp"

namespace tapestry::test {
namespace {

using layers::CellState;

double seconds(const auto& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Names and scopes -------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(naming_takes_the_same_time_however_many_names_there_are) {
  Tape<> tape;
  const auto x = tape.constant(1.0F);
  const auto name = [&](int first, int last) {
    for (int i = first; i < last; ++i) static_cast<void>(x.named("step " + std::to_string(i)));
  };
  const double few = seconds([&] { name(0, 20000); });
  const double many = seconds([&] { name(20000, 220000); });
  BOOST_TEST(many < 60 * few + 1);  // ten times as many; a hundred times if it were quadratic
}

BOOST_AUTO_TEST_CASE(clear_and_rewind_give_names_and_scopes_back) {
  Tape<> tape;
  const detail::TapeState<float>& state = tape.state();
  const auto outer = tape.scope("outer");
  static_cast<void>(tape.constant(1.0F).named("first"));
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 50000; ++i) {
      const auto scope = tape.step(static_cast<std::size_t>(i + round));
      static_cast<void>(tape.constant(1.0F).named("value " + std::to_string(50000 * round + i)));
    }
    BOOST_TEST(state.names.size() > 50000u);
    tape.clear();
    BOOST_TEST(state.names.size() < 10u);
    BOOST_TEST(state.scopes.size() < 10u);
    BOOST_TEST(state.names.end() < 10u);
  }
  const auto kept = tape.constant(1.0F).named("kept");
  const auto mark = tape.mark();
  for (int i = 0; i < 100000; ++i) {
    static_cast<void>(tape.constant(1.0F).named("value " + std::to_string(i)));
    tape.rewind(mark);
  }
  BOOST_TEST(state.names.size() < 20000u);
  BOOST_TEST(kept.name() == "kept");
  const std::string place = state.place();
  BOOST_TEST(place == "outer");
  static_cast<void>(kept.named("value 99999"));
  BOOST_TEST(kept.name() == "value 99999");
}

BOOST_AUTO_TEST_CASE(scopes_may_be_nested_as_deep_as_one_likes) {
  constexpr std::size_t depth = 50000;
  Tape<> tape;
  tape.set_primitive(true);
  std::vector<std::optional<Scope<float>>> scopes(depth);
  for (std::size_t i = 0; i < depth; ++i)
    scopes[i].emplace(tape.state(), "part", ScopeKind::module, static_cast<std::int64_t>(i));
  const auto x = tape.variable({1.0F, 2.0F}, "x");
  const auto y = sum(square(x));
  tape.set_primitive(false);
  layers::Linear<> linear(2, 2);
  const auto z = sum(linear(x)) + y;
  z.backward();
  const std::string dot = to_dot(z);
  BOOST_TEST(dot.size() < 100000u);
  BOOST_TEST(dot.find("deep") != std::string::npos);
  BOOST_TEST(to_dot(z, {.expand = Expand::all}).size() < 100000u);
  try {
    static_cast<void>(x + tape.constant({1.0F, 2.0F, 3.0F}));
    BOOST_TEST(false);
  } catch (const ShapeError& error) {
    BOOST_TEST(std::string(error.what()).size() < 2000u);
  }
  BOOST_TEST(!memory_report(tape).by_scope.empty());
  BOOST_TEST(paths(x, z).count() > PathCount(0));
  while (!scopes.empty()) scopes.pop_back();
}

// Values that are not recorded -------------------------------------------------------------------

/// Repeats `step` without recording; the tape must not grow after the first rounds.
template <class T, class Step>
void check_constant(Tape<T>& tape, const Step& step) {
  const auto off = tape.no_grad();
  for (int i = 0; i < 10; ++i) step();
  const std::size_t size = tape.size();
  const std::size_t used = tape.memory_used();
  const std::size_t reserved = tape.memory_reserved();
  for (int i = 0; i < 1000; ++i) step();
  BOOST_TEST(tape.size() == size);
  BOOST_TEST(tape.memory_used() == used);
  BOOST_TEST(tape.memory_reserved() == reserved);
}

BOOST_AUTO_TEST_CASE(cells_run_on_without_end_when_nothing_is_recorded) {
  Tape<> tape;
  const auto x = tape.constant(xt::ones<float>({2, 3}));
  const Array<> input = xt::ones<float>({2, 3});
  layers::LSTMCell<> lstm({.input_size = 3, .hidden_size = 4});
  layers::GRUCell<> gru({.input_size = 3, .hidden_size = 4});
  layers::RNNCell<> rnn({.input_size = 3, .hidden_size = 4, .layer_norm = true});
  {
    CellState<float> state = lstm(x);
    check_constant(tape, [&] { state = lstm(tape.constant(input), state); });
  }
  Variable<> h = gru(x);
  check_constant(tape, [&] { h = gru(x, h); });
  Variable<> r = rnn(x);
  check_constant(tape, [&] { r = rnn(x, r); });
}

BOOST_AUTO_TEST_CASE(layers_run_on_without_end_when_nothing_is_recorded) {
  for (const bool primitive : {false, true}) {
    Tape<> tape;
    tape.set_primitive(primitive);
    const Array<> input = xt::ones<float>({2, 1, 3});
    const Indices targets = xt::zeros<std::int64_t>({2, 1});
    layers::LSTM<> lstm({.input_size = 3, .hidden_size = 4, .num_layers = 2});
    layers::GRU<> gru({.input_size = 4, .hidden_size = 2, .bidirectional = true});
    layers::Linear<> linear(4, 5);
    layers::LayerNorm<> norm(5);
    layers::Embedding<> embedding(5, 3);
    std::optional<CellState<float>> state;
    check_constant(tape, [&] {
      const auto result = state ? lstm(tape.constant(input), *state) : lstm(tape.constant(input));
      state = result.state;
      const auto y = norm(linear(gru(result.output).output));
      const auto loss = softmax_cross_entropy(y, targets, {.weight = xt::ones<float>({5})});
      static_cast<void>(loss.item());
      static_cast<void>(embedding(tape, argmax(y, -1)));
      static_cast<void>(split(reshape(y, {2, 5}), 5, 1));
      static_cast<void>(stop_gradient(transpose(y, {1, 0, 2})) + take(y, Indices{1}, 0));
    });
  }
}

BOOST_AUTO_TEST_CASE(memory_comes_back_whether_the_tape_is_cleared_or_not) {
  Tape<double> tape;
  Parameter<double> p(xt::ones<double>({100, 100}), "p");
  const auto fixed = tape.variable(xt::ones<double>({100, 100}), "fixed");
  const auto recorded = sum(square(fixed));
  Variable<double> h = fixed;
  check_constant(tape, [&] {
    h = tanh(matmul(h, tape.watch(p)));
    const auto same = reshape(reshape(tape.watch(p), {10000}), {100, 100});
    h = h + same.detach() * reshape(h, {100, 100});
  });
  recorded.backward();
  BOOST_TEST(fixed.grad()(0, 0) == 2.0);
  tape.clear();
  check_constant(tape, [&] {
    tape.clear();
    Variable<double> v = tape.constant(xt::ones<double>({100}));
    for (int i = 0; i < 5; ++i) v = exp(-v);
  });
}

BOOST_AUTO_TEST_CASE(values_that_are_referred_to_stay) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  Variable<double> view, copy, kept;
  {
    const auto off = tape.no_grad();
    const auto base = exp(tape.constant({0.0, 0.0, 0.0, 0.0}));
    view = slice(reshape(base, {4}), 0, 2, 4);
    copy = view.detach();
    kept = square(x);
    for (int i = 0; i < 20; ++i) static_cast<void>(exp(tape.constant({5.0, 5.0, 5.0, 5.0})));
  }
  const auto y = sum(x * kept * copy);
  const Variable<double> none;
  view = copy = kept = none;
  {
    const auto off = tape.no_grad();
    for (int i = 0; i < 20; ++i) static_cast<void>(exp(tape.constant({5.0, 5.0})));
  }
  y.backward();
  BOOST_TEST(x.grad()(0) == 1.0);
  BOOST_TEST(x.grad()(1) == 4.0);
}

BOOST_AUTO_TEST_CASE(rewinding_and_not_recording_go_together) {
  Tape<double> tape;
  const auto off = tape.no_grad();
  const auto x = tape.constant({1.0, 2.0});
  { const auto gone = exp(x); }
  const auto before = x + 1.0;
  { const auto gone = exp(x); }
  const auto mark = tape.mark();
  Variable<double> after = x * 2.0;
  const auto view = reshape(after, {2, 1});
  for (int i = 0; i < 5; ++i) after = after + before;
  tape.rewind(mark);
  BOOST_TEST(!after.valid());
  BOOST_TEST(!view.valid());
  BOOST_TEST(before.value()(1) == 3.0);
  check_constant(tape, [&] {
    const auto y = exp(before) * x;
    tape.rewind(mark);
    BOOST_TEST(!y.valid());
  });
}

BOOST_AUTO_TEST_CASE(a_call_that_fails_takes_no_places_with_it) {
  Tape<float> tape;
  layers::RNN<> fails(
      {.input_size = 2, .hidden_size = 3, .activation = [](const Variable<>& x) -> Variable<> {
         throw ArgumentError("activation", x.name());
       }});
  const Array<> input = xt::ones<float>({2, 1, 2});
  check_constant(tape, [&] {
    const auto x = tape.constant(input);
    BOOST_CHECK_THROW(static_cast<void>(fails(x)), ArgumentError);
    BOOST_CHECK_THROW(static_cast<void>(x + tape.constant({1.0F, 2.0F, 3.0F})), ShapeError);
    BOOST_TEST(x.value()(0, 0, 0) == 1.0F);
  });
  Variable<> leaked;
  layers::RNN<> leaks(
      {.input_size = 2, .hidden_size = 3, .activation = [&](const Variable<>& x) -> Variable<> {
         leaked = reshape(exp(x), {3});
         throw ArgumentError("activation", "no");
       }});
  const auto off = tape.no_grad();
  const auto x = tape.constant(input);
  for (int i = 0; i < 3; ++i) {
    BOOST_CHECK_THROW(static_cast<void>(leaks(x)), ArgumentError);
    const auto other = exp(x);
    if (leaked.valid()) static_cast<void>(leaked.value()(0));
  }
}

BOOST_AUTO_TEST_CASE(results_are_the_same_with_and_without_recording) {
  layers::LSTM<double> lstm({.input_size = 3, .hidden_size = 4, .layer_norm = true});
  Tape<double> tape;
  const auto x = tape.constant(xt::ones<double>({6, 2, 3}));
  tape.set_primitive(true);  // gates of a fused call are read from its record
  const auto recorded = lstm(x);
  const auto off = tape.no_grad();
  for (int i = 0; i < 3; ++i) {
    const auto again = lstm(x);
    BOOST_TEST((recorded.output.value() == again.output.value()));
    BOOST_TEST((recorded.gate("f") == again.gate("f")));
  }
}

// Sizes ------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(sizes_that_no_machine_has_are_refused) {
  constexpr std::size_t huge = std::size_t{1} << 61;
  BOOST_CHECK_THROW(layers::Embedding<>(huge + 1, 8), Error);
  BOOST_CHECK_THROW(layers::Embedding<>(8, huge + 1), Error);
  BOOST_CHECK_THROW(layers::Linear<>(huge + 1, 8), Error);
  BOOST_CHECK_THROW(layers::Linear<>(std::size_t{1} << 40, std::size_t{1} << 40), Error);
  BOOST_CHECK_THROW(layers::LayerNorm<>{huge}, Error);
  for (const std::size_t size :
       {huge, huge << 1, huge + 1, ~std::size_t{0}, std::size_t{1} << 40}) {
    BOOST_CHECK_THROW(layers::LSTM<>({.input_size = 3, .hidden_size = size}), Error);
    BOOST_CHECK_THROW(layers::GRU<>({.input_size = 3, .hidden_size = size}), Error);
    BOOST_CHECK_THROW(layers::RNN<>({.input_size = 3, .hidden_size = size}), Error);
    BOOST_CHECK_THROW(layers::LSTMCell<>({.input_size = 3, .hidden_size = size}), Error);
    BOOST_CHECK_THROW(layers::RNNCell<>({.input_size = size, .hidden_size = size}), Error);
    BOOST_CHECK_THROW(layers::GRUCell<>({.input_size = size, .hidden_size = size}), Error);
    BOOST_CHECK_THROW(
        layers::LSTM<>({.input_size = size, .hidden_size = size, .bidirectional = true}), Error);
  }
  BOOST_CHECK_THROW(
      layers::LSTM<>({.input_size = 3, .hidden_size = 2, .num_layers = ~std::size_t{0}}), Error);
  BOOST_CHECK_THROW(layers::RNN<>({.input_size = 3, .hidden_size = 2, .output_size = huge}), Error);
  BOOST_CHECK_THROW(static_cast<void>(layers::uniform<float>({huge + 1, 8}, 1)), ShapeError);
  BOOST_CHECK_THROW(static_cast<void>(layers::constant<float>({huge, 8}, 1)), ShapeError);
}

BOOST_AUTO_TEST_CASE(ops_refuse_sizes_that_no_machine_has) {
  constexpr std::size_t huge = std::size_t{1} << 61;
  Tape<> tape;
  const auto x = tape.variable(xt::ones<float>({8}), "x");
  const auto scalar = tape.variable(1.0F);
  BOOST_CHECK_THROW(static_cast<void>(reshape(x, {huge + 1, 8})), ShapeError);
  BOOST_CHECK_THROW(static_cast<void>(reshape(x, {huge + 1, 8, rest})), ShapeError);
  BOOST_CHECK_THROW(static_cast<void>(broadcast_to(scalar, {huge + 1, 8})), ShapeError);
  BOOST_CHECK_THROW(static_cast<void>(repeat(x, std::int64_t{1} << 61, 0)), ShapeError);
  BOOST_CHECK_THROW(static_cast<void>(tile(x, {huge, 8})), ShapeError);
  BOOST_CHECK_THROW(static_cast<void>(one_hot(tape, Indices{0, 1}, std::int64_t{1} << 62)),
                    ShapeError);
  BOOST_CHECK_THROW(static_cast<void>(pad(x, {{std::int64_t{1} << 62, std::int64_t{1} << 62}})),
                    ShapeError);
  BOOST_TEST(tape.size() == 2u);
}

// Checks -----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(gradcheck_says_that_a_function_is_random) {
  seed(3);
  const auto random = [](const auto& x) { return sum(dropout(square(x), 0.5)); };
  const auto result = gradcheck(random, Array<double>(xt::ones<double>({6})));
  BOOST_TEST(!result.passed);
  BOOST_TEST(result.message.find("the function is random") != std::string::npos);
  const auto seeded = [](const auto& x) {
    seed(3);
    return sum(dropout(square(x), 0.5));
  };
  BOOST_TEST(gradcheck(seeded, Array<double>(xt::ones<double>({6}))).passed);
}

BOOST_AUTO_TEST_CASE(logsumexp_of_nothing_has_no_gradient) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Tape<double> tape;
  const auto x = tape.variable({{-infinity, -infinity}, {1.0, 1.0}, {-infinity, 2.0}}, "x");
  const auto y = logsumexp(x, 1);
  BOOST_TEST(y.value()(0) == -infinity);
  y.backward(xt::ones<double>({3}));
  const std::vector<double> expected{0, 0, 0.5, 0.5, 0, 1};
  const auto grad = x.grad();
  for (std::size_t i = 0; i < expected.size(); ++i) BOOST_TEST(grad.data()[i] == expected[i]);
  const auto [recorded] = gradients(sum(slice(y, 0, 1, 3)), {x}, {.differentiable = true});
  BOOST_TEST(recorded.value()(0, 0) == 0.0);
  BOOST_TEST(recorded.value()(1, 0) == 0.5);
}

}  // namespace
}  // namespace tapestry::test
