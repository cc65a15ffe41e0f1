// SPDX-License-Identifier: MIT
// Drawings in DOT. Those in golden/ are compared word by word; after a change that is meant to
// change them, run this test once with TAPESTRY_UPDATE_GOLDEN=1 in the environment, look at them
// (dot -Tsvg) and commit them.
#define BOOST_TEST_MODULE dot
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "drawn_models.hpp"
#include "errors.hpp"
#include "graphviz.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/study.hpp"

namespace tapestry::test {
namespace {

void expect_golden(const std::string& name, const std::string& dot_text) {
  const std::string path = TAPESTRY_TEST_DIR "/golden/" + name + ".dot";
  draw(dot_text);
  if (std::getenv("TAPESTRY_UPDATE_GOLDEN")) std::ofstream(path, std::ios::binary) << dot_text;
  BOOST_TEST(dot_text == read_text(path), name << ".dot differs from that in tests/golden");
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

bool has(const std::string& text, const std::string& part) { return count(text, part) > 0; }

/// The line that defines node `id`.
std::string node_line(const std::string& dot_text, std::uint32_t id) {
  std::istringstream lines(dot_text);
  const std::string start = "n" + std::to_string(id) + " [label=";
  for (std::string line; std::getline(lines, line);)
    if (line.substr(std::min(line.find_first_not_of(' '), line.size())).starts_with(start))
      return line;
  return {};
}

/// Labels of the clusters around each node, outermost first: "lstm/layer 0/step 1".
std::map<std::string, std::string> clusters(const std::string& dot_text) {
  std::map<std::string, std::string> around;
  std::vector<std::string> open;
  std::istringstream lines(dot_text);
  for (std::string line; std::getline(lines, line);) {
    line.erase(0, line.find_first_not_of(' '));
    if (line.starts_with("subgraph cluster_") || line.starts_with("digraph")) open.emplace_back();
    if (line == "}") open.pop_back();
    if (line.starts_with("graph [label=<")) {
      std::string label = line.substr(14, line.find(">,") - 14);
      for (const std::string tag : {"<b>", "</b>"})
        if (const std::size_t at = label.find(tag); at != std::string::npos)
          label.erase(at, tag.size());
      open.back() = label;
    }
    if (!line.starts_with("n") || line.find(" [label=") == std::string::npos) continue;
    std::string path;
    for (const std::string& label : open)
      if (!label.empty()) path += (path.empty() ? "" : "/") + label;
    around[line.substr(0, line.find(' '))] = path;
  }
  BOOST_TEST(open.empty());
  return around;
}

BOOST_AUTO_TEST_SUITE(golden)

BOOST_AUTO_TEST_CASE(scalar_network) {
  Tape<double> tape;
  const auto loss = scalar_rnn(tape, false);
  loss.backward();
  expect_golden("scalar_rnn", to_dot(loss));
  expect_golden("scalar_rnn_values", to_dot(loss, {.values = true, .gradients = true}));
}

BOOST_AUTO_TEST_CASE(scalar_network_in_steps) {
  Tape<double> tape;
  expect_golden("scalar_rnn_steps", to_dot(scalar_rnn(tape, true)));
}

BOOST_AUTO_TEST_CASE(stacked_lstm) {
  SmallLstm model(2);
  Tape<double> tape;
  expect_golden("lstm", to_dot(model.loss(tape, 3)));
}

BOOST_AUTO_TEST_CASE(every_use_of_a_parameter) {
  SmallLstm model(1);
  Tape<double> tape;
  expect_golden("lstm_uses", to_dot(model.loss(tape, 2), {.parameter_uses = true}));
}

BOOST_AUTO_TEST_CASE(arrays_top_down) {
  Tape<double> tape;
  const auto a = tape.variable({{1.0, 2.0}, {3.0, 4.0}}, "a");
  const auto b = tape.variable({{0.5, 1.0, 2.0, 2.0, 4.0, 8.0}, {1.0, 0.5, 1.0, 2.0, 1.0, 0.5}},
                               "b");  // no rounding
  const auto parts = split(matmul(a, b), 3, 1);
  const auto loss = mean(square(parts[0] / parts[2] - 1.0) * 0.5).named("loss");
  loss.backward();
  expect_golden("arrays", to_dot(loss, {.values = true, .gradients = true}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(the_same_computation_gives_the_same_text) {
  SmallLstm model(2);
  std::vector<std::string> texts;
  Tape<double> reused;
  {
    const auto other = reused.scope("something else");  // scopes stay known to the tape
    reused.variable(1.0, "other");
  }
  for (int run = 0; run < 2; ++run) {
    Tape<double> tape;
    texts.push_back(to_dot(model.loss(tape, 2), {.values = true}));
    reused.clear();
    texts.push_back(to_dot(model.loss(reused, 2), {.values = true}));
  }
  for (const std::string& text : texts) BOOST_TEST(text == texts[0]);
}

BOOST_AUTO_TEST_CASE(clusters_are_nested_as_the_scopes_are) {
  SmallLstm model(2);
  Tape<double> tape;
  const std::string text = to_dot(model.loss(tape, 2));
  std::map<std::string, std::size_t> sizes;
  for (const auto& [node, path] : clusters(text)) ++sizes[path];
  const std::map<std::string, std::size_t> expected{{"", 1},      // x
                                                    {"lstm", 2},  // its slices
                                                    {"lstm/layer 0", 6},
                                                    {"lstm/layer 1", 6},  // weights, h0, c0
                                                    {"lstm/layer 0/step 0", 15},
                                                    {"lstm/layer 0/step 1", 15},
                                                    {"lstm/layer 1/step 0", 15},
                                                    {"lstm/layer 1/step 1", 15},
                                                    {"linear", 6}};
  BOOST_TEST((sizes == expected));
  for (const auto& [path, n] : sizes) BOOST_TEST_MESSAGE(path << ": " << n);
}

BOOST_AUTO_TEST_CASE(a_parameter_is_drawn_once_or_at_each_use) {
  SmallLstm model(1);
  Tape<double> tape;
  const auto loss = model.loss(tape, 3);
  const std::string once = to_dot(loss);
  BOOST_TEST(count(once, "<b>weight_hh_l0</b>") == 1u);
  BOOST_TEST(count(once, "lstm.weight_hh_l0 parameter (8, 2) in lstm, layer 0\"") == 1u);
  const std::string uses = to_dot(loss, {.parameter_uses = true});
  BOOST_TEST(count(uses, "<b>weight_hh_l0</b>") == 3u);
  for (const char* step : {"step 0", "step 1", "step 2"})
    BOOST_TEST(
        has(uses, std::string("lstm.weight_hh_l0 parameter (8, 2) in lstm, layer 0, ") + step));
  draw(uses);
}

BOOST_AUTO_TEST_CASE(every_edge_of_the_graph_is_drawn) {
  SmallLstm model(2);
  Tape<double> tape;
  const auto loss = model.loss(tape, 3);
  const Graph graph = snapshot(loss);
  const std::string text = to_dot(graph, {.parameter_uses = true});
  std::size_t expected = 0;
  for (const GraphEdge& edge : graph.edges())
    if (graph[edge.to].output == 0) ++expected;
  BOOST_TEST(count(text, " -> ") - count(text, "style=invis") == expected);
}

BOOST_AUTO_TEST_CASE(direction) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto plain = sum(tanh(x));
  BOOST_TEST(has(to_dot(plain), "rankdir=TB"));
  BOOST_TEST(has(to_dot(plain, {.direction = DotDirection::left_to_right}), "rankdir=LR"));
  const auto recurrent = scalar_rnn(tape, true);
  BOOST_TEST(has(to_dot(recurrent), "rankdir=LR"));
  BOOST_TEST(has(to_dot(recurrent, {.direction = DotDirection::top_down}), "rankdir=TB"));
  const auto shared_weights = scalar_rnn(tape, false);
  BOOST_TEST(has(to_dot(shared_weights), "rankdir=LR"));
  draw(to_dot(recurrent, {.direction = DotDirection::top_down}));
}

BOOST_AUTO_TEST_CASE(roles_have_colors) {
  Parameter<double> W(counted({2}), "W");
  Tape<double> tape;
  const auto w = tape.watch(W);
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto c = tape.constant({1.0, 2.0}, "c");
  const auto y = w * x;
  const auto loss = sum(y + c);
  const std::string text = to_dot(loss);
  const auto color = [&](const Variable<double>& v) {
    const std::string line = node_line(text, v.index());
    const std::size_t at = line.find("fillcolor=");
    return at == std::string::npos ? std::string("plain") : line.substr(at + 11, 7);
  };
  const std::vector<std::string> colors{color(w), color(x), color(c), color(y), color(loss)};
  for (std::size_t i = 0; i < colors.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) BOOST_TEST(colors[i] != colors[j]);
}

BOOST_AUTO_TEST_CASE(a_large_graph_is_cut_and_says_so) {
  Tape<double> tape;
  auto x = tape.variable(1.0, "start");
  for (int i = 0; i < 1500; ++i) x = -x;
  const auto last = x.named("end");
  const std::string text = to_dot(last, {.max_nodes = 10});
  BOOST_TEST(count(text, "tooltip=") == 10u);
  BOOST_TEST(has(text, "… 1,491 earlier nodes left out"));
  BOOST_TEST(has(text, "raise max_nodes"));
  BOOST_TEST(has(text, "<b>end</b>"));
  BOOST_TEST(!has(text, "<b>start</b>"));
  BOOST_TEST(has(node_line(text, last.index() - 9), "dotted"));
  BOOST_TEST(!has(node_line(text, last.index() - 8), "dotted"));
  draw(text);
  BOOST_TEST(count(to_dot(last), "tooltip=") == 400u);
  BOOST_TEST(has(to_dot(last), "nslimit=4"));  // or Graphviz may need minutes
  BOOST_TEST(!has(text, "nslimit"));
  const std::string all = to_dot(last, {.max_nodes = 1501});
  BOOST_TEST(has(all, "<b>start</b>"));
  BOOST_TEST(!has(all, "left out"));
  BOOST_TEST(has(to_dot(last, {.max_nodes = 1500}), "… 1 earlier node left out"));
  BOOST_CHECK_EXCEPTION(std::ignore = to_dot(last, {.max_nodes = 0}), ArgumentError,
                        says("[to_dot] max_nodes must be at least 1, not 0"));
}

BOOST_AUTO_TEST_CASE(what_is_cut_is_far_from_the_root) {
  SmallLstm model(2);
  Tape<double> tape;
  const auto loss = model.loss(tape, 12);
  for (const std::size_t n : {1u, 2u, 3u, 17u, 60u, 200u}) {
    const std::string text = to_dot(loss, {.max_nodes = n});
    BOOST_TEST(count(text, "tooltip=") == n);
    BOOST_TEST(has(text, "<b>loss</b>"));
    draw(text);
  }
}

BOOST_AUTO_TEST_CASE(a_chain_of_many_nodes_is_drawn_at_once) {
  Tape<float> tape;
  auto x = tape.variable(0.5f);
  for (int i = 0; i < 100'000; ++i) {
    const auto step = tape.step(static_cast<std::size_t>(i));
    x = -x;
  }
  draw(to_dot(x, {.values = true, .max_nodes = 50}));
  BOOST_TEST(count(to_dot(x, {.max_nodes = 200'000}), "tooltip=") == 100'001u);
}

/// As a reader of the SVG sees it.
std::string unescaped(std::string text) {
  const std::vector<std::pair<std::string, std::string>> entities{
      {"&lt;", "<"},  {"&gt;", ">"},   {"&quot;", "\""}, {"&#39;", "'"},
      {"&#45;", "-"}, {"&#160;", " "}, {"&amp;", "&"}};
  for (const auto& [from, to] : entities)
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
  return text;
}

BOOST_AUTO_TEST_CASE(any_text_can_be_a_name) {
  const std::vector<std::string> names{"a \"quoted\" name",
                                       "back\\slash \\N \\G \\l",
                                       "<b>bold</b> & {a|b} [c]",
                                       "entity &lt; &amp; &#65; &",
                                       "html <br/> <table> </font>",
                                       "x -> y; // no { comment",
                                       "größer ∂L/∂U 日本語 🙂",
                                       "</td></tr>",
                                       "ends in \\",
                                       "\"",
                                       "\\",
                                       "-",
                                       "'",
                                       "%s%n",
                                       "@"};
  for (const std::string& name : names) {
    Tape<double> tape;
    const auto x = tape.variable(1.0, name);
    std::string text;
    {
      const auto scope = tape.scope(name);
      const auto parts = split(stack(std::vector<Variable<double>>{x, exp(x)}), 2);
      text = to_dot(parts[0].named(name) * parts[1]);
    }
    const std::string svg = unescaped(draw(text));
    BOOST_TEST(count(svg, ">" + name + "<") >= 3u, name);  // leaf, output and cluster
    BOOST_TEST(has(svg, "n0: " + name + " input"), name);  // tooltip
  }
}

BOOST_AUTO_TEST_CASE(text_that_cannot_be_drawn_is_replaced) {
  const std::vector<std::pair<std::string, std::string>> names{
      {std::string("nul\0bell\a", 9), "nul�bell�"},
      {"two\nlines\tand tabs\r", "two lines and tabs "},
      {"bad \xFF\xC3 utf-8 \xC3", "bad �� utf-8 �"},
      {"overlong \xC0\xAF, surrogate \xED\xA0\x80", "overlong ��, surrogate ���"},
      {"\xEF\xBF\xBF noncharacter", "��� noncharacter"},
      {"cut \xF0\x9F\x99", "cut ���"}};
  for (const auto& [name, shown] : names) {
    Tape<double> tape;
    const auto scope = tape.scope(name);
    const std::string text = to_dot(exp(tape.variable(1.0, name)));
    BOOST_TEST(has(text, "<b>" + shown + "</b>"), shown);
    draw(text);
  }
  Tape<double> tape;
  const std::string text = to_dot(exp(tape.variable(1.0, std::string(10'000, 'x'))));
  BOOST_TEST(has(text, "<b>" + std::string(48, 'x') + "…</b>"));
  draw(text);
  draw(to_dot(exp(tape.variable(1.0, " "))));
}

BOOST_AUTO_TEST_CASE(numbers_read_well) {
  const auto label = [](const Array<double>& value) {
    Tape<double> tape;
    const std::string text = to_dot(tape.variable(value, "x"), {.values = true});
    draw(text);
    const std::size_t at = text.find("= ", text.find("<b>x</b>"));
    return at == std::string::npos ? text : text.substr(at, text.find("</font>", at) - at);
  };
  BOOST_TEST(label(0.25) == "= 0.25");
  BOOST_TEST(label(-0.0000015) == "= −1.5e−6");
  BOOST_TEST(label(1.0 / 3) == "= 0.3333");
  BOOST_TEST(label(123456.0) == "= 123456");
  BOOST_TEST(label(-2.5e20) == "= −2.5e20");
  BOOST_TEST(label(1e-100) == "= 1e−100");
  BOOST_TEST(label(0.0) == "= 0");
  BOOST_TEST(label(std::nan("")) == "= NaN");
  BOOST_TEST(label(-HUGE_VAL) == "= −∞");
  BOOST_TEST(label({1.0, -2.0}) == "= [1, −2]");
  BOOST_TEST(label({{1.0, 2.0}, {3.0, HUGE_VAL}}) == "= [[1, 2],<br/>[3, ∞]]");
  BOOST_TEST(label(counted({5})) == "= [−0.25, −0.15, −0.05, 0.05,<br/>0.15]");
  BOOST_TEST(label(counted({3, 7})) == "= −0.25 … 0.35<br/>mean 0.05");
  Array<double> same = counted({3, 7});
  same.fill(0.5);
  BOOST_TEST(label(same) == "= all 0.5");
  Array<double> bad = counted({3, 7});
  bad(1, 1) = std::nan("");
  BOOST_TEST(has(label(bad), "<br/>1 of 21 not finite"));
  bad.fill(HUGE_VAL);
  BOOST_TEST(label(bad) == "= nothing finite");
  BOOST_TEST(label(Array<double>::from_shape({0, 3})) == "= no elements");
}

BOOST_AUTO_TEST_CASE(ops_are_drawn_by_their_symbols) {
  Tape<double> tape;
  const auto x = tape.variable(2.0, "x");
  const auto title = [](const Variable<double>& v) {
    const std::string line = node_line(to_dot(v), v.index());
    return line.substr(line.find('<') + 1,
                       line.find_first_of("<>", line.find('<') + 1) - line.find('<') - 1);
  };
  BOOST_TEST(title(x + x) == "+");
  BOOST_TEST(title(x - x) == "−");
  BOOST_TEST(title(x * x) == "×");
  BOOST_TEST(title(x / x) == "÷");
  BOOST_TEST(title(sigmoid(x)) == "σ");
  BOOST_TEST(title(tanh(x)) == "tanh");
  BOOST_TEST(title(square(x)) == "x²");
  BOOST_TEST(title(x + 0.5) == "+ 0.5");
  BOOST_TEST(title(x - 0.5) == "− 0.5");
  BOOST_TEST(title(1.0 - x) == "1 −");
  BOOST_TEST(title(-1.0 - x) == "−1 −");
  BOOST_TEST(title(x * 3.0) == "× 3");
  BOOST_TEST(title(x / 4.0) == "÷ 4");
  BOOST_TEST(title(3.0 / x) == "3 ÷");
  BOOST_TEST(has(to_dot(x > 1.0), "&gt;"));
  BOOST_TEST(has(to_dot(x - tape.constant(1.5)), "label=<1.5>"));  // an unnamed scalar
  const auto difference = to_dot(x - exp(x));
  BOOST_TEST(has(difference, "n0 -> n"));
  BOOST_TEST(count(difference, "headlabel=\"−\"") == 1u);  // tells which is subtracted
}

BOOST_AUTO_TEST_CASE(what_is_gone_is_said_to_be) {
  Tape<double> tape;
  const auto x = tape.variable(counted({1000}), "x");
  const auto loss = sum((x + 1.0) + 2.0).named("L");
  const DotOptions both{.values = true, .gradients = true};
  BOOST_TEST(count(to_dot(loss, both), "no gradient") == 4u);  // before backward
  loss.backward();
  const std::string text = to_dot(loss, both);
  BOOST_TEST(count(text, "value released") == 2u);
  BOOST_TEST(count(text, "no gradient") == 2u);
  draw(text);
}

BOOST_AUTO_TEST_CASE(graphs_without_gradients) {
  Tape<double> tape;
  const auto a = tape.constant({1.0, 2.0});
  const std::string text = to_dot(sum(exp(a)), {.values = true, .gradients = true});
  BOOST_TEST(!has(text, "gradient"));
  BOOST_TEST(!has(text, "∇"));
  BOOST_TEST(has(text, "label=<constant<br/>"));
  draw(text);
  tape.set_recording(false);
  const std::string leaf = to_dot(exp(a));
  BOOST_TEST(has(leaf, "label=<value<br/>"));
  draw(leaf);
  draw(to_dot(Graph()));
}

BOOST_AUTO_TEST_CASE(steps_that_depend_on_each_other_in_turns) {
  Tape<double> tape;
  auto x = tape.variable(0.5, "x");
  for (int round = 0; round < 2; ++round)
    for (std::size_t t = 0; t < 3; ++t) {
      const auto step = tape.step(t);
      x = tanh(x);
    }
  draw(to_dot(x));
}

BOOST_AUTO_TEST_CASE(a_gradient_that_was_recorded_can_be_drawn) {
  SmallLstm model(1);
  Tape<double> tape;
  const auto x = tape.variable({0.5, -0.25}, "x");
  const auto y = sum(tanh(x) * x);
  const auto [dx] = gradients(y, {x}, {.differentiable = true});
  draw(to_dot(dx, {.values = true}));
}

BOOST_AUTO_TEST_CASE(an_op_with_more_outputs_than_16_bits_count) {
  Tape<double> tape;
  const auto x = tape.variable(counted({70'000}), "x");
  const auto parts = split(x, 70'000);
  const auto y = sum(parts[3] * parts[69'999]);
  const std::string text = to_dot(y);
  BOOST_TEST(text.find(":o3:s -> ") != std::string::npos);
  BOOST_TEST(text.find(":o69999:s -> ") != std::string::npos);
  const Graph graph = snapshot(y);
  std::vector<std::uint32_t> outputs;
  for (const GraphNode& node : graph.nodes())
    if (node.op == "split") outputs.push_back(node.output);
  BOOST_TEST(outputs == (std::vector<std::uint32_t>{3, 69'999}), boost::test_tools::per_element());
  // The study goes by the same numbers.
  BOOST_TEST(paths(x, y).total()(69'999) == x.value()(3));
}

BOOST_AUTO_TEST_CASE(names_of_any_length_can_be_drawn) {
  Tape<double> tape;
  for (const std::string& part :
       {std::string("x"), std::string("\\"), std::string("\""), std::string("&")}) {
    std::string name;
    while (name.size() < 100'000) name += part;
    const auto scope = tape.scope(name);
    const auto y = exp(tape.variable(1.0, name)).named(name);
    const std::string text =
        to_dot(y, {.overlay = {.other_values = {.note = name}, .title = name}});
    BOOST_TEST(text.size() < 100'000u);
    draw(text);
  }
}

BOOST_AUTO_TEST_CASE(deep_nesting_takes_no_room) {
  Tape<double> tape;
  std::vector<std::unique_ptr<Scope<double>>> scopes;
  for (int depth = 0; depth < 3'000; ++depth)
    scopes.push_back(
        std::make_unique<Scope<double>>(tape.state(), "part", ScopeKind::module, depth));
  const std::string text = to_dot(exp(tape.variable(1.0, "x")));
  BOOST_TEST(text.size() < 2'000'000u);
  while (!scopes.empty()) scopes.pop_back();
}

/// All steps of a long chain lead to one `stack`, and a weight to all of them.
std::string many_steps(std::size_t steps, bool stacked) {
  Tape<double> tape;
  const auto w = tape.variable(0.5, "w");
  const auto u = tape.constant(0.25, "u");
  auto h = tape.constant(0.1, "h0");
  std::vector<Variable<double>> states;
  for (std::size_t t = 0; t < steps; ++t) {
    const auto step = tape.step(t);
    h = tanh(w * h + u).named("h");
    states.push_back(h);
  }
  return to_dot(stacked ? sum(stack(states)) : h, {.max_nodes = 2'000});
}

BOOST_AUTO_TEST_CASE(long_arrows_to_one_box_become_a_line_with_joints) {
  const std::string text = many_steps(200, true);
  BOOST_TEST(text.find("joint0 [shape=point") != std::string::npos);
  draw(many_steps(60, true));
  // Without joints at the right places Graphviz takes minutes for each: the test runs out of time.
  for (const std::size_t steps : {400u, 1'000u})
    for (const bool stacked : {true, false}) draw(many_steps(steps, stacked));
  BOOST_TEST(many_steps(10, true).find("joint") == std::string::npos);  // short ones stay
}

BOOST_AUTO_TEST_CASE(streams_and_files) {
  Tape<double> tape;
  const auto y = exp(tape.variable(1.0, "x"));
  const std::string text = to_dot(y);
  std::ostringstream out;
  to_dot(out, y);
  BOOST_TEST(out.str() == text);
  BOOST_TEST(to_dot(snapshot(y)) == text);
  save_dot(y, "saved.dot");
  save_dot(snapshot(y), "saved.dot");  // replaces it
  BOOST_TEST(read_text("saved.dot") == text);
  BOOST_TEST(!std::filesystem::exists("saved.dot.partial"));
  BOOST_CHECK_EXCEPTION(
      save_dot(y, "no/such/folder/graph.dot"), FileError,
      says("[save_dot] cannot write 'no/such/folder/graph.dot': No such file or directory"));
  std::filesystem::create_directories("a_folder");
  BOOST_CHECK_EXCEPTION(save_dot(y, "a_folder"), FileError,
                        says("[save_dot] cannot write 'a_folder': Is a directory"));
  if (std::filesystem::exists("/dev/full"))
    BOOST_CHECK_EXCEPTION(save_dot(y, "/dev/full"), FileError,
                          says("[save_dot] cannot write '/dev/full': No space left on device"));
}

BOOST_AUTO_TEST_CASE(stale_variables) {
  Tape<double> tape;
  const auto y = exp(tape.variable(1.0));
  tape.clear();
  BOOST_CHECK_THROW(static_cast<void>(to_dot(y)), StaleVariable);
  BOOST_CHECK_THROW(save_dot(y, "stale.dot"), StaleVariable);
  BOOST_TEST(!std::filesystem::exists("stale.dot"));
}

}  // namespace
}  // namespace tapestry::test
