// SPDX-License-Identifier: MIT
// What recurrent layers leave on the tape, how they start, and dropout between them.
#define BOOST_TEST_MODULE recurrent_tape
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "layer_checks.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers/gru.hpp"
#include "tapestry/layers/lstm.hpp"
#include "tapestry/layers/rnn.hpp"

using namespace tapestry::test;
using tapestry::Array;
using tapestry::parameters;
using tapestry::Role;
using tapestry::sum;
using tapestry::Tape;
using tapestry::layers::GRU;
using tapestry::layers::LSTM;
using tapestry::layers::RNN;

namespace {

using Layers = std::tuple<RNN<double>, LSTM<double>, GRU<double>>;

template <class Layer>
Layer make(std::size_t layers, double dropout = 0, bool bias = true) {
  return Layer(
      {.input_size = 3, .hidden_size = 4, .num_layers = layers, .bias = bias, .dropout = dropout});
}

/// What is named in each step, in order, besides the weights.
template <class Layer>
std::vector<std::string> step_names;
template <>
std::vector<std::string> step_names<RNN<double>> = {"h"};
template <>
std::vector<std::string> step_names<LSTM<double>> = {"i", "f", "g", "c", "o", "h"};
template <>
std::vector<std::string> step_names<GRU<double>> = {"r", "z", "n", "h"};

template <class Layer>
Array<double> output_of(Layer& layer, const Array<double>& x) {
  Tape<double> tape;
  return layer(tape.constant(x)).output.value();
}

/// Copies the weights of one layer to another.
template <class Layer>
void copy_weights(Layer& from, Layer& to) {
  const auto source = parameters(from), target = parameters(to);
  for (std::size_t i = 0; i < source.size(); ++i) target[i]->value() = source[i]->value();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(scopes)

BOOST_AUTO_TEST_CASE_TEMPLATE(each_step_has_its_own, Layer, Layers) {
  Layer layer = make<Layer>(2);
  parameters(layer);
  layer.set_name("decoder.cells.1.inner");
  Tape<double> tape;
  tape.set_primitive(true);
  const auto result = layer(tape.variable(sample<double>({3, 2, 3})));
  const auto& state = tape.state();
  BOOST_TEST(state.scopes.path(state.scope).empty());  // closed again

  const std::string root = "decoder, cells 1, inner";
  std::map<std::string, std::size_t> steps;  // and the nodes in each
  for (const auto& node : state.nodes) {
    const std::string path = state.scopes.path(node.scope);
    if (path == root || path == root + ", layer 0" || path == root + ", layer 1") continue;
    ++steps[path];
  }
  BOOST_TEST(steps.size() == 6u);
  for (const int l : {0, 1})
    for (const int t : {0, 1, 2})
      BOOST_TEST(steps[root + ", layer " + std::to_string(l) + ", step " + std::to_string(t)] > 4u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(each_step_names_its_values_and_uses_its_weights, Layer, Layers) {
  Layer layer = make<Layer>(2);
  const auto all = tapestry::named_parameters(layer);
  BOOST_REQUIRE(all.size() == 8u);
  Tape<double> tape;
  tape.set_primitive(true);
  const auto result = layer(tape.variable(sample<double>({3, 2, 3})));
  const auto& state = tape.state();
  std::map<std::string, std::vector<std::string>> named;
  std::map<std::string, std::multiset<const void*>> weights;
  for (std::uint32_t i = 0; i < state.entries.size(); ++i) {
    const auto& entry = state.entries[i];
    const std::string path = state.scopes.path(entry.scope);
    if (entry.role == Role::parameter) {
      const auto* parameter = state.parameter_of(entry);
      weights[path].insert(parameter);
      BOOST_TEST(state.display_name(i) == parameter->name());
    } else if (entry.name != tapestry::detail::none && path.find("step") != std::string::npos) {
      named[path].push_back(state.display_name(i));
    }
  }
  BOOST_TEST(named.size() == 6u);
  BOOST_TEST(weights.size() == 6u);
  for (const auto& [path, names] : named)
    BOOST_TEST(names == step_names<Layer>, boost::test_tools::per_element());
  for (const auto& [path, used] : weights) {
    const std::size_t l = path.find("layer 1") == std::string::npos ? 0 : 1;
    std::multiset<const void*> expected;
    for (std::size_t k = 0; k < 4; ++k) expected.insert(all[4 * l + k].second);
    BOOST_CHECK(used == expected);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(named_values_have_gradients, Layer, Layers) {
  Layer layer = make<Layer>(1);
  Tape<double> tape;
  tape.set_primitive(true);
  const auto result = layer(tape.variable(sample<double>({2, 1, 3})));
  sum(tapestry::square(result.output)).backward();
  const auto& state = tape.state();
  std::size_t seen = 0;
  for (const auto& entry : state.entries) {
    if (entry.role != Role::op || entry.name == tapestry::detail::none) continue;
    // The last cell and gates, too, are on the way to the loss.
    BOOST_TEST(state.has_grad(entry));
    ++seen;
  }
  BOOST_TEST(seen >= 2 * step_names<Layer>.size());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(start)

BOOST_AUTO_TEST_CASE_TEMPLATE(is_uniform_as_in_pytorch, Layer, Layers) {
  tapestry::seed(11);
  Layer layer({.input_size = 50, .hidden_size = 64, .num_layers = 2});
  const std::size_t gates = layer.weights(0).weight_ih.shape()[0] / 64;
  for (const auto& [name, parameter] : tapestry::named_parameters(layer))
    if (parameter->shape().rank() == 2) expect_uniform(parameter->value(), 0.125);
  for (auto* parameter : parameters(layer))
    for (const double value : parameter->value()) BOOST_REQUIRE(std::abs(value) <= 0.125);
  BOOST_TEST(max_difference(layer.weights(0).bias_ih.value(), layer.weights(0).bias_hh.value()) >
             0.01);
  const std::string rows = std::to_string(64 * gates);
  BOOST_TEST(layer.weights(0).weight_ih.shape().str() == "(" + rows + ", 50)");
  BOOST_TEST(layer.weights(1).weight_ih.shape().str() == "(" + rows + ", 64)");
  BOOST_TEST(layer.weights(1).weight_hh.shape().str() == "(" + rows + ", 64)");
  BOOST_TEST(layer.weights(1).bias_hh.shape().str() == "(" + rows + ",)");
  BOOST_CHECK_THROW((void)layer.weights(2), tapestry::IndexError);

  tapestry::seed(11);
  Layer again({.input_size = 50, .hidden_size = 64, .num_layers = 2});
  tapestry::seed(12);
  Layer other({.input_size = 50, .hidden_size = 64, .num_layers = 2});
  const auto& weight = layer.weights(1).weight_hh.value();
  BOOST_TEST(max_difference(again.weights(1).weight_hh.value(), weight) == 0.0);
  BOOST_TEST(max_difference(other.weights(1).weight_hh.value(), weight) > 0.01);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(has_pytorchs_names, Layer, Layers) {
  const auto names = [](Layer layer) {
    std::string text;
    for (const auto& [name, parameter] : tapestry::named_parameters(layer)) text += name + " ";
    return text;
  };
  BOOST_TEST(names(make<Layer>(2)) ==
             "weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0 "
             "weight_ih_l1 weight_hh_l1 bias_ih_l1 bias_hh_l1 ");
  BOOST_TEST(names(make<Layer>(2, 0, false)) ==
             "weight_ih_l0 weight_hh_l0 weight_ih_l1 weight_hh_l1 ");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(dropout)

BOOST_AUTO_TEST_CASE_TEMPLATE(is_for_training_only_and_repeats_with_its_seed, Layer, Layers) {
  const Array<double> x = sample<double>({5, 4, 3});
  Layer plain = make<Layer>(3);
  Layer dropping = make<Layer>(3, 0.5);
  copy_weights(plain, dropping);
  const Array<double> expected = output_of(plain, x);
  BOOST_TEST(dropping.training());
  tapestry::seed(1);
  const Array<double> first = output_of(dropping, x);
  BOOST_TEST(max_difference(first, expected) > 1e-3);
  BOOST_TEST(max_difference(output_of(dropping, x), first) > 1e-3);
  tapestry::seed(1);
  BOOST_TEST(max_difference(output_of(dropping, x), first) == 0.0);
  tapestry::eval(dropping);
  BOOST_TEST(max_difference(output_of(dropping, x), expected) == 0.0);
  tapestry::train(dropping);
  tapestry::seed(1);
  BOOST_TEST(max_difference(output_of(dropping, x), first) == 0.0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(is_between_layers_only, Layer, Layers) {
  const Array<double> x = sample<double>({5, 4, 3});
  Layer one = make<Layer>(1);
  BOOST_CHECK_THROW(make<Layer>(1, 1.0), tapestry::ArgumentError);

  // All of it dropped: the second layer sees zeros, and nothing else changes.
  Layer two = make<Layer>(2, 1.0);
  Layer upper({.input_size = 4, .hidden_size = 4});
  two.weights(0) = one.weights(0);
  two.weights(1) = upper.weights(0);
  Tape<double> tape;
  const auto [output, state] = two(tape.constant(x));
  BOOST_TEST(max_difference(output.value(), output_of(upper, zeros<double>({5, 4, 4}))) == 0.0);
  const auto last = one(tape.constant(x)).state.h;
  BOOST_TEST(max_difference(select(state.h, 0, 0).value(), select(last, 0, 0).value()) == 0.0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(has_the_gradient_of_what_was_computed, Layer, Layers) {
  Layer layer = make<Layer>(2, 0.4);
  const Array<double> x = sample<double>({2, 2, 3});
  const auto result = tapestry::gradcheck(
      [&](const auto& v) {
        tapestry::seed(9);  // the same elements each time
        return sum(tapestry::square(layer(v).output));
      },
      x, {.second_order = true});
  BOOST_TEST(result.passed, result.message);
}

BOOST_AUTO_TEST_SUITE_END()
