// SPDX-License-Identifier: MIT
// What programs show of the library's objects.
#define BOOST_TEST_MODULE print
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <optional>
#include <sstream>
#include <string>

#include "comma_locale.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers.hpp"
#include "tapestry/study.hpp"

namespace tapestry::test {
namespace {

template <class X>
std::string shown(const X& x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

BOOST_AUTO_TEST_CASE(a_variable_shows_name_shape_and_value) {
  Tape<float> tape;
  const auto x = tape.variable({1, -2.5, 3}, "x");
  BOOST_TEST(shown(x) == "x (3,) = {   1, -2.5,    3}");
  BOOST_TEST(shown(sum(x).named("loss")) == "loss = 1.5");
  BOOST_TEST(shown(2 * x) == "multiply_scalar (3,) = { 2, -5,  6}");
  BOOST_TEST(shown(tape.constant({{1, 2}, {3, 4}}, "grid")) == "grid (2, 2) =\n{{1, 2},\n {3, 4}}");
  BOOST_TEST(shown(tape.constant({{{1}, {2}}, {{3}, {4}}}, "c")) ==
             "c (2, 2, 1) =\n{{{1},\n  {2}},\n\n {{3},\n  {4}}}");
  BOOST_TEST(shown(tape.zeros({2, 0})) == "constant (2, 0) = {}");
  BOOST_TEST(shown(tape.constant({1e-9, NAN, INFINITY}, "odd")) ==
             "odd (3,) = {1e-09,   nan,   inf}");
  BOOST_TEST(shown(tape.constant(0.1F)) == "constant = 0.1");
}

BOOST_AUTO_TEST_CASE(large_arrays_are_shortened_and_rows_are_wrapped) {
  Tape<double> tape;
  BOOST_TEST(shown(tape.arange(1001).named("n")) ==
             "n (1001,) = {   0,    1,    2, ...,  998,  999, 1000}");
  BOOST_TEST(shown(tape.zeros({500, 4}).named("z")) ==
             "z (500, 4) =\n{{0, 0, 0, 0},\n {0, 0, 0, 0},\n {0, 0, 0, 0},\n ...,\n"
             " {0, 0, 0, 0},\n {0, 0, 0, 0},\n {0, 0, 0, 0}}");
  const std::string wrapped = shown(tape.arange(100).named("row"));
  std::istringstream lines(wrapped);
  std::string line;
  std::getline(lines, line);
  BOOST_TEST(line == "row (100,) =");
  while (std::getline(lines, line)) BOOST_TEST(line.size() <= 80u);
  BOOST_TEST(wrapped.find("...") == std::string::npos);
  BOOST_TEST(wrapped.ends_with("98, 99}"));
}

BOOST_AUTO_TEST_CASE(a_variable_without_a_value_says_why) {
  std::optional<Tape<float>> tape(std::in_place);
  BOOST_TEST(shown(Variable<float>()) == "variable: [print] this variable refers to nothing");
  const auto x = tape->variable(1.0F, "x");
  tape->clear();
  BOOST_TEST(shown(x).starts_with("variable: [print] "));
  tape.reset();
  BOOST_TEST(shown(x).starts_with("variable: [print] "));
}

BOOST_AUTO_TEST_CASE(text_is_the_same_in_every_locale) {
  const CommaLocale comma;
  Tape<float> tape;
  BOOST_TEST(shown(tape.constant({0.5, 1234.5}, "x")) == "x (2,) = {   0.5, 1234.5}");
}

BOOST_AUTO_TEST_CASE(names_cannot_move_the_cursor) {
  Tape<float> tape;
  BOOST_TEST(shown(tape.constant(1.0F, "a\x1B[2J")).find('\x1B') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(shapes_parameters_and_tapes) {
  BOOST_TEST(shown(Shape{2, 3}) == "(2, 3)");
  BOOST_TEST(shown(Array<float>{{1, 2}}.shape()) == "(1, 2)");
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  BOOST_TEST(shown(x.shape()) == "(2,)");
  BOOST_TEST(shown(x.value().shape()) == "(2,)");
  Parameter<double> w({{1, 2}}, "w");
  BOOST_TEST(shown(w) == "w (1, 2) = {{1, 2}}");
  BOOST_TEST(shown(Parameter<float>(0.5F)) == "parameter = 0.5");
  const Parameter<double> moved = std::move(w);
  BOOST_TEST(shown(w) == "parameter: was moved from");  // NOLINT(bugprone-use-after-move)
  const auto y = x + x;
  BOOST_TEST(shown(tape).starts_with("tape of 2 values and 1 op, "));
  tape.set_recording(false);
  BOOST_TEST(shown(tape).ends_with(" KiB, not recording"));
}

BOOST_AUTO_TEST_CASE(reports) {
  const auto cube = [](const auto& x) { return x * x * x; };
  const Array<double> at{0.5, -1.5};
  const auto passed = gradcheck(cube, at);
  BOOST_TEST(shown(passed).starts_with("passed, largest error "));
  BOOST_TEST(shown(passed).size() < 40u);
  const auto wrong = [](const auto& x) { return x * x.detach(); };
  BOOST_TEST(shown(gradcheck(wrong, at)).starts_with("failed: derivative of output element "));
  const auto random = [](const auto& x) { return dropout(x, 0.5); };
  BOOST_TEST(
      shown(gradcheck(random, ones<double>({50}))).starts_with("failed: the function is random"));
  StateSpectrum spectrum;
  spectrum.steps.resize(4);
  spectrum.exponents = {-1};
  spectrum.realised = -1;
  BOOST_TEST(shown(spectrum) == spectrum.verdict());
  BOOST_TEST(
      shown(std::vector<ParameterHealth>{{.name = "w", .size = 1}}).starts_with("parameter"));
}

#ifdef __cpp_lib_format
BOOST_AUTO_TEST_CASE(format_gives_the_same_text) {
  Tape<float> tape;
  const auto x = tape.variable({1, 2}, "x");
  BOOST_TEST(std::format("{}", x) == "x (2,) = {1, 2}");
  BOOST_TEST(std::format("{:>6}|{}", x.shape(), tape) == "  (2,)|" + shown(tape));
}
#endif

}  // namespace
}  // namespace tapestry::test
