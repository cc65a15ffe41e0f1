// SPDX-License-Identifier: MIT
// Partial and total derivatives, the flow of gradients, their split by crossings, and `verify`.
#define BOOST_TEST_MODULE study_flow
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "errors.hpp"
#include "graphviz.hpp"
#include "study_models.hpp"
#include "tapestry/study.hpp"

using namespace tapestry;
using namespace tapestry::test;

namespace {

/// How close two numbers must be, relative to them.
auto within(double difference) { return boost::test_tools::tolerance(difference); }

double norm_of(const Array<double>& x) {
  return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(derivatives)

BOOST_AUTO_TEST_CASE(partial_and_total_side_by_side) {
  Lab lab(3);
  // h2 = U x2 + V h1: at once x2, in all x2 + V x1.
  BOOST_TEST(partial(lab.h[1], lab.U)() == 0.6, within(1e-15));
  BOOST_TEST(total(lab.h[1], lab.U)() == 0.6 + 0.2 * 0.5, within(1e-15));
  BOOST_TEST(partial(lab.h[2], lab.h[0])() == 0.0);  // by way of h2 only
  BOOST_TEST(total(lab.h[2], lab.h[0])() == 0.2 * 0.2, within(1e-15));
  BOOST_TEST(partial(lab.h[2], lab.U, {lab.h[0]})() == 0.7 + 0.2 * 0.6, within(1e-15));
  BOOST_TEST(partial(lab.h[2], lab.U, {lab.h[0], lab.h[1]})() == 0.7, within(1e-15));
}

// The lab's question: ∂h1/∂U(1,1) is zero, since the first element of x1 is.
BOOST_AUTO_TEST_CASE(of_a_vector_by_a_matrix) {
  Tape<double> tape;
  const auto U = tape.variable({{-0.3, 0.6}, {0.2, 0.1}}, "U");
  const auto V = tape.variable({{0.4, 0.4}, {0.9, -0.7}}, "V");
  const auto x1 = tape.constant({0.0, 1.0});
  const auto x2 = tape.constant({0.3, 0.4});
  const auto h1 = relu(matmul(U, x1) + matmul(V, tape.constant({0.0, 0.0}))).named("h1");
  const auto h2 = relu(matmul(U, x2) + matmul(V, h1)).named("h2");
  const Array<double> at_once = partial(h1, U);
  const Array<double> expected{{{0, 1}, {0, 0}}, {{0, 0}, {0, 1}}};
  BOOST_TEST(apart(at_once, expected) < 1e-15);
  BOOST_TEST((Shape(at_once.shape()) == Shape{2, 2, 2}));
  BOOST_TEST(apart(total(h1, U), expected) < 1e-15);
  const Array<double> by_jacobian = jacobian(h2, U).value();
  BOOST_TEST(apart(total(h2, U), by_jacobian) < 1e-14);
  const Array<double> h2_at_once{{{0.3, 0.4}, {0, 0}}, {{0, 0}, {0.3, 0.4}}};
  BOOST_TEST(apart(partial(h2, U), h2_at_once) < 1e-15);
}

BOOST_AUTO_TEST_CASE(by_a_parameter) {
  layers::RNN<double> rnn({.input_size = 2, .hidden_size = 2});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto x = tape.variable(sample<double>({3, 1, 2}), "x");
  const auto result = rnn(x);
  const auto last = result.state.h;
  Parameter<double>& weight = rnn.weights(0).weight_ih;
  Array<double> rows = zeros<double>({1, 1, 2, 2, 2});
  for (std::size_t j = 0; j < 2; ++j) {
    weight.zero_grad();
    Array<double> one = zeros<double>({1, 1, 2});
    one.data()[j] = 1;
    last.backward(one);
    std::copy_n(weight.grad().data(), 4, rows.data() + 4 * j);
  }
  BOOST_TEST(apart(total(last, weight), rows) < 1e-13);
  const Array<double> at_once = partial(last, weight);  // holds all h constant: nothing is left
  BOOST_TEST(norm_of(at_once) == 0.0);
}

BOOST_AUTO_TEST_CASE(that_cannot_be) {
  Lab lab(1);
  const auto c = lab.tape.constant(1.0);
  BOOST_CHECK_THROW(static_cast<void>(partial(lab.loss, c)), GradientError);
  BOOST_CHECK_THROW(static_cast<void>(total(c, lab.U)), GradientError);
  const auto wide = lab.tape.variable(zeros<double>({1, 1, 1, 1, 1}));
  const auto y = wide * 2.0;
  BOOST_CHECK_THROW(static_cast<void>(total(y, wide)), ShapeError);
  BOOST_TEST(total(lab.o[0], lab.V)() == 0.0);
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(flow)

BOOST_AUTO_TEST_CASE(is_what_the_paths_through_a_value_contribute) {
  Lab lab(4);
  lab.loss.backward();
  const auto flow = gradient_flow(lab.U, lab.loss);
  const auto all = paths(lab.U, lab.loss);
  BOOST_TEST(flow.total() == lab.U.grad()(), within(1e-13));
  for (const auto& v : {lab.h[0], lab.h[1], lab.h[3], lab.o[0], lab.o[3], lab.loss, lab.U})
    BOOST_TEST(flow.of(v) == all.through(v).total()(), within(1e-13));
  BOOST_TEST(flow.of(lab.W) == 0.0);
  BOOST_TEST(flow.imbalance() < 1e-15);
}

BOOST_AUTO_TEST_CASE(is_conserved_in_all_models) {
  for (Studied& s : studied_models()) BOOST_TEST_CONTEXT(s.name) {
      s.loss.backward();
      for (Parameter<double>* parameter : s.parameters) {
        const auto flow = gradient_flow(*parameter, s.loss);
        BOOST_TEST(flow.imbalance() < 1e-12);
        BOOST_TEST(flow.total() == norm_of(std::as_const(*parameter).grad()), within(1e-11));
      }
      const auto flow = gradient_flow(s.x, s.loss);
      for (std::uint32_t id = s.x.index(); id < s.loss.index(); ++id)
        BOOST_TEST(flow.cut(id) == flow.total(), within(1e-11));
    }
}

// What crosses from step j into the next is what uses up to step j contribute to later losses.
BOOST_AUTO_TEST_CASE(across_time) {
  seed(5);
  layers::RNN<double> rnn({.input_size = 2, .hidden_size = 3});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto output = rnn(tape.constant(sample<double>({4, 2, 2}))).output;
  const auto terms = square(output);
  const auto loss = sum(terms).named("loss");
  Parameter<double>& weight = rnn.weights(0).weight_ih;
  const auto flow = gradient_flow(weight, loss);
  loss.backward();
  Array<double> d = weight.grad();
  d /= norm_of(d);
  for (std::int64_t j = 0; j < 3; ++j) {
    double expected = 0;
    for (const auto& path : paths(weight, loss, {.names = {"h"}})) {
      const auto values = path.values();
      const std::int64_t use = values[0].step;
      const std::int64_t last = values[values.size() - 2].step;
      const Array<double> c = path.contribution();
      if (use <= j && last > j) expected += std::inner_product(c.begin(), c.end(), d.begin(), 0.0);
    }
    BOOST_TEST(flow.across_step(j) == expected, within(1e-11));
  }
}

BOOST_AUTO_TEST_CASE(along_a_direction) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto y = square(x).named("y");
  const auto flow =
      gradient_flow(x, y, {.direction = Array<double>{1.0, 0.0}, .seed = Array<double>{3.0, 5.0}});
  BOOST_TEST(flow.total() == 6.0);
  BOOST_CHECK_THROW(static_cast<void>(gradient_flow(x, y)), GradientError);
  BOOST_CHECK_THROW(static_cast<void>(gradient_flow(x, y, {.seed = Array<double>{1.0}})),
                    ShapeError);
  BOOST_CHECK_THROW(static_cast<void>(gradient_flow(x, sum(y), {.direction = Array<double>{1.0}})),
                    ShapeError);
}

BOOST_AUTO_TEST_CASE(outlives_the_tape) {
  Lab lab(2);
  const auto flow = gradient_flow(lab.U, lab.loss);
  const double total = flow.total();
  lab.tape.clear();
  BOOST_TEST(flow.total() == total);
  BOOST_TEST(
      flow.str().starts_with("flow of the gradient of L with respect to U, total -0.46068\n"));
  BOOST_TEST(flow.arrows().size() > 5u);
  BOOST_CHECK_THROW(static_cast<void>(flow.of(lab.U)), StaleVariable);
}

BOOST_AUTO_TEST_CASE(is_drawn) {
  Lab lab(3);
  lab.loss.backward();
  const std::string svg =
      draw(to_dot(lab.loss, {.overlay = gradient_flow(lab.U, lab.loss).overlay()}));
  BOOST_TEST(svg.find("flow of the gradient of L with respect to U") != std::string::npos);
  BOOST_TEST(svg.find("stroke-width=\"5.3\"") != std::string::npos);
  draw(to_dot(lab.loss, {.overlay = gradient_norms(lab.loss).overlay()}));
  for (Studied& s : studied_models()) {
    draw(to_dot(s.loss, {.overlay = gradient_flow(*s.recurrent, s.loss).overlay()}));
    draw(to_dot(s.loss, {.overlay = gradient_norms(s.loss).overlay()}));
    draw(to_dot(s.loss, {.overlay = paths(*s.recurrent, s.loss).longest().overlay()}));
  }
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(split_by_crossings)

BOOST_AUTO_TEST_CASE(of_an_lstm_carousel_and_detours) {
  seed(11);
  layers::LSTM<double> lstm({.input_size = 2, .hidden_size = 3});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto h0 = tape.constant(zeros<double>({1, 2, 3}), "h0");
  const auto c0 = tape.variable(sample<double>({1, 2, 3}, 9), "c0");
  const layers::CellState<double> start{h0, c0};
  const auto run = lstm(tape.constant(sample<double>({5, 2, 2})), start);
  const auto loss = sum(run.state.c).named("loss");
  loss.backward();
  const auto spectrum = crossings(c0, loss, leaving("h"));
  BOOST_TEST(apart(spectrum.gradient(), c0.grad()) < 1e-13);
  Array<double> carousel = zeros<double>({2, 3});
  carousel.fill(1.0);
  const Graph graph = snapshot(loss, {.values = true});
  for (std::size_t position = 0; position < graph.size(); ++position) {
    if (graph[position].name != "f") continue;
    const auto values = graph.value(position).elements;
    for (std::size_t k = 0; k < 6; ++k) carousel.data()[k] *= values[k];
  }
  BOOST_TEST(apart(spectrum[0], carousel) < 1e-13);  // the product of the forget gates
  Array<double> sum_of_terms = zeros<double>({1, 2, 3});
  double shares = spectrum.rest_share();
  for (std::size_t m = 0; m < spectrum.size(); ++m) {
    sum_of_terms += spectrum[m];
    shares += spectrum.share(m);
  }
  BOOST_TEST(apart(sum_of_terms, c0.grad()) < 1e-13);  // five steps: none is beyond
  BOOST_TEST(norm_of(spectrum.rest()) == 0.0);
  BOOST_TEST(norm_of(spectrum[4]) > 0.0);
  BOOST_TEST(norm_of(spectrum[5]) == 0.0);
  BOOST_TEST(shares == 1.0, within(1e-12));
  BOOST_TEST(apart(spectrum.at(0), spectrum[0]) < 1e-13);
  BOOST_TEST(apart(spectrum.at(1), c0.grad()) < 1e-13);
  Array<double> half = zeros<double>({1, 2, 3});
  for (std::size_t m = 0; m < spectrum.size(); ++m)
    half += spectrum[m] * std::pow(0.5, static_cast<double>(m));
  BOOST_TEST(apart(spectrum.at(0.5), half) < 1e-13);
  const auto short_one = crossings(c0, loss, leaving("h"), {.most = 1});
  BOOST_TEST(short_one.size() == 2u);
  BOOST_TEST(apart(short_one[1], spectrum[1]) < 1e-13);
  BOOST_TEST(norm_of(short_one.rest()) > 0.0);
  BOOST_TEST(apart(short_one.gradient(), c0.grad()) < 1e-13);
  BOOST_TEST(apart(short_one.at(0.5), half) < 1e-13);
  BOOST_CHECK_THROW(static_cast<void>(short_one[2]), IndexError);
}

// Steps between a use of U and the loss it changes: the terms of lag m.
BOOST_AUTO_TEST_CASE(of_the_lab_by_lag) {
  Lab lab(4);
  const auto between_states = [](const StudyValue& from, const StudyValue& to) {
    return from.name.starts_with("h") && !to.name.starts_with("o");
  };
  const auto spectrum = crossings(lab.U, lab.loss, between_states);
  double lag1 = 0;
  for (const auto& path : paths(lab.U, lab.loss))
    if (path.length() == 4) lag1 += path.contribution()();
  BOOST_TEST(spectrum[1]() == lag1, within(1e-13));
  const std::string text = spectrum.str();
  BOOST_TEST(text.find("marked arrows") != std::string::npos);
  BOOST_TEST(text.find("all: the gradient") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(that_cannot_be) {
  Lab lab(2);
  BOOST_CHECK_THROW(static_cast<void>(crossings(lab.U, lab.loss, ArrowMark())), ArgumentError);
  const auto y = square(lab.tape.variable({1.0, 2.0}, "x"));
  const auto x = lab.tape.variable({1.0, 2.0}, "x");
  BOOST_CHECK_THROW(static_cast<void>(crossings(x, square(x), leaving("h"))), GradientError);
  const auto spectrum = crossings(lab.U, lab.loss, leaving("h1"));
  lab.tape.clear();
  BOOST_TEST(spectrum.gradient()() != 0.0);
  BOOST_CHECK_THROW(static_cast<void>(spectrum.at(0.5)), StaleVariable);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(norms_of_gradients) {
  for (Studied& s : studied_models()) {
    const auto norms = gradient_norms(s.loss);
    s.loss.backward();
    BOOST_TEST(norms.of(s.x) == norm_of(s.x.grad()), within(1e-12));
    BOOST_TEST(norms.of(s.loss) == 1.0);
    std::size_t parameters = 0;
    for (const auto& entry : norms.values())
      for (const Parameter<double>* parameter : s.parameters)
        if (entry.value.role == Role::parameter && entry.value.name == parameter->name() &&
            std::abs(entry.norm - norm_of(parameter->grad())) <= 1e-12 * entry.norm)
          ++parameters;
    BOOST_TEST(parameters >= s.parameters.size());
    BOOST_TEST(norms.str().find("loss") != std::string::npos);
  }
  Lab lab(1);
  BOOST_CHECK_THROW(static_cast<void>(gradient_norms(lab.tape.variable({1.0, 2.0}))),
                    GradientError);
}

BOOST_AUTO_TEST_CASE(all_identities_hold_in_all_models) {
  for (Studied& s : studied_models()) BOOST_TEST_CONTEXT(s.name) {
      s.loss.backward();
      const std::string before = fingerprint(*s.tape, s.parameters);
      for (Parameter<double>* parameter : s.parameters) {
        const Verification verification = verify(*parameter, s.loss);
        BOOST_TEST(verification.holds(), parameter->name() << '\n' << verification.str());
      }
      const Verification verification = verify(s.x, s.loss);
      BOOST_TEST(verification.holds(), verification.str());
      BOOST_TEST(verification.identities().size() == 8u);
      std::size_t tested = 0;
      for (const Identity& identity : verification.identities()) tested += identity.applies;
      BOOST_TEST(tested >= 7u);
      const std::string after = fingerprint(*s.tape, s.parameters);
      BOOST_TEST(after.substr(after.find('\n')) == before.substr(before.find('\n')));
      for (const Identity& identity : verification.identities())
        if (identity.applies)
          BOOST_TEST_MESSAGE(s.name << ": " << identity.name << ' ' << identity.difference);
    }
  Lab lab(5);
  for (const auto& from : {lab.U, lab.V, lab.W}) BOOST_TEST(verify(from, lab.loss).holds());
}

BOOST_AUTO_TEST_CASE(identities_hold_in_single_precision) {
  seed(4);
  layers::LSTM<float> lstm({.input_size = 3, .hidden_size = 4, .num_layers = 2});
  Tape<float> tape;
  tape.set_primitive(true);
  const auto x = tape.variable(sample<float>({5, 2, 3}), "x");
  const auto loss = mean(square(lstm(x).output)).named("loss");
  for (const Verification& verification :
       {verify(x, loss), verify(lstm.weights(1).weight_hh, loss)})
    BOOST_TEST(verification.holds(), verification.str());
}

BOOST_AUTO_TEST_CASE(verify_finds_an_op_with_a_wrong_rule) {
  Tape<double> tape;
  const auto x = tape.variable({0.3, 0.7}, "x");
  const auto y = sum(scale_gradient(square(x), 0.5)).named("y");  // backward is not the derivative
  const Verification verification = verify(x, y);
  BOOST_TEST(!verification.holds());
  for (const Identity& identity : verification.identities())
    BOOST_TEST(identity.holds() ==
               (identity.name != "a small step changes the result as the gradient says"));
  BOOST_TEST(verification.str().find("FAILS") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(verify_holds_nothing_of_numbers_that_are_not_finite) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()})
    for (const std::size_t place : {0, 1, 2}) {
      Tape<double> tape;
      Array<double> start{1, 2, 3};
      start(place) = bad;
      const auto x = tape.variable(start, "x");
      const auto loss = sum(tanh(x * x) * x - x * x);
      const Verification verification = verify(x, loss);
      BOOST_TEST(!verification.holds(), verification.str());
      BOOST_TEST(verification.str().find("not finite") != std::string::npos, verification.str());
      for (const Identity& identity : verification.identities())
        if (identity.name != "paths by length are all paths" && identity.applies)
          BOOST_TEST(!identity.holds(), identity.name);
    }
}

BOOST_AUTO_TEST_CASE(verify_leaves_out_what_does_not_apply) {
  Lab lab(3);
  const Hook hook = lab.h[0].register_hook([](const Variable<double>& g) { return g * 2.0; });
  const Verification verification = verify(lab.U, lab.loss, {.most_paths = 2});
  BOOST_TEST(verification.holds());
  std::vector<std::string> left_out;
  for (const Identity& identity : verification.identities())
    if (!identity.applies) left_out.push_back(identity.note);
  BOOST_TEST(left_out == std::vector<std::string>({"hooks may replace gradients in backward",
                                                   "6 paths are too many to be listed"}),
             boost::test_tools::per_element());
  BOOST_CHECK_THROW(static_cast<void>(verify(lab.U, lab.tape.variable({1.0, 2.0}))), GradientError);
}

BOOST_AUTO_TEST_CASE(the_tape_stays_as_it_is) {
  for (Studied& s : studied_models()) {
    s.loss.backward();
    const std::string before = fingerprint(*s.tape, s.parameters);
    static_cast<void>(gradient_flow(*s.recurrent, s.loss));
    static_cast<void>(gradient_norms(s.loss));
    static_cast<void>(crossings(*s.recurrent, s.loss, into_other_steps()).at(0.3));
    static_cast<void>(partial(s.loss, s.x));
    static_cast<void>(total(s.loss, *s.recurrent));
    BOOST_TEST(fingerprint(*s.tape, s.parameters) == before, s.name);
  }
}
