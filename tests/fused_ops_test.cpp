// SPDX-License-Identifier: MIT
// Every fused op of the library has a definition in other ops, and means the same. A fused op that
// is not in the table here fails the suite.
#define BOOST_TEST_MODULE fused_ops
#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "layer_checks.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers.hpp"

using namespace tapestry::test;
using tapestry::Array;
using tapestry::Generator;
using tapestry::Indices;
using tapestry::ParameterList;
using tapestry::Tape;
using tapestry::Variable;
using tapestry::layers::GRU;
using tapestry::layers::GRUOptions;
using tapestry::layers::Linear;
using tapestry::layers::LSTM;
using tapestry::layers::LSTMCell;
using tapestry::layers::LSTMCellOptions;
using tapestry::layers::LSTMOptions;
using tapestry::layers::RNN;
using tapestry::layers::RNNOptions;

namespace {

/// A computation in which the op occurs, of one input, and what else gradients flow into.
struct Case {
  std::vector<std::size_t> input;
  std::function<Variable<double>(const Variable<double>&)> f;
  ParameterList<double> parameters;
};

std::size_t pick(Generator& generator, std::size_t most) {
  return 1 + static_cast<std::size_t>(generator.uniform(0, static_cast<double>(most)));
}

/// A layer of random size, kept as long as its case.
template <class Layer, class Options>
Case recurrent(Generator& generator) {
  const std::size_t inputs = pick(generator, 5), units = pick(generator, 9);
  const auto layer = std::make_shared<Layer>(Options{.input_size = inputs, .hidden_size = units});
  return {{pick(generator, 6), pick(generator, 4), inputs},
          [layer](const auto& x) {
            const auto [output, state] = (*layer)(x);
            return sum(square(output)) + sum(state.h);
          },
          tapestry::parameters(*layer)};
}

Case any_recurrent(Generator& generator) {
  const auto makers = std::to_array<Case (*)(Generator&)>(
      {&recurrent<GRU<double>, GRUOptions>, &recurrent<LSTM<double>, LSTMOptions>,
       &recurrent<RNN<double>, RNNOptions<double>>});
  return makers[pick(generator, makers.size()) - 1](generator);
}

/// A cell outside the fused op, with layer norm.
Case normed(Generator& generator) {
  const std::size_t inputs = pick(generator, 5), units = 1 + pick(generator, 9);
  const auto cell = std::make_shared<LSTMCell<double>>(
      LSTMCellOptions{.input_size = inputs, .hidden_size = units, .layer_norm = true});
  return {{pick(generator, 4), inputs},
          [cell](const auto& x) { return sum(square((*cell)(x).h)); },
          tapestry::parameters(*cell)};
}

Case linear(Generator& generator) {
  const std::size_t inputs = pick(generator, 9);
  const auto layer = std::make_shared<Linear<double>>(inputs, pick(generator, 9));
  return {{pick(generator, 4), inputs},
          [layer](const auto& x) { return sum(square((*layer)(x))); },
          tapestry::parameters(*layer)};
}

Case cross_entropy(Generator& generator) {
  const std::size_t rows = pick(generator, 5), classes = 1 + pick(generator, 20);
  Indices targets = Indices::from_shape({rows});
  for (auto& target : targets) target = static_cast<std::int64_t>(pick(generator, classes) - 1);
  return {{rows, classes},
          [targets](const auto& x) { return softmax_cross_entropy(3 * x, targets); },
          {}};
}

using Make = Case (*)(Generator&);
const std::map<std::string, Make> cases{{"linear", &linear},
                                        {"recurrent_sequence", &any_recurrent},
                                        {"softmax_cross_entropy", &cross_entropy},
                                        {"standardise", &normed}};

struct Outcome {
  std::vector<Array<double>> numbers;  // value and gradients
  std::set<std::string> ops;
};

Outcome run(const Case& c, const Array<double>& input, bool primitive) {
  Tape<double> tape;
  tape.set_primitive(primitive);
  for (auto* p : c.parameters) p->zero_grad();
  const auto x = tape.variable(input);
  const auto y = c.f(x);
  y.backward();
  Outcome outcome{{y.value(), x.grad()}, {}};
  for (auto* p : c.parameters) outcome.numbers.push_back(p->grad());
  for (const auto& node : tape.state().nodes) outcome.ops.emplace(node.info->name);
  return outcome;
}

Array<double> random_array(const std::vector<std::size_t>& shape, Generator& generator) {
  Array<double> array = Array<double>::from_shape(shape);
  for (double& x : array) x = generator.uniform(-1, 1);
  return array;
}

}  // namespace

BOOST_AUTO_TEST_CASE(are_all_in_the_table) {
  std::set<std::string> fused, listed;
  for (const auto& op : tapestry::registered_ops())
    if (op.fused) fused.insert(op.name);
  for (const auto& [name, make] : cases) listed.insert(name);
  BOOST_TEST(fused == listed, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(mean_what_their_definitions_say) {
  Generator generator(4);
  for (const auto& [name, make] : cases)
    for (int i = 0; i < 50; ++i) {
      const Case c = make(generator);
      const Array<double> input = random_array(c.input, generator);
      const Outcome fused = run(c, input, false), primitive = run(c, input, true);
      BOOST_REQUIRE(fused.ops.contains(name));
      BOOST_REQUIRE(!primitive.ops.contains(name));
      for (std::size_t k = 0; k < fused.numbers.size(); ++k)
        BOOST_TEST(relative_difference(fused.numbers[k], primitive.numbers[k]) < 1e-11,
                   name << ": result " << k << " differs by "
                        << relative_difference(fused.numbers[k], primitive.numbers[k]));
    }
}

BOOST_AUTO_TEST_CASE(can_be_looked_into) {
  Generator generator(5);
  for (const auto& [name, make] : cases) {
    const Case c = make(generator);
    Tape<double> tape;
    const auto y = c.f(tape.variable(random_array(c.input, generator)));
    const auto holds = [&](tapestry::Expand expand) {
      const auto graph = snapshot(y, {.expand = expand});
      return std::ranges::any_of(graph.nodes(), [&](const auto& n) { return n.op == name; });
    };
    BOOST_TEST(holds(tapestry::Expand::none), name);
    BOOST_TEST(!holds(tapestry::Expand::all), name);
  }
}
