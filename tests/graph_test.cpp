// SPDX-License-Identifier: MIT
// The snapshot of a computation.
#define BOOST_TEST_MODULE graph
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "allocations.hpp"
#include "errors.hpp"
#include "tapestry/autodiff.hpp"

namespace tapestry::test {
namespace {

Array<double> filled(const std::vector<std::size_t>& shape, double value) {
  Array<double> array = Array<double>::from_shape(shape);
  array.fill(value);
  return array;
}

/// The node of a name, which must exist.
const GraphNode& named(const Graph& graph, std::string_view name) {
  for (const GraphNode& node : graph.nodes())
    if (node.name == name) return node;
  BOOST_REQUIRE_MESSAGE(false, "no node " << name);
  return graph[0];
}

std::size_t position(const Graph& graph, const Variable<double>& v) {
  const std::optional<std::size_t> found = graph.find(v.index());
  BOOST_REQUIRE(found.has_value());
  return *found;
}

BOOST_AUTO_TEST_CASE(nodes_and_edges_are_those_of_the_tape) {
  Tape<double> tape;
  const auto U = tape.variable(0.1, "U");
  const auto unused = tape.variable(9.0, "unused");
  const auto x = tape.constant({1.0, 2.0}, "x");
  const auto y = (U * x).named("y");
  const auto beside = exp(unused);
  const auto loss = sum(y * y).named("L");
  const Graph graph = snapshot(loss);

  BOOST_REQUIRE(graph.size() == 5);
  const std::vector<std::uint32_t> ids{U.index(), x.index(), y.index(), loss.index() - 1,
                                       loss.index()};
  for (std::size_t i = 0; i < ids.size(); ++i) BOOST_TEST(graph[i].id == ids[i]);
  BOOST_TEST(!graph.find(unused.index()).has_value());
  BOOST_TEST(!graph.find(beside.index()).has_value());
  BOOST_TEST(!graph.find(1000).has_value());

  BOOST_TEST(graph[0].name == "U");
  BOOST_TEST(graph[0].op == "");
  BOOST_TEST((graph[0].role == Role::input));
  BOOST_TEST(graph[0].requires_grad);
  BOOST_TEST((graph[1].role == Role::constant));
  BOOST_TEST(!graph[1].requires_grad);
  BOOST_TEST(graph[1].shape.str() == "(2,)");
  BOOST_TEST(graph[2].op == "multiply");
  BOOST_TEST((graph[2].role == Role::op));
  BOOST_TEST(graph[3].name == "");
  BOOST_TEST(graph[4].op == "sum");
  BOOST_TEST(str(graph[4].attributes) == "axis=0");
  BOOST_TEST(graph[4].root);
  BOOST_TEST(!graph[3].root);
  BOOST_REQUIRE(graph.roots().size() == 1);
  BOOST_TEST(graph.roots()[0] == 4u);

  BOOST_REQUIRE(graph.edges().size() == 5);
  BOOST_REQUIRE(graph.inputs(3).size() == 2);  // y * y takes y twice
  for (std::uint32_t slot = 0; slot < 2; ++slot) {
    BOOST_TEST(graph.inputs(3)[slot].from == 2u);
    BOOST_TEST(graph.inputs(3)[slot].to == 3u);
    BOOST_TEST(graph.inputs(3)[slot].slot == slot);
  }
  BOOST_TEST(graph.inputs(0).empty());
  BOOST_TEST(graph.inputs(2)[0].differentiable);
  BOOST_TEST(!graph.inputs(2)[1].differentiable);  // x is a constant
}

BOOST_AUTO_TEST_CASE(an_input_without_a_rule_is_told_apart) {
  Tape<double> tape;
  const auto a = tape.variable({1.0, -1.0}, "a");
  const auto y = where(a > 0.0, a, 0.5);
  const Graph graph = snapshot(y);
  const std::span<const GraphEdge> edges = graph.inputs(position(graph, y));
  BOOST_REQUIRE(edges.size() == 3);
  BOOST_TEST(!edges[0].differentiable);
  BOOST_TEST(edges[1].differentiable);
  BOOST_TEST(!edges[2].differentiable);
}

BOOST_AUTO_TEST_CASE(outputs_of_one_op_are_nodes_that_know_each_other) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, "x");
  const auto parts = split(x, 3);
  const Graph graph = snapshot(parts[0] * parts[2]);
  BOOST_REQUIRE(graph.size() == 4);  // the second part is not used
  BOOST_TEST(graph[1].output == 0u);
  BOOST_TEST(graph[2].output == 2u);
  for (const std::size_t i : {1u, 2u}) {
    BOOST_TEST(graph[i].first_output == parts[0].index());
    BOOST_TEST(graph[i].output_count == 3u);
    BOOST_REQUIRE(graph.inputs(i).size() == 1);
    BOOST_TEST(graph.inputs(i)[0].from == 0u);
  }
}

