// SPDX-License-Identifier: MIT
// Pictures of studies: what is in them, and what happens when they cannot be drawn.
#define BOOST_TEST_MODULE pictures
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>

#include "drawn_models.hpp"
#include "errors.hpp"
#include "graphviz.hpp"
#include "time_models.hpp"

using namespace tapestry;
using namespace tapestry::test;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

void expect_svg(const std::string& svg) {
  BOOST_TEST(count(svg, "<svg") == 1u);
  BOOST_TEST(svg.find("</svg>") != std::string::npos);
}

/// Nothing is found in PATH while it lives.
class EmptyPath {
 public:
  EmptyPath() : before_(std::getenv("PATH")) { setenv("PATH", "/nowhere", 1); }
  ~EmptyPath() { setenv("PATH", before_.c_str(), 1); }

 private:
  std::string before_;
};

struct Studied {
  Tape<double> tape;
  TimeTable table;
  StateSpectrum spectrum;

  Studied() {
    seed(2);
    tape.set_primitive(true);
    const StudyModel model = rnn_model();
    const auto terms = model.run(tape, {});
    table = time_table(terms, *model.studied[1]);
    spectrum = state_spectrum(find_states(terms[0].loss, {"h"}));
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(heat_maps_have_a_cell_for_each_path) {
  const Studied studied;
  const std::string norms =
      heat_map_svg(studied.table, HeatMapOf::log_norm, {.title = "a < b & 'c'"});
  expect_svg(norms);
  BOOST_TEST(norms.find("a &lt; b &amp; 'c'") != std::string::npos);
  BOOST_TEST(norms.find("use at step k") != std::string::npos);
  const std::string shares = heat_map_svg(studied.table, HeatMapOf::share);
  expect_svg(shares);
  BOOST_TEST(shares.find("share of the gradient") != std::string::npos);
  // h_{-1} = 0, so the first column of the recurrent weight is empty: 15 of the 21 cells are left,
  // and the boxes of the color scale come with them.
  BOOST_TEST(count(norms, "<polygon") >= 15u);
  save_heat_map(studied.table, "heat_map.svg");
  expect_svg(read_text("heat_map.svg"));
}

BOOST_AUTO_TEST_CASE(curves_name_what_they_compare) {
  const Studied studied;
  const std::string lags = lag_curve_svg({{"one", studied.table}, {"x^2_{y} @", studied.table}});
  expect_svg(lags);
  BOOST_TEST(lags.find("━━ one<") != std::string::npos);
  BOOST_TEST(lags.find("━━ x^2_{y} @<") != std::string::npos);
  const std::string spectrum = spectrum_svg({{"an RNN", studied.spectrum}});
  expect_svg(spectrum);
  BOOST_TEST(spectrum.find("━━ an RNN<") != std::string::npos);
  BOOST_TEST(spectrum.find("Lyapunov") != std::string::npos);
  save_lag_curve({{"one", studied.table}}, "lags.svg");
  save_spectrum({{"one", studied.spectrum}}, "spectrum.svg");
  expect_svg(read_text("lags.svg"));
  expect_svg(read_text("spectrum.svg"));
}

BOOST_AUTO_TEST_CASE(curves_of_any_kind) {
  const double nan = std::nan("");
  const std::vector<double> x{0, 1, 2, 3, 4, 5};
  const Curve whole{.name = "a_1 <'b'>", .x = x, .y = {3, 2, 1, 1, 1, 2}, .color = 1};
  const Curve parted{.x = x, .y = {1, 2, nan, 4, INFINITY, 1}, .dashed = true};
  const std::string svg =
      curves_svg({whole, parted},
                 {.title = "t_1", .width = 300, .height = 200, .x_label = "x_1", .y_label = "y^2"});
  expect_svg(svg);
  BOOST_TEST(svg.find("viewBox=\"0 0 300 200\"") != std::string::npos);
  for (const char* text : {">a_1 &lt;'b'><", ">t_1<", ">x_1<", ">y^2<"})
    BOOST_TEST(svg.find(text) != std::string::npos, text);
  BOOST_TEST(count(svg, "stroke-dasharray") == 1u);  // two points; what is left has no neighbour
  BOOST_TEST(count(svg, "'#gpPt6'") == 2u);
  BOOST_TEST(count(svg, "stroke='rgb(213,  94,   0)'") == 2u);  // and its sample in the legend
  const std::string logarithmic = curves_svg({{"e", x, {100, 10, 0, -1, 0.1, 1}}}, {.log_y = true});
  BOOST_TEST(logarithmic != curves_svg({{"e", x, {100, 10, 0, -1, 0.1, 1}}}));
  // A loss has more marks than powers of ten.
  const std::string loss = curves_svg({{"e", {1, 2, 3}, {3.6, 2.0, 1.4}}}, {.log_y = true});
  for (const char* mark : {">1.5<", ">2<", ">2.5<", ">3<", ">3.5<"})
    BOOST_TEST(loss.find(mark) != std::string::npos, mark);
  for (const bool log_y : {false, true}) {  // nothing to fill an axis with
    expect_svg(curves_svg({{"flat", x, {2, 2, 2, 2, 2, 2}}}, {.log_y = log_y}));
    expect_svg(curves_svg({{"nearly", {1e9, 1e9 + 1e-6}, {1.5, 1.5 + 1e-15}}}, {.log_y = log_y}));
    expect_svg(curves_svg({{"origin", {0}, {log_y ? 1e-9 : 0}}}, {.log_y = log_y}));
  }
  save_curves({whole}, "curves.svg");
  BOOST_TEST(read_text("curves.svg") == curves_svg({whole}));
}

BOOST_AUTO_TEST_CASE(curves_with_any_name) {
  const std::vector<double> x{0, 1, 2};
  const std::vector<std::pair<std::string, std::string>> names{
      {"'tis", "'tis"},
      {"''", "''"},
      {"'90s", "'90s"},
      {"a''b'", "a''b'"},
      {"\"quoted\"", "&quot;quoted&quot;"},
      {"`date` $(date)", "`date` $(date)"},
      {"b\\n %d @x #1 {a}^b ~", "b\\n %d @x #1 {a}^b ~"},
      {"two\nlines\x1B[2J", "two lines\xEF\xBF\xBD[2J"},
      {"bad \xFF byte", "bad \xEF\xBF\xBD byte"},
      {std::string(66, 'x'), std::string(66, 'x')}};
  for (const auto& [name, shown] : names) {
    const std::string svg = curves_svg({{name, x, {3, 2, 1}}, {"other", x, {1, 2, 3}}},
                                       {.title = name, .x_label = name, .y_label = name});
    expect_svg(svg);
    std::string text = shown;  // gnuplot need not replace quotation marks
    if (svg.find(text) == std::string::npos)
      for (std::size_t at; (at = text.find("&quot;")) != std::string::npos;)
        text.replace(at, 6, "\"");
    BOOST_TEST(count(svg, ">" + text + "<") >= 4u, name.substr(0, 100));
  }
  const std::string endless(100'000, 'x');
  for (const unsigned width : {0U, 200U, 300U, 1200U})  // names fit into narrow pictures, too
    expect_svg(curves_svg({{endless, x, {3, 2, 1}}, {endless, x, {1, 2, 3}}},
                          {.title = endless, .width = width, .x_label = endless}));
  const Studied studied;
  expect_svg(lag_curve_svg({{"'tis", studied.table}, {"''", studied.table}}, {.title = "'tis"}));
  expect_svg(spectrum_svg({{"'tis", studied.spectrum}}));
  expect_svg(heat_map_svg(studied.table, HeatMapOf::share, {.title = "'tis"}));
}

BOOST_AUTO_TEST_CASE(curves_that_cannot_be) {
  const auto expect = [](const std::vector<Curve>& curves, const std::string& text) {
    BOOST_CHECK_EXCEPTION((void)curves_svg(curves, {.log_y = true}), ArgumentError,
                          says("[curves_svg] " + text));
  };
  expect({}, "there are no curves");
  expect({{"ok", {1}, {1}}, {"b", {1, 2}, {1}}}, "curve 'b' has 2 x and 1 y");
  expect({{"a", {1, 2, std::nan("")}, {-1, 0, 1}}, {"b"}},
         "no curve has a point that can be drawn");
  expect({{.name = "c", .x = {1}, .y = {1}, .color = -2}},
         "curve 'c' has the color -2, which is below -1");
  BOOST_CHECK_EXCEPTION(save_curves({}, "none.svg"), ArgumentError,
                        says("[save_curves] there are no curves"));
  BOOST_TEST(!std::filesystem::exists("none.svg"));
}

BOOST_AUTO_TEST_CASE(of_nothing) {
  BOOST_CHECK_THROW((void)heat_map_svg(TimeTable{}), ArgumentError);
  BOOST_CHECK_EXCEPTION((void)lag_curve_svg({}), ArgumentError,
                        says("[lag_curve_svg] there are no tables"));
  BOOST_CHECK_EXCEPTION((void)spectrum_svg({}), ArgumentError,
                        says("[spectrum_svg] there are no spectra"));
}

BOOST_AUTO_TEST_CASE(say_which_program_is_missing) {
  const Studied studied;
  std::filesystem::remove("missing.svg");
  const EmptyPath nothing;
  BOOST_CHECK_EXCEPTION(save_heat_map(studied.table, "missing.svg"), FileError,
                        says("[save_heat_map] the program 'gnuplot' is not installed: this picture "
                             "needs it (Debian: apt-get install gnuplot-nox)"));
  Tape<double> tape;
  tape.set_primitive(true);
  BOOST_CHECK_EXCEPTION(save_svg(scalar_rnn(tape, true), "missing.svg"), FileError,
                        says("[save_svg] the program 'dot' is not installed: this picture needs it "
                             "(Debian: apt-get install graphviz)"));
  BOOST_TEST(!std::filesystem::exists("missing.svg"));
}

BOOST_AUTO_TEST_CASE(graphs_in_one_call) {
  Tape<double> tape;
  const auto loss = scalar_rnn(tape, true);
  const std::string svg = to_svg(loss);
  expect_svg(svg);
  BOOST_TEST(svg.find(">h3<") != std::string::npos);
  save_svg(loss, "graph.svg");
  BOOST_TEST(read_text("graph.svg") == svg);
  BOOST_CHECK_THROW(save_svg(loss, "no/such/folder.svg"), FileError);
}

BOOST_AUTO_TEST_CASE(backward_pass_as_a_graph) {
  Tape<double> tape;
  const auto loss = scalar_rnn(tape, true);
  loss.backward();
  const std::size_t size = tape.size();
  const auto find = [&](const Graph& graph, std::string_view name) {
    for (std::size_t i = 0; i < graph.size(); ++i)
      if (graph[i].name == name) return i;
    BOOST_FAIL("no " << name);
    return std::size_t{0};
  };
  const Graph graph = backward_graph(loss, {}, {.values = true});
  BOOST_TEST(tape.size() == size);
  BOOST_TEST(graph.roots().size() == 3u);
  for (const char* name : {"U", "V", "W"}) {
    const auto leaf = Variable<double>(tape.state(), graph[find(graph, name)].id);
    const std::size_t root = find(graph, std::string("∂L/∂") + name);
    BOOST_TEST(graph[root].root);
    BOOST_TEST(std::abs(graph.value(root).elements[0] - leaf.grad()()) < 1e-14);
  }
  draw(to_dot(graph));
  const Variable<double> U(tape.state(), graph[find(graph, "U")].id);
  BOOST_TEST(backward_graph(loss, {U}).roots().size() == 1u);
  BOOST_CHECK_THROW(backward_graph(tape.constant(1.0)), GradientError);
}

BOOST_AUTO_TEST_CASE(repeated_steps_rolled_up) {
  layers::LSTM<double> lstm({.input_size = 2, .hidden_size = 3, .num_layers = 2});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto loss = sum(lstm(tape.constant(sample<double>({50, 1, 2}), "x")).output).named("loss");
  const std::string rolled = to_dot(loss, {.roll_steps = true});
  BOOST_TEST(count(rolled, "step 1 … 49  ⟳ ×49") == 2u);
  BOOST_TEST(count(rolled, "label=<step 0>") == 2u);
  BOOST_TEST(count(rolled, "label=<step 17>") == 0u);
  BOOST_TEST(count(rolled, "constraint=false") == 4u);  // h and c of two layers
  BOOST_TEST(count(rolled, "left out") == 0u);
  draw(rolled);
  const std::string unrolled = to_dot(loss, {.max_nodes = 5000});
  BOOST_TEST(count(unrolled, "⟳") == 0u);
  BOOST_TEST(count(unrolled, "label=<step 17>") == 2u);
  BOOST_TEST(rolled.size() < unrolled.size() / 10);
}

BOOST_AUTO_TEST_CASE(only_steps_that_are_the_same_are_rolled_up) {
  Tape<double> tape;
  const auto w = tape.variable(0.5, "w");
  auto h = tape.constant(0.1, "h0");
  for (std::size_t t = 0; t < 20; ++t) {
    const auto step = tape.step(t);
    h = (t == 10 ? sigmoid(w * h) : tanh(w * h)).named("h" + std::to_string(t));
  }
  const std::string text = to_dot(h, {.roll_steps = true});
  BOOST_TEST(count(text, "step 1 … 9  ⟳ ×9") == 1u);
  BOOST_TEST(count(text, "step 11 … 18  ⟳ ×8") == 1u);
  BOOST_TEST(count(text, "label=<step 10>") == 1u);
  BOOST_TEST(count(text, "label=<step 19>") == 1u);  // has the root
  draw(text);
}

BOOST_AUTO_TEST_CASE(rolls_of_both_directions_meet_where_they_end) {
  layers::RNN<double> rnn({.input_size = 2, .hidden_size = 3, .bidirectional = true});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto loss = sum(rnn(tape.constant(sample<double>({9, 1, 2}), "x")).output);
  const std::string text = to_dot(loss, {.roll_steps = true});
  BOOST_TEST(count(text, "step 1 … 8  ⟳ ×8") == 1u);
  BOOST_TEST(count(text, "step 7 … 0  ⟳ ×8") == 1u);
  BOOST_TEST(count(text, "step 1 … 7  ⟳ ×7") == 1u);  // where both are joined
  draw(text);
}

BOOST_AUTO_TEST_CASE(steps_that_read_two_back_are_not_rolled_up) {
  Tape<double> tape;
  const auto w = tape.variable(0.5, "w"), v = tape.variable(0.25, "v");
  std::vector<Variable<double>> h{tape.constant(0.1, "h0"), tape.constant(0.2, "h1")};
  for (std::size_t t = 2; t < 20; ++t) {
    const auto step = tape.step(t);
    h.push_back(tanh(w * h[t - 1] + v * h[t - 2]).named("h" + std::to_string(t)));
  }
  const std::string text = to_dot(h.back(), {.roll_steps = true});
  BOOST_TEST(count(text, "⟳") == 0u);
  BOOST_TEST(count(text, "subgraph cluster_") == 18u);
  BOOST_TEST(text == to_dot(h.back()));
  // Two steps of another loop are as far apart.
  std::vector<Variable<double>> above{tape.constant(0.1, "k0")};
  const auto scope = tape.scope("above");
  for (std::size_t t = 2; t < 20; ++t) {
    const auto step = tape.step(t);
    above.push_back(tanh(above.back() + w * h[t] + v * h[t - 1]).named("k" + std::to_string(t)));
  }
  BOOST_TEST(count(to_dot(above.back(), {.roll_steps = true}), "⟳") == 0u);
}

BOOST_AUTO_TEST_CASE(activations_over_text) {
  const std::vector<std::string> tokens{"a", "<", "\n", "“ü”"};
  Array<double> values = zeros<double>({4, 2, 3});
  for (std::size_t t = 0; t < 4; ++t) values(t, 1, 2) = t == 1 ? -2.0 : 1.0;
  const std::string page = activation_html(tokens, values, {.title = "x & y", .sequence = 1});
  BOOST_TEST(page.find("<h1>x &amp; y</h1>") != std::string::npos);
  BOOST_TEST(count(page, "<h2>unit ") == 3u);
  BOOST_TEST(page.find("unit 2") < page.find("unit 0"));  // the one that varies comes first
  BOOST_TEST(page.find("<span style=\"background:rgba(0,114,178,1)\">&lt;</span>") !=
             std::string::npos);
  BOOST_TEST(page.find("<span style=\"background:rgba(213,94,0,0.5)\">“ü”</span>") !=
             std::string::npos);
  BOOST_TEST(page.find("[50,-100,50,50,]") != std::string::npos);
  BOOST_TEST(page.find("http") == std::string::npos);  // needs nothing from elsewhere
  save_activations(tokens, values, "page.html", {.units = {1}});
  BOOST_TEST(count(read_text("page.html"), "<h2>unit ") == 1u);
  BOOST_CHECK_EXCEPTION((void)activation_html({"a"}, values), ShapeError,
                        says("[activation_html] activations (4, 2, 3) must have shape (T, H) or "
                             "(T, B, H), with T = 1 tokens and at least one unit"));
  BOOST_CHECK_EXCEPTION((void)activation_html(tokens, values, {.units = {3}}), IndexError,
                        says("[activation_html] there is no unit 3 among 3"));
  BOOST_CHECK_EXCEPTION((void)activation_html(tokens, values, {.sequence = 2}), IndexError,
                        says("[activation_html] there is no sequence 2 among 2"));
}
