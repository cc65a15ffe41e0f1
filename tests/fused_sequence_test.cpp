// SPDX-License-Identifier: MIT
// The fused recurrent layers against their definitions in primitive ops.
#define BOOST_TEST_MODULE fused_sequence
#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "allocations.hpp"
#include "fused/step_kernels.hpp"
#include "layer_checks.hpp"
#include "recurrent_program.hpp"
#include "tapestry/autodiff.hpp"

using namespace tapestry::layers;
using namespace tapestry::test;
using tapestry::Array;
using tapestry::Generator;
using tapestry::gradcheck;
using tapestry::Shape;
using tapestry::ShapeError;
using tapestry::StaleVariable;
using tapestry::sum;
using tapestry::Tape;
using tapestry::Variable;

namespace {

using Types = std::tuple<float, double>;

enum class Kind { lstm, gru, rnn_tanh, rnn_relu, rnn_sigmoid, rnn_identity };
constexpr std::array kinds{Kind::lstm,     Kind::gru,         Kind::rnn_tanh,
                           Kind::rnn_relu, Kind::rnn_sigmoid, Kind::rnn_identity};
constexpr std::array<const char*, 6> kind_names{"lstm",     "gru",         "rnn tanh",
                                                "rnn relu", "rnn sigmoid", "rnn identity"};

struct Config {
  Kind kind = Kind::lstm;
  std::size_t steps = 3;
  std::size_t batch = 2;
  std::size_t inputs = 3;
  std::size_t units = 4;
  bool bias = true;
  bool initial = true;
  bool reverse = false;