BOOST_AUTO_TEST_CASE(scopes_come_with_those_around_them) {
  Tape<double> tape;
  const auto h0 = tape.variable(0.5, "h0");
  auto h = h0;
  {
    const auto other = tape.scope("not part of it");
    exp(h0);
  }
  {
    const auto module = tape.scope("lstm");
    for (std::size_t l = 0; l < 2; ++l) {
      const auto layer = tape.layer(l);
      for (std::size_t t = 0; t < 2; ++t) {
        const auto step = tape.step(t);
        h = tanh(h);
      }
    }
  }
  const Graph graph = snapshot(h);
  BOOST_REQUIRE(graph.scopes().size() == 8);
  std::vector<std::string> labels;
  for (const GraphScope& s : graph.scopes())
    labels.push_back(std::string(s.name) + (s.number < 0 ? "" : std::to_string(s.number)));
  const std::vector<std::string> expected{"",      "lstm",   "layer0", "step0",
                                          "step1", "layer1", "step0",  "step1"};
  BOOST_TEST(labels == expected, boost::test_tools::per_element());
  const std::vector<std::uint32_t> parents{0, 0, 1, 2, 2, 1, 5, 5};
  for (std::size_t s = 0; s < 8; ++s) BOOST_TEST(graph.scopes()[s].parent == parents[s]);
  BOOST_TEST((graph.scopes()[1].kind == ScopeKind::module));
  BOOST_TEST((graph.scopes()[2].kind == ScopeKind::layer));
  BOOST_TEST((graph.scopes()[3].kind == ScopeKind::step));
  BOOST_TEST(graph[0].scope == 0u);
  BOOST_TEST(graph[4].scope == 7u);
}

BOOST_AUTO_TEST_CASE(uses_of_a_parameter_have_one_number) {
  Parameter<double> W(filled({2}, 0.5), "W");
  Parameter<double> V(filled({2}, 0.25), "V");
  Tape<double> tape;
  const auto y = tape.watch(W) * tape.watch(V) + tape.watch(W);
  const Graph graph = snapshot(sum(y));
  BOOST_TEST(graph.parameter_count() == 2u);
  std::vector<std::uint32_t> numbers;
  for (const GraphNode& node : graph.nodes())
    if (node.role == Role::parameter) numbers.push_back(node.parameter);
  BOOST_REQUIRE(numbers.size() == 3);
  for (const GraphNode& node : graph.nodes()) {
    if (node.name == "W") BOOST_TEST(node.parameter == named(graph, "W").parameter);
    if (node.role == Role::op) BOOST_TEST(node.parameter == GraphNode::no_parameter);
  }
  BOOST_TEST(named(graph, "W").parameter != named(graph, "V").parameter);
}

