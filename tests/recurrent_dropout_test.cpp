// SPDX-License-Identifier: MIT
// Variational dropout: one mask for each sequence; and that the other kind has one for each step.
#define BOOST_TEST_MODULE recurrent_dropout
#include <boost/test/unit_test.hpp>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "layer_checks.hpp"
#include "recurrent_by_hand.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers/gru.hpp"
#include "tapestry/layers/lstm.hpp"
#include "tapestry/layers/rnn.hpp"

using namespace tapestry::test;
using tapestry::Array;
using tapestry::sum;
using tapestry::Tape;
using tapestry::layers::Direction;
using tapestry::layers::GRU;
using tapestry::layers::LSTM;
using tapestry::layers::RNN;
using tapestry::layers::VariationalDropout;

namespace {

using Layers = std::tuple<RNN<double>, LSTM<double>, GRU<double>>;

template <class Layer>
Layer make(std::size_t layers, VariationalDropout rates, bool bidirectional = false) {
  return Layer({.input_size = 3,
                .hidden_size = 4,
                .num_layers = layers,
                .bidirectional = bidirectional,
                .variational_dropout = rates});
}

/// The masks on the tape of that name, in order, as rows of a batch.
std::vector<std::vector<Row>> masks_on(const Tape<double>& tape, const std::string& name) {
  std::vector<std::vector<Row>> masks;
  const auto& state = tape.state();
  for (const auto& entry : state.entries) {
    if (entry.name == tapestry::detail::none || state.names[entry.name] != name) continue;
    std::vector<Row>& rows = masks.emplace_back();
    for (std::size_t b = 0; b < entry.shape[0]; ++b)
      rows.emplace_back(entry.data + b * entry.shape[1], entry.data + (b + 1) * entry.shape[1]);
  }
  return masks;
}

template <class Layer>
HandCell hand_cell() {
  if constexpr (std::is_same_v<Layer, LSTM<double>>)
    return {.kind = HandCell::Kind::lstm, .hidden_size = 4};
  else if constexpr (std::is_same_v<Layer, GRU<double>>)
    return {.kind = HandCell::Kind::gru, .hidden_size = 4};
  else
    return {.kind = HandCell::Kind::rnn, .hidden_size = 4};
}

template <class Layer>
Array<double> output_of(Layer& layer, const Array<double>& x) {
  Tape<double> tape;
  return layer(tape.constant(x)).output.value();
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(uses_one_mask_at_every_step, Layer, Layers) {
  Layer layer = make<Layer>(1, {.input = 0.4, .state = 0.3});
  const Array<double> x = sample<double>({6, 3, 3});
  tapestry::seed(3);
  Tape<double> tape;
  const auto result = layer(tape.constant(x));
  const auto inputs = masks_on(tape, "input mask"), states = masks_on(tape, "state mask");
  BOOST_REQUIRE((inputs.size() == 1 && states.size() == 1));
  for (std::size_t b = 0; b < 3; ++b) {
    HandCell cell = hand_cell<Layer>();
    cell.input_mask = inputs[0][b];
    cell.state_mask = states[0][b];
    for (const double m : cell.input_mask) BOOST_TEST((m == 0 || m == 1 / 0.6));
    for (const double m : cell.state_mask) BOOST_TEST((m == 0 || m == 1 / 0.7));
    HandState state{Row(4, 0.0), Row(4, 0.0)};
    for (std::size_t t = 0; t < 6; ++t) {
      hand_step(cell, layer.weights(0), {x(t, b, 0), x(t, b, 1), x(t, b, 2)}, state);
      for (std::size_t k = 0; k < 4; ++k)
        BOOST_TEST(std::abs(result.output.value()(t, b, k) - state.h[k]) < 1e-14);
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(has_a_mask_for_each_layer_and_direction, Layer, Layers) {
  Layer layer = make<Layer>(2, {.input = 0.5, .state = 0.5}, true);
  Tape<double> tape;
  tapestry::seed(8);
  layer(tape.constant(sample<double>({3, 20, 3})));
  const auto states = masks_on(tape, "state mask");
  BOOST_TEST(std::set(states.begin(), states.end()).size() == 4u);
  const std::set<Row> rows(states[0].begin(), states[0].end());
  BOOST_TEST(rows.size() > 5u);  // and for each sequence
  const auto inputs = masks_on(tape, "input mask");
  BOOST_REQUIRE(inputs.size() == 4u);
  BOOST_TEST(inputs[0][0].size() == 3u);
  BOOST_TEST(inputs[3][0].size() == 8u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(has_a_rate_for_inputs_and_one_for_states, Layer, Layers) {
  const Array<double> x = sample<double>({2, 3, 3});
  Layer plain = make<Layer>(1, {});
  const Array<double> expected = output_of(plain, x);
  const auto with = [&](VariationalDropout rates) {
    Layer layer = make<Layer>(1, rates);
    layer.weights(0) = plain.weights(0);
    return output_of(layer, x);
  };
  // All inputs dropped: as without input.
  BOOST_TEST(max_difference(with({.input = 1}), output_of(plain, zeros<double>({2, 3, 3}))) <
             1e-15);
  // The first step sees no state, the second one does.
  const Array<double> dropped = with({.state = 1});
  double first = 0, second = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    first = std::max(first, std::abs(dropped(0, 0, k) - expected(0, 0, k)));
    second = std::max(second, std::abs(dropped(1, 0, k) - expected(1, 0, k)));
  }
  BOOST_TEST(first < 1e-15);
  BOOST_TEST(second > 1e-4);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(is_for_training_only_and_repeats_with_its_seed, Layer, Layers) {
  const Array<double> x = sample<double>({4, 3, 3});
  Layer layer = make<Layer>(2, {.input = 0.3, .state = 0.3}, true);
  Layer plain = make<Layer>(2, {}, true);
  for (const std::size_t l : {0u, 1u})
    for (const auto d : {Direction::forward, Direction::reverse})
      plain.weights(l, d) = layer.weights(l, d);
  const Array<double> expected = output_of(plain, x);
  tapestry::seed(1);
  const Array<double> first = output_of(layer, x);
  BOOST_TEST(max_difference(first, expected) > 1e-3);
  BOOST_TEST(max_difference(output_of(layer, x), first) > 1e-3);
  tapestry::seed(1);
  BOOST_TEST(max_difference(output_of(layer, x), first) == 0.0);
  tapestry::eval(layer);
  BOOST_TEST(max_difference(output_of(layer, x), expected) == 0.0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(has_the_gradient_of_what_was_computed, Layer, Layers) {
  Layer layer({.input_size = 3,
               .hidden_size = 2,
               .num_layers = 2,
               .dropout = 0.3,
               .variational_dropout = {.input = 0.2, .state = 0.3}});
  const auto score = [&](const auto& v) {
    tapestry::seed(9);  // the same elements each time
    return sum(tapestry::square(layer(v).output));
  };
  const auto result = tapestry::gradcheck(score, sample<double>({3, 2, 3}), {.second_order = true});
  BOOST_TEST(result.passed, result.message);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(between_layers_differs_from_step_to_step, Layer, Layers) {
  for (const bool both : {false, true}) {
    Layer layer({.input_size = 3,
                 .hidden_size = 4,
                 .num_layers = 2,
                 .dropout = 0.5,
                 .bidirectional = both});
    Tape<double> tape;
    tape.set_primitive(true);
    tapestry::seed(2);
    const Array<double> output = layer(tape.constant(sample<double>({5, 4, 3}))).output.value();
    const auto masks = masks_on(tape, "dropout mask");
    BOOST_TEST(masks.size() == 5u);
    BOOST_TEST(std::set(masks.begin(), masks.end()).size() == 5u);
    BOOST_TEST(masks[0][0].size() == (both ? 8u : 4u));  // of both directions together
    tapestry::seed(2);
    BOOST_TEST(max_difference(output_of(layer, sample<double>({5, 4, 3})), output) < 1e-15);
  }
}
