// SPDX-License-Identifier: MIT
// What tools add to a drawing.
#define BOOST_TEST_MODULE dot_overlay
#include <boost/test/unit_test.hpp>
#include <sstream>
#include <string>

#include "drawn_models.hpp"
#include "graphviz.hpp"
#include "tapestry/autodiff.hpp"

namespace tapestry::test {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The line that starts with `start`, after its indent.
std::string line(const std::string& dot_text, const std::string& start) {
  std::istringstream lines(dot_text);
  for (std::string text; std::getline(lines, text);)
    if (text.substr(std::min(text.find_first_not_of(' '), text.size())).starts_with(start))
      return text;
  return {};
}

BOOST_AUTO_TEST_CASE(an_empty_overlay_changes_nothing) {
  Tape<double> tape;
  const auto loss = scalar_rnn(tape, true);
  BOOST_TEST(to_dot(loss, {.overlay = {}}) == to_dot(loss));
}

BOOST_AUTO_TEST_CASE(boxes_arrows_and_title) {
  Tape<double> tape;
  const auto x = tape.variable(2.0, "x");
  const auto y = square(x).named("y");
  const auto z = (y + x).named("z");
  DotOverlay overlay;
  overlay.values[y.index()] = {
      .color = "#112233", .fill = "#AABBCC", .width = 1.234, .note = "a < b"};
  overlay.arrows[{z.index(), 0}] = {.color = "red", .width = 12.5, .note = "4 & 5"};
  overlay.other_values.faded = overlay.other_arrows.faded = true;
  overlay.title = "<title>";
  const std::string text = to_dot(z, {.overlay = overlay});
  const std::string svg = draw(text);
  const std::string box = line(text, "n1 [");
  BOOST_TEST(has(box, "fillcolor=\"#AABBCC\", color=\"#112233\", penwidth=1.23"));
  BOOST_TEST(has(box, "<font point-size=\"9\">a &lt; b</font>"));
  const std::string arrow = line(text, "n1 -> n2");
  BOOST_TEST(has(arrow, "color=\"red\", penwidth=12.50, label=<4 &amp; 5>"));
  BOOST_TEST(has(line(text, "n0 ["), "#D5DBE1"));
  BOOST_TEST(has(line(text, "n0 -> n2"), "color=\"#D5DBE1\""));
  BOOST_TEST(has(text, "graph [label=<&lt;title&gt;>, labelloc=t"));
  BOOST_TEST(has(svg, "stroke-width=\"12.5\""));
  BOOST_TEST(has(svg, "&lt;title&gt;"));
}

BOOST_AUTO_TEST_CASE(one_mark_for_all_that_a_box_holds) {
  SmallLstm model(1);
  Tape<double> tape;
  const auto loss = model.loss(tape, 2);
  DotOverlay overlay;
  std::uint32_t last_use = 0;
  std::uint32_t second_output = 0;
  const Graph graph = snapshot(loss);
  for (const GraphNode& node : graph.nodes()) {
    if (node.name == "lstm.weight_hh_l0") last_use = node.id;
    if (node.op == "split" && node.output == 1 && second_output == 0) second_output = node.id;
  }
  overlay.values[last_use] = {.fill = "#00FF00"};
  overlay.values[second_output] = {.note = "gates"};
  const std::string text = to_dot(loss, {.overlay = overlay});
  draw(text);
  BOOST_TEST(has(text, "fillcolor=\"#00FF00\""));  // drawn once, at its first use
  BOOST_TEST(has(line(text, "n" + std::to_string(second_output - 1) + " ["),
                 "xlabel=<<font point-size=\"9\">gates</font>>"));
  const std::string uses = to_dot(loss, {.parameter_uses = true, .overlay = overlay});
  BOOST_TEST(has(line(uses, "n" + std::to_string(last_use) + " ["), "#00FF00"));
}

}  // namespace
}  // namespace tapestry::test