BOOST_AUTO_TEST_CASE(numbers_are_copied_when_asked_for) {
  std::optional<Graph> kept;
  {
    Parameter<double> W(filled({2}, 0.5), "W");
    Tape<double> tape;
    const auto x = tape.variable({{1.0, 2.0}, {3.0, -4.0}}, "x");
    const auto y = (x * tape.watch(W)).named("y");
    const auto loss = sum(y).named("L");
    BOOST_TEST((snapshot(loss).value(0).state == DataState::not_asked));
    const Graph before = snapshot(loss, {.values = true, .gradients = true});
    BOOST_TEST((before.value(0).state == DataState::present));
    BOOST_TEST((before.gradient(0).state == DataState::absent));
    loss.backward();
    kept = snapshot(loss, {.values = true, .gradients = true, .max_elements = 2});
  }
  const Graph& graph = *kept;  // the tape and the parameter are gone
  const std::size_t x = *graph.find(0);
  BOOST_TEST(graph[x].name == "x");
  const GraphData value = graph.value(x);
  BOOST_TEST((value.state == DataState::present));
  BOOST_TEST(value.elements.empty());  // more than two
  BOOST_TEST(value.min == -4.0);
  BOOST_TEST(value.max == 3.0);
  BOOST_TEST(value.mean == 0.5);
  BOOST_TEST(value.norm == std::sqrt(30.0), boost::test_tools::tolerance(1e-15));
  BOOST_TEST(value.not_finite == 0u);
  BOOST_TEST(graph.gradient(x).mean == 0.5);
  const std::size_t W = *graph.find(1);
  BOOST_REQUIRE(graph.value(W).elements.size() == 2);
  BOOST_TEST(graph.value(W).elements[0] == 0.5);
  BOOST_REQUIRE(graph.gradient(W).elements.size() == 2);
  BOOST_TEST(graph.gradient(W).elements[0] == 4.0);
  BOOST_TEST(graph.gradient(W).elements[1] == -2.0);
}

BOOST_AUTO_TEST_CASE(what_backward_gave_back_is_marked) {
  Tape<double> tape;
  const auto x = tape.variable(filled({1000}, 0.5), "x");
  const auto loss = sum((x + 1.0) + 2.0).named("L");  // no rule reads the sums
  loss.backward();
  const Graph graph = snapshot(loss, {.values = true, .gradients = true});
  BOOST_REQUIRE(graph.size() == 4);
  for (const std::size_t i : {1u, 2u}) {
    BOOST_TEST((graph.value(i).state == DataState::absent));
    BOOST_TEST((graph.gradient(i).state == DataState::absent));
  }
  BOOST_TEST((graph.value(0).state == DataState::present));
  BOOST_TEST((graph.gradient(0).state == DataState::present));
}

BOOST_AUTO_TEST_CASE(gradients_are_those_of_the_last_backward_pass) {
  Tape<double> tape;
  const auto x = tape.variable(2.0, "x");
  const auto y = square(x);
  const auto z = exp(x);
  y.backward();
  z.backward();
  const Graph graph = snapshot({y, z}, {.gradients = true});
  BOOST_TEST((graph.gradient(position(graph, y)).state == DataState::absent));
  BOOST_REQUIRE((graph.gradient(position(graph, z)).state == DataState::present));
  BOOST_TEST(graph.gradient(position(graph, z)).elements[0] == 1.0);
}

BOOST_AUTO_TEST_CASE(numbers_that_are_not_finite_are_counted) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Tape<double> tape;
  const auto x = tape.variable({1.0, infinity, std::nan(""), 3.0, -infinity});
  const GraphData data = snapshot(x, {.values = true}).value(0);
  BOOST_TEST(data.not_finite == 3u);
  BOOST_TEST(data.min == 1.0);
  BOOST_TEST(data.mean == 2.0);
  BOOST_TEST(data.max == 3.0);
}

BOOST_AUTO_TEST_CASE(a_computation_without_gradients_has_a_graph) {
  Tape<float> tape;
  const auto a = tape.constant(2.0f, "a");
  const auto y = exp(a * 3.0f);
  const Graph graph = snapshot(y, {.values = true, .gradients = true});
  BOOST_REQUIRE(graph.size() == 3);
  BOOST_TEST(graph[2].op == "exp");
  BOOST_TEST(!graph[2].requires_grad);
  BOOST_TEST(!graph.inputs(2)[0].differentiable);
  BOOST_TEST((graph.gradient(2).state == DataState::absent));
  BOOST_TEST(graph.value(1).elements[0] == 6.0);
}