  [[nodiscard]] std::size_t gates() const {
    return kind == Kind::lstm ? 4 : kind == Kind::gru ? 3 : 1;
  }
  [[nodiscard]] std::size_t states() const { return kind == Kind::lstm ? 2 : 1; }
  [[nodiscard]] std::string text() const {
    return std::string(kind_names[static_cast<std::size_t>(kind)]) + " T=" + std::to_string(steps) +
           " B=" + std::to_string(batch) + " I=" + std::to_string(inputs) +
           " H=" + std::to_string(units) + (bias ? " bias" : "") + (initial ? " initial" : "") +
           (reverse ? " reverse" : "");
  }
};

template <class T>
Array<T> random_array(const Shape& shape, Generator& generator, double bound) {
  Array<T> array;
  array.resize(std::vector<std::size_t>(shape.begin(), shape.end()));
  std::generate_n(array.data(), array.size(),
                  [&] { return static_cast<T>(generator.uniform(-bound, bound)); });
  return array;
}

/// x, w_ih, w_hh, biases and initial state, as far as there are.
template <class T>
std::vector<Array<T>> operands_of(const Config& c, std::uint64_t seed) {
  Generator generator(seed);
  const std::size_t rows = c.gates() * c.units;
  std::vector<Shape> shapes{{c.steps, c.batch, c.inputs}, {rows, c.inputs}, {rows, c.units}};
  if (c.bias) shapes.insert(shapes.end(), 2, Shape{rows});
  if (c.initial) shapes.insert(shapes.end(), c.states(), Shape{c.batch, c.units});
  std::vector<Array<T>> arrays;
  for (const Shape& shape : shapes) arrays.push_back(random_array<T>(shape, generator, 0.8));
  return arrays;
}

template <class T>
std::shared_ptr<const StepProgram<T>> make_program(const Config& c) {
  if (c.kind == Kind::lstm)
    return program_of<cells::LSTM, T>(
        LSTMOptions{.input_size = c.inputs, .hidden_size = c.units, .bias = c.bias});
  if (c.kind == Kind::gru)
    return program_of<cells::GRU, T>(
        GRUOptions{.input_size = c.inputs, .hidden_size = c.units, .bias = c.bias});
  const Activation activation = c.kind == Kind::rnn_tanh      ? Activation::tanh
                                : c.kind == Kind::rnn_relu    ? Activation::relu
                                : c.kind == Kind::rnn_sigmoid ? Activation::sigmoid
                                                              : Activation::identity;
  return program_of<cells::RNN<T>, T>(RNNOptions<T>{
      .input_size = c.inputs, .hidden_size = c.units, .activation = activation, .bias = c.bias});
}

/// The outputs of the layer, whose program is made once.
template <class T>
std::array<Variable<T>, 3> run(const Config& c, std::span<const Variable<T>> in) {
  static std::map<std::array<std::size_t, 4>, std::shared_ptr<const StepProgram<T>>> programs;
  auto& program = programs[{static_cast<std::size_t>(c.kind), c.inputs, c.units, c.bias ? 1U : 0U}];
  if (!program) program = make_program<T>(c);
  return run_program(program, in, c.reverse);
}

/// A number that depends on the outputs whose bit is set in `used`, and on all operands.
template <class T>
Variable<T> loss_of(const Config& c, std::span<const Variable<T>> in, unsigned used) {
  const auto outputs = run(c, in);
  Variable<T> loss = sum(in[0]) * T(0.5);
  for (const Variable<T>& v : in) loss = loss + sum(v * v) * T(0.125);
  for (std::size_t j = 0; j < 1 + c.states(); ++j)
    if ((used >> j & 1) != 0)
      loss = loss + sum(outputs[j] * outputs[j] * T(0.75) + outputs[j] * (T(1.25) + T(j)));
  return loss;
}

/// Outputs, then the gradients by the operands whose bit is set in `wanted`.
template <class T>
std::vector<Array<T>> results(const Config& c, const std::vector<Array<T>>& operands,
                              bool primitive, unsigned used, unsigned wanted) {
  Tape<T> tape;
  tape.set_primitive(primitive);
  std::vector<Variable<T>> in;
  for (std::size_t i = 0; i < operands.size(); ++i)
    in.push_back((wanted >> i & 1) != 0 ? tape.variable(operands[i]) : tape.constant(operands[i]));
  std::vector<Array<T>> all;
  const auto outputs = run<T>(c, in);
  for (std::size_t j = 0; j < 1 + c.states(); ++j) all.push_back(outputs[j].value());
  loss_of<T>(c, in, used).backward();
  for (std::size_t i = 0; i < in.size(); ++i)
    if ((wanted >> i & 1) != 0) all.push_back(in[i].grad());
  return all;
}

Config random_config(Generator& generator) {
  const auto pick = [&](std::initializer_list<std::size_t> choices) {
    return choices.begin()[static_cast<std::size_t>(
        generator.uniform(0, static_cast<double>(choices.size())))];
  };
  Config c;
  c.kind = kinds[pick({0, 1, 2, 3, 4})];
  c.steps = pick({0, 1, 1, 2, 3, 5, 8});
  c.batch = pick({0, 1, 1, 2, 3, 7});
  c.inputs = pick({1, 2, 5, 9});
  c.units = pick({1, 2, 3, 5, 7, 8, 9, 13, 16, 19, 33});
  c.bias = pick({0, 1, 1}) == 1;
  c.initial = pick({0, 1}) == 1;
  c.reverse = pick({0, 1}) == 1;
  return c;
}

template <class T>
void expect_equal_to_expansion(const Config& c, std::uint64_t seed, unsigned used,
                               unsigned wanted) {
  const double bound = std::is_same_v<T, float> ? 1e-5 : 1e-12;
  const auto operands = operands_of<T>(c, seed);
  const auto fused = results<T>(c, operands, false, used, wanted);
  const auto expanded = results<T>(c, operands, true, used, wanted);
  BOOST_REQUIRE(fused.size() == expanded.size());
  for (std::size_t i = 0; i < fused.size(); ++i) {
    BOOST_REQUIRE(Shape(fused[i].shape()) == Shape(expanded[i].shape()));
    const double off = fused[i].size() == 0 ? 0 : relative_difference(fused[i], expanded[i]);
    BOOST_TEST(off < bound, c.text() << ": result " << i << " differs by " << off);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(equal_to_the_expansion, T, Types) {
  Generator generator(7);
  for (std::uint64_t i = 0; i < 120; ++i) {
    const Config c = random_config(generator);
    const auto used = static_cast<unsigned>(generator.uniform(0, 8));
    const unsigned one_of_three = 1U << i % 3;  // or nothing might depend on an operand
    const auto wanted = one_of_three | static_cast<unsigned>(generator.uniform(0, 128));
    expect_equal_to_expansion<T>(c, i, used, i % 2 == 0 ? ~0U : wanted);
  }
}

// The sizes of a real layer, where the kernels' long loops and the products' blocks come in.
BOOST_AUTO_TEST_CASE_TEMPLATE(equal_at_larger_sizes, T, Types) {
  for (const Kind kind : kinds) {
    if (kind == Kind::rnn_identity || kind == Kind::rnn_relu) continue;  // grow without bound
    Config c{.kind = kind, .steps = 12, .batch = 20, .inputs = 30, .units = 50};
    auto operands = operands_of<T>(c, 3);
    for (std::size_t i = 1; i < 3; ++i)
      for (T& weight : operands[i]) weight /= 5;
    const auto fused = results<T>(c, operands, false, 7, ~0U);
    const auto expanded = results<T>(c, operands, true, 7, ~0U);
    for (std::size_t i = 0; i < fused.size(); ++i)
      BOOST_TEST(
          relative_difference(fused[i], expanded[i]) < (std::is_same_v<T, float> ? 1e-5 : 1e-12),
          c.text() << ": result " << i);
  }
}

BOOST_AUTO_TEST_CASE(gradients_of_the_first_and_second_order) {
  for (const Kind kind : kinds)
    for (const bool reverse : {false, true}) {
      if (kind == Kind::rnn_relu) continue;  // has kinks
      const Config c{
          .kind = kind, .steps = 3, .batch = 2, .inputs = 2, .units = 3, .reverse = reverse};
      const auto f = [&](std::span<const Variable<double>> in) {
        const auto outputs = run(c, in);
        auto y = sum(outputs[0] * outputs[0]) + sum(outputs[1]);
        if (kind == Kind::lstm) y = y + sum(outputs[2] * outputs[1]);
        return y;
      };
      const auto result = gradcheck(f, operands_of<double>(c, 5), {.second_order = true});
      BOOST_TEST(result.passed, c.text() << ": " << result.message);
    }
}

BOOST_AUTO_TEST_CASE(one_node_or_its_definition) {
  for (const Kind kind : kinds) {
    const Config c{.kind = kind};
    const auto operands = operands_of<double>(c, 1);
    for (const bool primitive : {false, true}) {
      Tape<double> tape;
      tape.set_primitive(primitive);
      std::vector<Variable<double>> in;
      for (const auto& operand : operands) in.push_back(tape.variable(operand));
      run<double>(c, in);
      BOOST_TEST((tape.state().nodes.size() == 1) != primitive);
    }
  }
}

BOOST_AUTO_TEST_CASE(backward_twice_adds_up) {
  for (const Kind kind : kinds) {
    const Config c{.kind = kind, .steps = 4};
    Tape<double> tape;
    std::vector<Variable<double>> in;
    for (const auto& operand : operands_of<double>(c, 1)) in.push_back(tape.variable(operand));
    const auto loss = loss_of<double>(c, in, 7);
    loss.backward();
    const Array<double> once = in[2].grad();
    loss.backward();
    BOOST_TEST(relative_difference(in[2].grad(), Array<double>(2 * once)) < 1e-15);
  }
}

// A number's result must not depend on which sequences share its batch.
BOOST_AUTO_TEST_CASE(sequences_of_a_batch_do_not_meet) {
  for (const Kind kind : kinds) {
    const Config c{.kind = kind, .steps = 4, .batch = 3, .units = 5};
    auto operands = operands_of<double>(c, 1);
    const Array<double> before = results<double>(c, operands, false, 1, 1)[0];
    for (std::size_t t = 0; t < c.steps; ++t) operands[0](t, 1, 0) = std::nan("");
    const Array<double> after = results<double>(c, operands, false, 1, 1)[0];
    for (std::size_t t = 0; t < c.steps; ++t)
      for (std::size_t k = 0; k < c.units; ++k) {
        BOOST_TEST(after(t, 0, k) == before(t, 0, k));
        BOOST_TEST(after(t, 2, k) == before(t, 2, k));
        BOOST_TEST(std::isnan(after(t, 1, k)));
      }
  }
}

BOOST_AUTO_TEST_CASE(architectures_agree) {
  using tapestry::detail::Architecture;
  constexpr std::size_t rows = 3, n = 21;
  constexpr auto count = static_cast<std::size_t>(StepKernel::count);
  const auto results_of = [&](Architecture architecture, std::size_t kernel, bool repeats) {
    Generator generator(5);
    const auto make = [&] { return random_array<float>({rows, n}, generator, 4); };
    Array<float> a = make(), b = make(), y = make(), g = make(), d_a = make(), d_b = make();
    Array<float> sums = make();
    const auto rows_of = [&](Array<float>& m) { return StepRows<float>{m.data(), n}; };
    const bool two = kernel <= static_cast<std::size_t>(StepKernel::multiply);
    const auto& kernels = step_kernels<float>(architecture);
    const StepForward<float> call{
        rows,       n,
        rows_of(a), !two ? StepRows<float>{} : StepRows<float>{b.data(), repeats ? 0 : n},
        repeats,    0.75F,
        0.5F,       rows_of(y)};
    (*kernels.forward[kernel])(call);
    (*kernels.backward[kernel])(
        {call, rows_of(g), rows_of(d_a), false, two ? rows_of(d_b) : StepRows<float>{}, !repeats});
    kernels.column_sums({rows, n, g.data(), n, sums.data(), false});
    return std::array{y, d_a, d_b, sums};
  };
  for (std::size_t kernel = 0; kernel < count; ++kernel)
    for (const bool repeats : {false, true}) {
      if (repeats && kernel > static_cast<std::size_t>(StepKernel::multiply)) continue;
      const auto baseline = results_of(Architecture::baseline, kernel, repeats);
      for (const Architecture other : {Architecture::avx2, Architecture::avx512}) {
        if (!runs(other)) continue;
        const auto results = results_of(other, kernel, repeats);
        for (std::size_t i = 0; i < baseline.size(); ++i)
          BOOST_TEST(relative_difference(results[i], baseline[i]) < 1e-5,
                     "kernel " << kernel << ", result " << i);
      }
    }
}

BOOST_AUTO_TEST_CASE(refused_operands_leave_the_tape_as_it_was) {
  for (const Kind kind : kinds)
    for (const bool primitive : {false, true}) {
      const Config c{.kind = kind};
      const auto operands = operands_of<double>(c, 1);
      for (std::size_t wrong = 0; wrong < operands.size(); ++wrong) {
        Tape<double> tape;
        tape.set_primitive(primitive);
        std::vector<Variable<double>> in;
        for (std::size_t i = 0; i < operands.size(); ++i)
          in.push_back(tape.variable(i == wrong ? sample<double>({5, 7}) : operands[i]));
        const std::size_t size = tape.size();
        BOOST_CHECK_THROW(run<double>(c, in), ShapeError);
        BOOST_TEST(tape.size() == size);
      }
      Tape<double> tape;
      Tape<double> other;
      std::vector<Variable<double>> in;
      for (const auto& operand : operands) in.push_back(tape.variable(operand));
      in.back() = other.variable(operands.back());
      BOOST_CHECK_THROW(run<double>(c, in), StaleVariable);
    }
}

BOOST_AUTO_TEST_CASE(a_steady_step_allocates_nothing) {
  for (const Kind kind : kinds) {
    const Config c{.kind = kind, .steps = 6, .batch = 4, .units = 9};
    const auto operands = operands_of<float>(c, 1);
    Tape<float> tape;
    std::array<Variable<float>, 7> in;
    const auto step = [&] {
      tape.clear();
      for (std::size_t i = 0; i < operands.size(); ++i) in[i] = tape.variable(operands[i]);
      const auto outputs = run<float>(c, {in.data(), operands.size()});
      sum(outputs[0] * outputs[0]).backward();
    };
    for (int i = 0; i < 3; ++i) step();
    const std::size_t before = allocations();
    step();
    const std::size_t allocated = allocations() - before;
    BOOST_TEST(allocated == 0u, c.text() << ": " << allocated);
  }
}

BOOST_AUTO_TEST_CASE(streaming_allocates_and_keeps_nothing) {
  for (const Kind kind : kinds) {
    const Config c{.kind = kind, .steps = 1, .batch = 1, .units = 9};
    const auto operands = operands_of<float>(c, 1);
    Tape<float> tape;
    const auto off = tape.no_grad();
    std::array<Variable<float>, 7> in;
    const auto step = [&] {
      tape.clear();
      for (std::size_t i = 0; i < operands.size(); ++i) in[i] = tape.constant(operands[i]);
      run<float>(c, {in.data(), operands.size()});
    };
    for (int i = 0; i < 3; ++i) step();
    const std::size_t before = allocations();
    const std::size_t peak = tape.memory_peak();
    for (int i = 0; i < 10; ++i) step();
    const std::size_t allocated = allocations() - before;
    BOOST_TEST(allocated == 0u, c.text() << ": " << allocated);
    BOOST_TEST(tape.memory_peak() == peak);
    BOOST_TEST(tape.state().nodes.empty());
  }
}

namespace {

/// The output, and the gradients by the weights alone of a sum that depends on the output alone.
template <class T>
std::vector<Array<T>> of_constant_input(const Config& c, const std::vector<Array<T>>& operands,
                                        bool primitive) {
  Tape<T> tape;
  tape.set_primitive(primitive);
  std::vector<Variable<T>> in{tape.constant(operands[0])};
  for (std::size_t i = 1; i < operands.size(); ++i) in.push_back(tape.variable(operands[i]));
  const auto output = run<T>(c, in)[0];
  std::vector<Array<T>> all{output.value()};
  sum(output * output * T(0.75) + output).backward();
  for (std::size_t i = 1; i < in.size(); ++i) all.push_back(in[i].grad());
  return all;
}

template <class T>
Array<T> one_hot_rows(const Config& c, Generator& generator) {
  Array<T> x = random_array<T>({c.steps, c.batch, c.inputs}, generator, 1);
  x.fill(T{0});
  for (std::size_t row = 0; row < c.steps * c.batch; ++row)
    x.data()[row * c.inputs + generator.below(c.inputs)] = T{1};
  return x;
}

}  // namespace

// The last row decides whether all are one-hot: as it is, with another number, with none, with two.
BOOST_AUTO_TEST_CASE_TEMPLATE(one_hot_inputs_are_looked_up, T, Types) {
  const double bound = std::is_same_v<T, float> ? 1e-5 : 1e-12;
  Generator generator(11);
  for (const Kind kind : kinds)
    for (const std::size_t units : {1, 9, 20})
      for (const int last : {0, 1, 2, 3}) {
        const Config c{.kind = kind,
                       .steps = 4,
                       .batch = 5,
                       .inputs = 6,
                       .units = units,
                       .reverse = units == 9};
        auto operands = operands_of<T>(c, units);
        operands[0] = one_hot_rows<T>(c, generator);
        T* row = operands[0].data() + operands[0].size() - c.inputs;
        if (last == 2) std::fill_n(row, c.inputs, T{0});
        if (last == 1) *std::find(row, row + c.inputs, T{1}) = T(0.5);
        if (last == 3) row[0] = row[5] = T{1};
        const auto fused = of_constant_input<T>(c, operands, false);
        const auto expanded = of_constant_input<T>(c, operands, true);
        for (std::size_t i = 0; i < fused.size(); ++i)
          BOOST_TEST(relative_difference(fused[i], expanded[i]) < bound,
                     c.text() << ", last row " << last << ": result " << i);
      }
}

// Each sequence alone, step by step, gives the bits of the whole batch at once.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_batch_may_be_cut, T, Types) {
  for (const Kind kind : kinds) {
    const Config c{.kind = kind, .steps = 6, .batch = 7, .inputs = 33, .units = 37};
    auto operands = operands_of<T>(c, 2);
    for (std::size_t i = 1; i < 3; ++i)
      for (T& weight : operands[i]) weight /= 5;
    Tape<T> tape;
    const auto off = tape.no_grad();
    std::vector<Variable<T>> in;
    for (const Array<T>& operand : operands) in.push_back(tape.constant(operand));
    const auto whole = run<T>(c, in);
    for (std::size_t b = 0; b < c.batch; ++b) {
      const auto of_sequence = [&](const Variable<T>& v, int axis) {
        return slice(v, axis, static_cast<std::int64_t>(b), static_cast<std::int64_t>(b) + 1);
      };
      std::vector<Variable<T>> alone = in;
      for (std::size_t k = 0; k < c.states(); ++k) alone[5 + k] = of_sequence(in[5 + k], 0);
      for (std::size_t t = 0; t < c.steps; ++t) {
        const auto step = static_cast<std::int64_t>(t);
        alone[0] = of_sequence(slice(in[0], 0, step, step + 1), 1);
        const auto outputs = run<T>(c, alone);
        for (std::size_t k = 0; k < c.states(); ++k) alone[5 + k] = outputs[1 + k];
        const auto expected = of_sequence(slice(whole[0], 0, step, step + 1), 1);
        BOOST_TEST(outputs[0].value() == expected.value(),
                   c.text() << ": sequence " << b << ", step " << t);
      }
    }
  }
}
