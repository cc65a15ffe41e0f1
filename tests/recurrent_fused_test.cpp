// SPDX-License-Identifier: MIT
// Recurrent layers as fused ops: the same numbers as in primitive ops, and nothing hidden.
#define BOOST_TEST_MODULE recurrent_fused
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "allocations.hpp"
#include "errors.hpp"
#include "fused_layers.hpp"
#include "layer_checks.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers.hpp"
#include "tapestry/optim.hpp"

using namespace tapestry::test;
using tapestry::Array;
using tapestry::Expand;
using tapestry::Graph;
using tapestry::parameters;
using tapestry::sum;
using tapestry::Tape;
using tapestry::Variable;
using tapestry::layers::Activation;
using tapestry::layers::GRU;
using tapestry::layers::Lengths;
using tapestry::layers::LSTM;
using tapestry::layers::RNN;

namespace {

using Layers = std::tuple<RNN<double>, LSTM<double>, GRU<double>>;

template <class Layer>
Layer make(std::size_t layers, bool both, double dropout = 0, bool bias = true,
           bool learned = false) {
  return Layer({.input_size = 3,
                .hidden_size = 4,
                .num_layers = layers,
                .bias = bias,
                .dropout = dropout,
                .bidirectional = both,
                .learned_initial_state = learned});
}

/// Largest difference between a fused layer and its steps.
constexpr double bound = 1e-13;

template <class Layer>
void expect_same(Layer& layer, const Array<double>& x, const auto&... args) {
  expect_fused_is_steps(layer, "fused", bound, x, args...);
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(are_one_op_a_layer_and_direction, Layer, Layers) {
  for (const bool both : {false, true}) {
    Layer layer = make<Layer>(3, both);
    BOOST_TEST(layer.fuses());
    Tape<double> tape;
    layer(tape.constant(sample<double>({5, 2, 3})));
    std::size_t sequences = 0;
    for (const auto& [name, count] : ops_on(tape))
      if (name.ends_with("_sequence")) sequences += count;
    BOOST_TEST(sequences == (both ? 6u : 3u));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(give_what_primitive_ops_give, Layer, Layers) {
  const Array<double> x = sample<double>({5, 2, 3});
  for (const bool both : {false, true})
    for (const double dropout : {0.0, 0.4})
      for (const bool bias : {true, false}) {
        Layer layer = make<Layer>(2, both, dropout, bias);
        expect_same(layer, x);
      }
  Layer learned = make<Layer>(2, true, 0, true, true);
  for (auto* p : parameters(learned)) p->value() = sample<double>({1}).at(0) * p->value() + 0.1;
  expect_same(learned, x);
  expect_same(learned, x, Lengths{5, 5});
  Tape<double> tape;
  const auto carry = learned(tape.constant(x)).state.carry();
  expect_same(learned, x, carry);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(let_gradients_into_a_given_state, Layer, Layers) {
  Layer layer = make<Layer>(2, false);
  std::vector<Array<double>> gradients;
  for (const bool primitive : {false, true}) {
    Tape<double> tape;
    tape.set_primitive(primitive);
    const auto first = layer(tape.variable(sample<double>({2, 2, 3}, 1)));
    const auto second = layer(tape.variable(sample<double>({3, 2, 3}, 2)), first.state);
    sum(square(second.output)).backward();
    gradients.push_back(layer.weights(0).weight_hh.grad());
    for (auto* p : parameters(layer)) p->zero_grad();
  }
  BOOST_TEST(relative_difference(gradients[0], gradients[1]) < 1e-13);
}

// All options of the library's cells run fused; what does not says why.
BOOST_AUTO_TEST_CASE(fuse_with_every_option) {
  const Array<double> x = sample<double>({3, 2, 3});
  const auto expect = [&](auto layer, const char* what) {
    BOOST_TEST(layer.fuses(), what << ": " << layer.why_not_fused());
    Tape<double> tape;
    layer(tape.constant(x));
    BOOST_TEST(has_sequence(tape), what);
    expect_same(layer, x);
    expect_same(layer, x, Lengths{1, 3});
  };
  const std::size_t i = 3, h = 4;
  expect(LSTM<double>({.input_size = i, .hidden_size = h}), "plain");
  expect(LSTM<double>({.input_size = i, .hidden_size = h, .forget_bias = 1}), "forget bias");
  expect(LSTM<double>({.input_size = i, .hidden_size = h, .layer_norm = true}), "norm");
  expect(LSTM<double>({.input_size = i, .hidden_size = h, .peephole = true}), "peephole");
  expect(LSTM<double>({.input_size = i, .hidden_size = h, .proj_size = 2}), "projection");
  expect(LSTM<double>({.input_size = i,
                       .hidden_size = h,
                       .num_layers = 2,
                       .bidirectional = true,
                       .layer_norm = true,
                       .learned_initial_state = true,
                       .peephole = true,
                       .proj_size = 2}),
         "all of them");
  expect(GRU<double>({.input_size = i, .hidden_size = h, .reset_after = false}), "reset before");
  expect(GRU<double>({.input_size = i, .hidden_size = h, .layer_norm = true}), "norm");
  expect(RNN<double>({.input_size = i, .hidden_size = h, .activation = Activation::relu}), "relu");
  expect(RNN<double>({.input_size = i, .hidden_size = h, .layer_norm = true}), "norm");
  expect(LSTM<double>({.input_size = i,
                       .hidden_size = h,
                       .activation = Activation::relu,
                       .recurrent_activation = Activation::tanh}),
         "activations");
  for (const double input : {0.0, 0.5})
    for (const double state : {0.0, 0.5})
      expect(LSTM<double>({.input_size = i,
                           .hidden_size = h,
                           .num_layers = 2,
                           .variational_dropout = {.input = input, .state = state}}),
             "variational dropout");
}

BOOST_AUTO_TEST_CASE(say_why_they_do_not_fuse) {
  const std::size_t i = 3, h = 4;
  const RNN<double> output({.input_size = i, .hidden_size = h, .output_size = 2});
  BOOST_TEST(!output.fuses());
  // A function of the user's is called at each step, as it may change from call to call.
  const auto sine = [](const auto& v) { return sin(v); };
  RNN<double> rnn({.input_size = i, .hidden_size = h, .activation = sine});
  LSTM<double> lstm({.input_size = i,
                     .hidden_size = h,
                     .layer_norm = true,
                     .peephole = true,
                     .proj_size = 2,
                     .recurrent_activation = sine});
  BOOST_TEST(rnn.why_not_fused().find("a function") != std::string::npos, rnn.why_not_fused());
  BOOST_TEST(!lstm.fuses());
  BOOST_TEST(parameters(lstm).size() == 12u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(fuse_sequences_that_end_early, Layer, Layers) {
  Layer layer = make<Layer>(2, true);
  const auto fused = [&](const Lengths& lengths, std::size_t steps) {
    Tape<double> tape;
    layer(tape.constant(zeros<double>({steps, 2, 3})), lengths);
    return has_sequence(tape);
  };
  BOOST_TEST(fused({4, 4}, 4));
  BOOST_TEST(fused({4, 3}, 4));
  BOOST_TEST(fused({0, 2}, 2));
  BOOST_TEST(!fused({0, 0}, 0));
  const Array<double> x = sample<double>({5, 4, 3});
  for (const Lengths& lengths : {Lengths{5, 2, 4, 4}, Lengths{1, 0, 3, 5}, Lengths{2, 2, 1, 0}})
    expect_same(layer, x, lengths);
}

// What readers see
// ---------------------------------------------------------------------------------

namespace {

/// Scopes, name and op of each node, sorted.
std::multiset<std::string> contents(const Graph& graph) {
  std::multiset<std::string> all;
  for (const auto& node : graph.nodes()) {
    // In one of them each use of a parameter is a node, and steps are cut out and put together
    // elsewhere.
    if (node.role == tapestry::Role::parameter || node.op == "slice" || node.op == "stack")
      continue;
    std::string place;
    for (std::uint32_t s = node.scope; s != 0; s = graph.scopes()[s].parent)
      place = std::string(graph.scopes()[s].name) + std::to_string(graph.scopes()[s].number) + "/" +
              place;
    all.insert(place + std::string(node.name) + " = " + std::string(node.op));
  }
  return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(are_drawn_step_by_step, Layer, Layers) {
  for (const bool both : {false, true}) {
    Layer layer = make<Layer>(2, both);
    layer.set_name("cells");
    std::vector<std::multiset<std::string>> seen;
    for (const bool primitive : {false, true}) {
      Tape<double> tape;
      tape.set_primitive(primitive);
      const auto [output, state] = layer(tape.constant(sample<double>({3, 2, 3}), "x"));
      const auto loss = sum(square(output)).named("loss");
      const std::size_t size = tape.size();
      seen.push_back(contents(snapshot(loss)));
      BOOST_TEST(tape.size() == size);
    }
    if (!both)  // in two directions the parts are put together in another order
      BOOST_TEST(seen[0] == seen[1], boost::test_tools::per_element());
    BOOST_TEST(seen[0].contains(std::string("cells-1/layer1/") + (both ? "reverse-1/" : "") +
                                "step2/h = " + (Layer::State::parts == 2 ? "multiply" : "")) ==
               (Layer::State::parts == 2));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(show_the_numbers_within, Layer, Layers) {
  Layer layer = make<Layer>(2, false);
  std::map<std::string, std::pair<double, double>> seen[2];
  for (const bool primitive : {false, true}) {
    Tape<double> tape;
    tape.set_primitive(primitive);
    const auto [output, state] = layer(tape.constant(sample<double>({3, 2, 3})));
    const auto loss = sum(square(output.named("output")));
    loss.backward();
    const Graph graph = snapshot(loss, {.values = true, .gradients = true});
    std::set<std::uint32_t> ids;
    for (std::size_t k = 0; k < graph.size(); ++k) {
      BOOST_TEST(ids.insert(graph[k].id).second);
      BOOST_TEST(graph.find(graph[k].id).value() == k);
      if (graph[k].name.empty() || graph[k].op.empty() || graph[k].name == "output") continue;
      const auto& scope = graph.scopes()[graph[k].scope];
      const auto layer_number = graph.scopes()[scope.parent].number;
      seen[primitive][std::to_string(layer_number) + " " + std::to_string(scope.number) + " " +
                      std::string(graph[k].name)] = {graph.value(k).norm, graph.gradient(k).norm};
    }
    BOOST_TEST(graph.find(output.index()).has_value());
  }
  BOOST_TEST(seen[0].size() == seen[1].size());
  BOOST_TEST(seen[0].size() >= 6u);
  for (const auto& [name, numbers] : seen[1]) {
    BOOST_TEST(std::abs(seen[0][name].first - numbers.first) < 1e-13, name);
    BOOST_TEST(std::abs(seen[0][name].second - numbers.second) < 1e-13, name);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(show_no_numbers_that_are_not_theirs, Layer, Layers) {
  Layer layer = make<Layer>(1, false);
  Tape<double> tape;
  const auto [output, state] = layer(tape.constant(sample<double>({3, 2, 3})));
  const auto loss = sum(square(output));
  loss.backward();
  layer.weights(0).weight_hh.touch();
  const Graph graph = snapshot(loss, {.values = true, .gradients = true});
  std::size_t within = 0;
  for (std::size_t k = 0; k < graph.size(); ++k) {
    if (graph[k].id < tape.size() || graph[k].op.empty()) continue;
    ++within;
    BOOST_TEST((graph.value(k).state == tapestry::DataState::absent));
    BOOST_TEST((graph.gradient(k).state == tapestry::DataState::absent));
  }
  BOOST_TEST(within > 5u);
  BOOST_TEST((graph.value(graph.roots()[0]).state == tapestry::DataState::present));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(can_be_seen_as_one_node, Layer, Layers) {
  Layer layer = make<Layer>(2, false);
  Tape<double> tape;
  const auto loss = sum(layer(tape.constant(sample<double>({3, 2, 3}))).output);
  BOOST_TEST(snapshot(loss, {.expand = Expand::none}).size() == 12u);  // x, 8 weights, 2 ops, sum
  BOOST_TEST(snapshot(loss).size() > 30u);
}

BOOST_AUTO_TEST_CASE(show_trouble_at_its_step) {
  LSTM<double> lstm({.input_size = 1, .hidden_size = 2});
  lstm.set_name("lstm");
  Array<double> x = sample<double>({5, 1, 1});
  x(3, 0, 0) = std::numeric_limits<double>::quiet_NaN();
  Tape<double> tape;
  tape.detect_anomaly();
  const auto input = tape.constant(x, "x");
  BOOST_CHECK_EXCEPTION(
      lstm(input), tapestry::AnomalyError,
      says(
          "[matmul] the result (1, 8) is not finite: element (0, 0) is nan; inputs: 'slice' (1, 1) "
          "not finite, 'weight_ih_l0' (8, 1) finite (in lstm, layer 0, step 3)"));
  BOOST_TEST(tape.size() == 1u);
}

// Memory -----------------------------------------------------------------------------------------

namespace {

template <class Layer>
struct Model {
  using value_type = double;
  tapestry::layers::Embedding<double> embed{7, 3};
  Layer layer;
  tapestry::layers::Linear<double> head;
  void visit(auto&& part) {
    part("embed", embed);
    part("layer", layer);
    part("head", head);
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(need_no_memory_from_the_heap_in_training, Layer, Layers) {
  for (const bool both : {false, true}) {
    Model<Layer> model{.layer = make<Layer>(2, both, 0.2),
                       .head = tapestry::layers::Linear<double>(both ? 8 : 4, 7)};
    const auto all = parameters(model);
    tapestry::optim::Adam adam(all, {});
    tapestry::Indices tokens = tapestry::Indices::from_shape({6, 2});
    for (std::size_t k = 0; k < tokens.size(); ++k) tokens.data()[k] = static_cast<int>(k % 7);
    Tape<double> tape;
    const auto step = [&] {
      tape.clear();
      const auto result = model.layer(model.embed(tape, tokens));
      softmax_cross_entropy(model.head(result.output), tokens).backward();
      tapestry::optim::clip_grad_norm(all, 5);
      adam.step();
      adam.zero_grad();
    };
    for (int i = 0; i < 3; ++i) step();
    const std::size_t before = allocations();
    for (int i = 0; i < 5; ++i) step();
    const std::size_t allocated = allocations() - before;
    BOOST_TEST(allocated == 0u, allocated << " allocations");
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(stream_without_growth, Layer, Layers) {
  Layer layer = make<Layer>(2, false);
  tapestry::layers::Linear<double> head(4, 7);
  tapestry::eval(layer);
  Tape<double> tape;
  const auto off = tape.no_grad();
  const auto x = sample<double>({1, 1, 3});
  typename Layer::Carry carry;
  const auto step = [&] {
    tape.clear();
    const auto [output, state] = layer(tape.constant(x), carry);
    head(output);
    state.carry(carry);
  };
  for (int i = 0; i < 3; ++i) step();
  const std::size_t before = allocations();
  const std::size_t size = tape.size(), reserved = tape.memory_reserved();
  for (int i = 0; i < 100; ++i) step();
  const std::size_t allocated = allocations() - before;
  BOOST_TEST(allocated == 0u, allocated << " allocations");
  BOOST_TEST(tape.size() == size);
  BOOST_TEST(tape.memory_reserved() == reserved);
}