BOOST_AUTO_TEST_CASE(what_was_not_recorded_is_a_leaf) {
  Tape<double> tape;
  const auto a = tape.variable(2.0, "a");
  auto b = a;
  {
    const auto off = tape.no_grad();
    b = exp(a);
  }
  const Graph graph = snapshot(a * b);
  BOOST_REQUIRE(graph.size() == 3);
  BOOST_TEST(graph[1].op == "");
  BOOST_TEST((graph[1].role == Role::op));
  BOOST_TEST(graph.inputs(1).empty());
}

BOOST_AUTO_TEST_CASE(scalar_constants_keep_their_value) {
  Tape<double> tape;
  const auto x = tape.variable(1.0);
  const auto c = tape.constant(2.5);
  const Graph graph = snapshot(x * c);
  BOOST_TEST((graph.value(0).state == DataState::not_asked));
  BOOST_REQUIRE((graph.value(1).state == DataState::present));
  BOOST_TEST(graph.value(1).elements[0] == 2.5);
}

BOOST_AUTO_TEST_CASE(a_parameter_that_was_given_another_shape_is_not_read) {
  Parameter<double> W(filled({2}, 0.5), "W");
  Tape<double> tape;
  const auto y = sum(tape.watch(W));
  W.value() = filled({3}, 1.0);
  const Graph graph = snapshot(y, {.values = true, .gradients = true});
  BOOST_TEST((graph.value(0).state == DataState::absent));
  BOOST_TEST(graph[0].shape.str() == "(2,)");
}

BOOST_AUTO_TEST_CASE(several_roots) {
  Tape<double> tape;
  const auto x = tape.variable(1.0, "x");
  const auto a = exp(x);
  const auto b = tanh(a);
  const std::vector<Variable<double>> roots{b, a};
  const Graph graph = snapshot(roots);
  BOOST_REQUIRE(graph.roots().size() == 2);
  BOOST_TEST(graph.roots()[0] == 2u);
  BOOST_TEST(graph.roots()[1] == 1u);
  BOOST_TEST(graph[1].root);
  BOOST_TEST(snapshot({a, a}).size() == 2u);
}

BOOST_AUTO_TEST_CASE(bad_roots_are_named) {
  Tape<double> tape;
  Tape<double> other;
  const auto a = tape.variable(1.0);
  const auto b = other.variable(1.0);
  BOOST_CHECK_EXCEPTION(snapshot(std::span<const Variable<double>>()), ArgumentError,
                        says("[snapshot] there are no roots to start from"));
  BOOST_CHECK_EXCEPTION(snapshot(Variable<double>()), StaleVariable,
                        says("[snapshot] this variable refers to nothing"));
  BOOST_CHECK_EXCEPTION(snapshot({a, b}), StaleVariable,
                        says("[snapshot] the roots belong to different tapes"));
  tape.clear();
  BOOST_CHECK_THROW(snapshot(a), StaleVariable);
}

BOOST_AUTO_TEST_CASE(a_graph_of_nothing) {
  const Graph graph;
  BOOST_TEST(graph.size() == 0u);
  BOOST_TEST(graph.edges().empty());
  BOOST_TEST(graph.scopes().size() == 1u);
  BOOST_TEST(!graph.find(0).has_value());
}

BOOST_AUTO_TEST_CASE(a_long_chain_is_no_problem) {
  Tape<float> tape;
  auto x = tape.variable(0.5f);
  for (int i = 0; i < 1'000'000; ++i) x = -x;
  const std::size_t allocations_before = allocations(), bytes_before = allocated_bytes();
  const Graph graph = snapshot(x);
  BOOST_TEST(allocations() - allocations_before < 1'100'000u);  // about one a node
  BOOST_TEST(allocated_bytes() - bytes_before < 1'000'000'000u);
  BOOST_TEST(graph.size() == 1'000'001u);
  BOOST_TEST(graph.edges().size() == 1'000'000u);
  BOOST_TEST(graph.edges().back().from == 999'999u);
}

}  // namespace
}  // namespace tapestry::test
