// SPDX-License-Identifier: MIT
// Gradient paths: closed forms of their number, their contributions, the strongest of them.
#define BOOST_TEST_MODULE study_paths
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "allocations.hpp"
#include "errors.hpp"
#include "study_models.hpp"
#include "tapestry/study.hpp"

using namespace tapestry;
using namespace tapestry::test;

namespace {

std::uint64_t binomial(std::uint64_t n, std::uint64_t k) {
  std::uint64_t value = 1;
  for (std::uint64_t i = 1; i <= k; ++i) value = value * (n - k + i) / i;
  return value;
}

template <class T>
std::vector<std::string> texts(const Paths<T>& all) {
  std::vector<std::string> list;
  for (const auto& path : all) list.push_back(path.str());
  return list;
}

double number(const Array<double>& x) { return x(); }

/// `layers` simple layers over `steps` steps, the parameter w used once a step in the first one.
struct Stacked {
  Tape<double> tape;
  Variable<double> w, first_to_last, all;

  Stacked(std::size_t layers, std::size_t steps) {
    w = tape.variable(0.7, "w");
    std::vector<Variable<double>> h(layers);
    Variable<double> loss;
    for (std::size_t t = 1; t <= steps; ++t) {
      Variable<double> below = w * static_cast<double>(t);
      for (std::size_t l = 0; l < layers; ++l) {
        const auto in = h[l].valid() ? below + h[l] : below * 1.0;
        h[l] = in.named("h" + std::to_string(l) + "_" + std::to_string(t));
        below = h[l];
      }
      loss = loss.valid() ? loss + below : below * 1.0;
    }
    first_to_last = (h.back() * 2.0).named("last");
    all = loss.named("loss");
  }
};

/// The gradients of an LSTM over `steps` steps that ends in a loss on the last state.
PathCount lstm_paths(std::size_t steps) {
  layers::LSTM<double> lstm({.input_size = 1, .hidden_size = 1, .bias = false});
  Tape<double> tape;
  tape.set_primitive(true);
  Array<double> x = Array<double>::from_shape({steps, 1, 1});
  x.fill(0.5);
  const auto state = lstm(tape.constant(x)).state;
  const auto loss = sum(state.h).named("loss");
  return paths(lstm.weights(0).weight_hh, loss, {.primitives = true}).count();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(counting)

BOOST_AUTO_TEST_CASE(the_lab_has_n_n_plus_1_over_2_paths) {
  for (const std::size_t n : {1, 2, 3, 4, 10, 50}) {
    Lab lab(n);
    const auto all = paths(lab.U, lab.loss);
    BOOST_TEST(all.count() == n * (n + 1) / 2);
    BOOST_TEST(all.primitive_count() == n * (n + 1) / 2);
    BOOST_TEST(paths(lab.U, lab.o.back()).count() == n);
    BOOST_TEST(paths(lab.W, lab.loss).count() == n);
    // h0 is a constant here, but V h0 still uses V.
    BOOST_TEST(paths(lab.V, lab.loss).count() == n * (n + 1) / 2);
    BOOST_TEST(std::abs(all.log_count() - std::log(static_cast<double>(n * (n + 1) / 2))) < 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(stacked_layers_have_binomially_many) {
  for (const std::size_t l : {1, 2, 3, 4})
    for (const std::size_t n : {1, 2, 5, 9}) {
      Stacked net(l, n);
      BOOST_TEST(paths(net.w, net.first_to_last).count() == binomial(n + l - 1, l));
      BOOST_TEST(paths(net.w, net.all).count() == binomial(n + l, l + 1));
    }
}

BOOST_AUTO_TEST_CASE(lstm_has_4_23_114_and_so_on) {
  BOOST_TEST(lstm_paths(1) == 4u);
  BOOST_TEST(lstm_paths(2) == 23u);
  BOOST_TEST(lstm_paths(3) == 114u);
  const PathCount many = lstm_paths(100);
  BOOST_TEST(many.brief() == "1.16e68");
  BOOST_TEST(std::abs(static_cast<double>(many) / 1.16e68 - 1) < 0.005);
  // h = 4 h + c, c = 3 h + c: the growth per step is (5 + sqrt 21) / 2.
  const double growth = std::exp(many.log() - lstm_paths(99).log());
  BOOST_TEST(std::abs(growth - (5 + std::sqrt(21.0)) / 2) < 1e-12);
}

BOOST_AUTO_TEST_CASE(gru_has_5_per_step) {
  layers::GRU<double> gru({.input_size = 1, .hidden_size = 1, .bias = false});
  Tape<double> tape;
  tape.set_primitive(true);
  Array<double> x = Array<double>::from_shape({4, 1, 1});
  x.fill(0.5);
  const auto h0 = tape.variable(zeros<double>({1, 1, 1}), "h0");
  const auto result = gru(tape.constant(x), layers::HiddenState<double>{h0});
  BOOST_TEST(paths(h0, sum(result.state.h), {.primitives = true}).count() == 5u * 5 * 5 * 5);
  // Seen from h to h the routes through one step are one.
  BOOST_TEST(paths(h0, sum(result.state.h), {.names = {"h"}}).count() == 1u);
}

BOOST_AUTO_TEST_CASE(counts_by_length) {
  Lab lab(3);
  const std::vector<PathCount> counts = paths(lab.U, lab.loss).counts_by_length();
  const std::vector<PathCount> expected{0, 0, 0, 3, 2, 1};
  BOOST_TEST((counts == expected));
  BOOST_TEST(paths(lab.U, lab.loss).shortest().str() == "U -> h1 -> o1 -> L");
  BOOST_TEST(paths(lab.U, lab.loss).longest().str() == "U -> h1 -> h2 -> h3 -> o3 -> L");
}

// What is found takes memory for so many nodes; counting goes over them once, though the numbers
// get as many digits as there are nodes. (That no other work is quadratic is seen by
// overhead/growth.)
BOOST_AUTO_TEST_CASE(a_hundred_thousand_nodes_are_passed_once) {
  const auto bytes_for = [](int steps) {
    Tape<float> tape;
    const auto x = tape.variable(1.0F, "x");
    auto y = x;
    for (int i = 0; i < steps; ++i) y = (y + y * 0.5F) * 0.5F;  // two ways each
    const std::size_t bytes_before = allocated_bytes();
    const auto all = paths(x, y);
    const std::size_t bytes = allocated_bytes() - bytes_before;
    const std::size_t allocations_before = allocations();
    BOOST_TEST(std::abs(all.log_count() - steps * std::log(2.0)) < 1e-6);
    BOOST_TEST(allocations() - allocations_before < 10u * static_cast<std::size_t>(steps));
    if (steps == 33'333) BOOST_TEST(all.count().brief() == "1.71e10034");
    return bytes;
  };
  BOOST_TEST(bytes_for(33'333) < 20 * bytes_for(3'333));
}

BOOST_AUTO_TEST_CASE(an_op_that_takes_a_value_twice_has_two_arrows) {
  Tape<double> tape;
  const auto x = tape.variable(3.0, "x");
  const auto y = x * x;
  const auto all = paths(x, y);
  BOOST_TEST(all.count() == 2u);
  for (const auto& path : all) BOOST_TEST(number(path.contribution()) == 3.0);
  BOOST_TEST(number(all.total()) == 6.0);
}

BOOST_AUTO_TEST_CASE(big_numbers) {
  BOOST_TEST(PathCount(0).str() == "0");
  BOOST_TEST(PathCount(0).log() == -std::numeric_limits<double>::infinity());
  BOOST_TEST(PathCount(999'999).brief() == "999999");
  BOOST_TEST(PathCount(1'000'000).brief() == "1.00e6");
  BOOST_TEST(PathCount(9'999'999).brief() == "1.00e7");
  const PathCount big(std::vector<std::uint64_t>{0, 0, 1});  // 2^128
  BOOST_TEST(big.str() == "340282366920938463463374607431768211456");
  BOOST_TEST(static_cast<double>(big) == std::pow(2.0, 128));
  BOOST_TEST(big.log() == 128 * std::log(2.0), boost::test_tools::tolerance(1e-15));
  BOOST_TEST((big - PathCount(1)).str() == "340282366920938463463374607431768211455");
  BOOST_TEST((PathCount(1) - big) == 0u);
  BOOST_TEST((PathCount(~std::uint64_t{0}) + PathCount(1)).str() == "18446744073709551616");
  BOOST_TEST((PathCount(3) < big));
  BOOST_TEST((PathCount(3) < PathCount(4)));
  std::ostringstream text;
  text << PathCount(23);
  BOOST_TEST(text.str() == "23");
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(listing)

BOOST_AUTO_TEST_CASE(paths_of_the_lab) {
  Lab lab(3);
  const std::vector<std::string> expected{
      "U -> h1 -> o1 -> L", "U -> h1 -> h2 -> o2 -> L", "U -> h1 -> h2 -> h3 -> o3 -> L",
      "U -> h2 -> o2 -> L", "U -> h2 -> h3 -> o3 -> L", "U -> h3 -> o3 -> L"};
  const auto all = paths(lab.U, lab.loss);
  BOOST_TEST(texts(all) == expected, boost::test_tools::per_element());
  // U -> h1 -> o1 -> L by hand: 2 (o1 - 0.6) W x1 with o1 = 0.3 * 0.1 * 0.5.
  const auto first = *all.begin();
  BOOST_TEST(number(first.contribution()) == 2 * (0.015 - 0.6) * 0.3 * 0.5,
             boost::test_tools::tolerance(1e-14));
  BOOST_TEST(first.formula() == "∂L/∂o1 · ∂o1/∂h1 · ∂h1/∂U = -1.17 · 0.3 · 0.5 = -0.1755");
  BOOST_TEST(first.latex() ==
             "\\frac{\\partial L}{\\partial o_{1}}\\frac{\\partial o_{1}}{\\partial h_{1}}"
             "\\frac{\\partial h_{1}}{\\partial U}");
  BOOST_TEST(first.length() == 3u);
  BOOST_TEST(first.partials().size() == 3u);
  BOOST_TEST(number(first.partials()[1]) == 0.3);
  BOOST_TEST(all.str() == "6 paths from U to L");
  BOOST_TEST((*all.seeded(Array<double>(2.0)).begin()).formula() ==
             "∂L/∂o1 · ∂o1/∂h1 · ∂h1/∂U = 2 · -1.17 · 0.3 · 0.5 = -0.351");
  const std::string latex = all.latex();
  BOOST_TEST(latex.find("\\frac{\\mathrm{d} L}{\\mathrm{d} U}") != std::string::npos);
  BOOST_TEST(std::count(latex.begin(), latex.end(), '+') == 5);
}

BOOST_AUTO_TEST_CASE(contributions_sum_to_the_gradient) {
  for (const std::size_t n : {1, 2, 3, 7}) {
    Lab lab(n);
    lab.loss.backward();
    for (const auto& from : {lab.U, lab.V, lab.W}) {
      double sum = 0;
      double shares = 0;
      for (const auto& path : paths(from, lab.loss)) {
        sum += number(path.contribution());
        shares += path.share();
      }
      BOOST_TEST(sum == from.grad()(), boost::test_tools::tolerance(1e-13));
      if (from.grad()() == 0)  // V where there is only h0 = 0
        BOOST_TEST(std::isnan(shares));
      else
        BOOST_TEST(shares == 1.0, boost::test_tools::tolerance(1e-13));
    }
  }
}

BOOST_AUTO_TEST_CASE(single_ops_can_be_seen) {
  Lab lab(2);
  const auto all = paths(lab.U, lab.loss, {.primitives = true});
  BOOST_TEST(all.count() == 3u);
  const std::string first = (*all.begin()).str();
  BOOST_TEST(first.starts_with("U -> multiply_scalar#"));
  BOOST_TEST(first.find("-> add#") != std::string::npos);
  double sum = 0;
  for (const auto& path : all) sum += number(path.contribution());
  BOOST_TEST(sum == number(paths(lab.U, lab.loss).total()), boost::test_tools::tolerance(1e-13));
}

BOOST_AUTO_TEST_CASE(through_and_avoiding_part_the_paths) {
  Lab lab(4);
  lab.loss.backward();
  const auto all = paths(lab.U, lab.loss);
  for (const auto& v : {lab.h[0], lab.h[1], lab.h[3], lab.o[2], lab.loss, lab.U}) {
    const auto with = all.through(v);
    const auto without = all.avoiding(v);
    BOOST_TEST(with.count() + without.count() == all.count());
    BOOST_TEST(number(with.total()) + number(without.total()) == lab.U.grad()(),
               boost::test_tools::tolerance(1e-13));
    for (const std::string& text : texts(with))
      BOOST_TEST((" " + text + " ").find(" " + v.name() + " ") != std::string::npos);
  }
  BOOST_TEST(texts(all.through(lab.h[1]).avoiding(lab.h[2])) ==
                 std::vector<std::string>({"U -> h1 -> h2 -> o2 -> L", "U -> h2 -> o2 -> L"}),
             boost::test_tools::per_element());
  BOOST_TEST(all.through(lab.W).count() == 0u);
  BOOST_TEST(all.avoiding(lab.W).count() == all.count());
}

BOOST_AUTO_TEST_CASE(a_value_without_a_name_is_seen_when_asked_for) {
  Tape<double> tape;
  const auto x = tape.variable(2.0, "x");
  const auto a = x * 3.0;
  const auto h = (a + square(x)).named("h");
  const auto y = square(h).named("y");
  BOOST_TEST(texts(paths(x, y)) == std::vector<std::string>{"x -> h -> y"},
             boost::test_tools::per_element());
  BOOST_TEST(paths(x, y).primitive_count() == 2u);
  const auto through = paths(x, y).through(a);
  BOOST_TEST(texts(through) == std::vector<std::string>{"x -> multiply_scalar#" +
                                                        std::to_string(a.index()) + " -> h -> y"},
             boost::test_tools::per_element());
  BOOST_TEST(number(through.total()) == 2 * 10 * 3.0);
  BOOST_TEST(number((*paths(x, y).avoiding(a).begin()).contribution()) == 2 * 10 * 4.0);
}

BOOST_AUTO_TEST_CASE(uses_of_a_parameter_are_where_paths_begin) {
  layers::RNN<double> rnn({.input_size = 2, .hidden_size = 3});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto [output, state] = rnn(tape.constant(sample<double>({3, 2, 2})));
  const auto loss = mean(square(output)).named("loss");
  loss.backward();
  Parameter<double>& weight = rnn.weights(0).weight_hh;
  const auto all = paths(weight, loss);
  BOOST_TEST(all.count() == 6u);
  const std::vector<std::string> list = texts(all);
  BOOST_TEST(list[0] == "weight_hh_l0[0] -> h[0] -> h[1] -> h[2] -> loss");
  BOOST_TEST(list[2] == "weight_hh_l0[0] -> h[0] -> loss");
  BOOST_TEST(list[5] == "weight_hh_l0[2] -> h[2] -> loss");
  BOOST_TEST(apart(all.total(), weight.grad()) < 1e-13);
  Array<double> sum = zeros<double>({3, 3});
  for (const auto& path : all) sum += path.contribution();
  BOOST_TEST(apart(sum, weight.grad()) < 1e-13);
  BOOST_TEST(all.shortest().latex() ==
             "\\frac{\\partial \\mathrm{loss}}{\\partial h_{0}}\\frac{\\partial h_{0}}"
             "{\\partial \\mathrm{weight\\_hh\\_l0}_{0}}");
  BOOST_TEST(all.shortest().formula().starts_with(
      "∂loss/∂h[0] · ∂h[0]/∂weight_hh_l0[0] = (1×6) · (6×9), norm "));
}

BOOST_AUTO_TEST_CASE(names_do_nothing_to_latex) {
  const auto latex = [](const std::string& name) {
    Tape<double> tape;
    const auto x = tape.variable(0.5, name);
    return paths(x, exp(x).named("L")).shortest().latex();
  };
  const std::string begin = "\\frac{\\partial L}{\\partial ";
  BOOST_TEST(latex("h[3]") == begin + "h_{3}}");
  BOOST_TEST(latex("h[\\input{/etc/passwd}]") ==
             begin + "h_{\\text{\\textbackslash}input\\{/etc/passwd\\}}}");
  BOOST_TEST(latex("a]") == begin + "\\mathrm{a]}}");
  BOOST_TEST(latex("50 %_#^~") == begin +
                                      "\\mathrm{50 \\%\\_\\#\\text{\\textasciicircum}"
                                      "\\text{\\textasciitilde}}}");
  BOOST_TEST(latex("a\n\nb") == begin + "\\mathrm{a  b}}");
}

BOOST_AUTO_TEST_CASE(layers_tell_equal_names_apart) {
  layers::LSTM<double> lstm({.input_size = 2, .hidden_size = 2, .num_layers = 2});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto x = tape.variable(sample<double>({2, 1, 2}), "x");
  const auto loss = sum(lstm(x).output).named("loss");
  const auto path = paths(x, loss, {.names = {"h", "c"}}).shortest();
  BOOST_TEST(path.str() == "x -> lstm.layer 0.h[0] -> lstm.layer 1.h[0] -> loss");
  BOOST_TEST(
      path.latex() ==
      "\\frac{\\partial \\mathrm{loss}}{\\partial h^{\\text{lstm.layer 1}}_{0}}"
      "\\frac{\\partial h^{\\text{lstm.layer 1}}_{0}}{\\partial h^{\\text{lstm.layer 0}}_{0}}"
      "\\frac{\\partial h^{\\text{lstm.layer 0}}_{0}}{\\partial x}");
  BOOST_CHECK_EXCEPTION(static_cast<void>(paths(x, loss, {.names = {"hidden", "cell"}})),
                        ArgumentError,
                        says("[paths] no value between 'x' and 'loss' is named 'hidden', 'cell'"));
}

BOOST_AUTO_TEST_CASE(a_fused_node_is_looked_into) {
  layers::GRU<double> gru({.input_size = 3, .hidden_size = 2});
  Tape<double> tape;
  const auto x = tape.variable(sample<double>({3, 2, 3}), "x");
  Indices targets = Indices::from_shape({3, 2});
  targets.fill(1);
  const auto output = gru(x).output.named("output");
  const auto loss = softmax_cross_entropy(output, targets).named("loss");
  loss.backward();
  const auto all = paths(output, loss);
  BOOST_TEST(all.count() == 1u);
  BOOST_TEST(paths(x, loss, {.names = {"h"}}).count() == 6u);
  BOOST_TEST(apart(paths(x, loss).total(), x.grad()) < 1e-13);
  BOOST_TEST(verify(x, loss).holds());
}

BOOST_AUTO_TEST_CASE(it_stops_at_the_cap_and_says_so) {
  Lab lab(4);
  const auto some = paths(lab.U, lab.loss, {.cap = 3});
  std::size_t seen = 0;
  BOOST_CHECK_EXCEPTION(
      for (const auto& path
           : some) seen += path.length() > 0,
      ArgumentError,
      says("[paths] stopped after 3 of 10 paths: raise PathOptions::cap, or ask for the "
           "strongest"));
  BOOST_TEST(seen == 3u);
  auto it = paths(lab.U, lab.loss, {.cap = 1}).begin();
  BOOST_CHECK_THROW(++it, ArgumentError);
  BOOST_TEST((it == std::default_sentinel));
  BOOST_TEST(texts(paths(lab.U, lab.loss, {.cap = 10})).size() == 10u);
  const auto first = some.first(5);
  BOOST_TEST(first.size() == 3u);
  BOOST_TEST(first.left_out() == 7u);
  BOOST_TEST(first.stopped() == "PathOptions::cap is 3");
  BOOST_TEST(some.first(2).stopped() == "");
  const double whole = number(some.total());
  BOOST_TEST(number(first.sum()) + number(first.remainder()) == whole,
             boost::test_tools::tolerance(1e-13));
  const std::string text = first.str();
  BOOST_TEST(text.find("3 of 10 paths: sum ") != std::string::npos);
  BOOST_TEST(text.find("; the other 7: ") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(paths_that_are_not_there) {
  Lab lab(2);
  const auto none = paths(lab.U, lab.W * 2.0);
  BOOST_TEST(none.count() == 0u);
  BOOST_TEST(texts(none).empty());
  BOOST_TEST(number(none.total()) == 0);
  BOOST_TEST(none.strongest(3).empty());
  BOOST_TEST(none.counts_by_length().empty());
  BOOST_CHECK_THROW(static_cast<void>(none.shortest()), ArgumentError);
  const auto self = paths(lab.loss, lab.loss);
  BOOST_TEST(self.count() == 1u);
  BOOST_TEST((*self.begin()).str() == "L");
  BOOST_TEST(number((*self.begin()).contribution()) == 1);
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_CASE(the_tape_stays_as_it_is) {
  for (Studied& s : studied_models()) {
    s.loss.backward();
    const std::string before = fingerprint(*s.tape, s.parameters);
    {
      const auto all = paths(*s.recurrent, s.loss);
      static_cast<void>(all.count());
      static_cast<void>(all.primitive_count());
      static_cast<void>(all.total());
      static_cast<void>(all.first(3).str());
      static_cast<void>(all.longest().formula());
      static_cast<void>(paths(s.x, s.loss, {.names = {"h"}}).strongest(2).str());
    }
    BOOST_TEST(fingerprint(*s.tape, s.parameters) == before, s.name);
  }
}

BOOST_AUTO_TEST_CASE(drawings_of_a_path) {
  Lab lab(3);
  const auto path = paths(lab.U, lab.loss).longest();
  const std::string text = to_dot(lab.loss, {.overlay = path.overlay()});
  BOOST_TEST(text.find("color=\"#B8400E\", penwidth=2.40") != std::string::npos);
  BOOST_TEST(text.find("#D5DBE1") != std::string::npos);  // the others are faded
  BOOST_TEST(text != to_dot(lab.loss));
}
