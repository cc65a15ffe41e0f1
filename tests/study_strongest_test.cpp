// SPDX-License-Identifier: MIT
// The strongest of the gradient paths, and what the study of paths does not accept.
#define BOOST_TEST_MODULE study_strongest
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "errors.hpp"
#include "study_models.hpp"
#include "tapestry/study.hpp"

using namespace tapestry;
using namespace tapestry::test;

namespace {

double number(const Array<double>& x) { return x(); }

}  // namespace

BOOST_AUTO_TEST_SUITE(strongest)

BOOST_AUTO_TEST_CASE(of_scalars_by_brute_force) {
  Tape<double> tape;
  Generator generator(3);
  const auto x = tape.variable(0.7, "x");
  std::vector<Variable<double>> values{x};
  for (int i = 0; i < 9; ++i) {  // each from three before it, with factors of either sign
    const std::size_t n = values.size();
    auto v = values[n - 1] * generator.uniform(-2, 2);
    if (n > 1) v = v + values[n - 2] * generator.uniform(-2, 2);
    if (n > 2) v = v + tanh(values[n - 3] * generator.uniform(-2, 2));
    values.push_back(v.named("v" + std::to_string(i)));
  }
  const auto all = paths(x, values.back());
  std::vector<double> sizes;
  for (const auto& path : all) sizes.push_back(number(path.contribution()));
  BOOST_TEST(sizes.size() > 50u);
  const auto largest = [](std::vector<double> list, std::size_t k, auto order) {
    std::ranges::sort(list, order);
    list.resize(k);
    return list;
  };
  const auto check = [&](const PathList<double>& list, const std::vector<double>& expected) {
    BOOST_REQUIRE_EQUAL(list.size(), expected.size());
    for (std::size_t k = 0; k < list.size(); ++k)
      BOOST_TEST(number(list[k].contribution()) == expected[k],
                 boost::test_tools::tolerance(1e-12));
  };
  const auto by_size = [](double a, double b) { return std::abs(a) > std::abs(b); };
  check(all.strongest_positive(7), largest(sizes, 7, std::greater<>()));
  check(all.strongest_negative(7), largest(sizes, 7, std::less<>()));
  check(all.strongest(12), largest(sizes, 12, by_size));
  const auto every = all.strongest(1'000);
  BOOST_TEST(every.size() == sizes.size());
  BOOST_TEST(every.share() == 1.0, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(every.left_out() == 0u);
}

BOOST_AUTO_TEST_CASE(of_arrays_by_brute_force) {
  for (Studied& s : studied_models()) {
    PathOptions shown{.names = {"h", "c"}};
    if (s.name == "bidirectional") shown.names = {"h"};
    const auto all = paths(*s.recurrent, s.loss, shown);
    std::vector<double> sizes;
    for (const auto& path : all) {
      const Array<double> c = path.contribution();
      sizes.push_back(std::sqrt(std::inner_product(c.begin(), c.end(), c.begin(), 0.0)));
    }
    std::ranges::sort(sizes, std::greater<>());
    const auto list = all.strongest(5);
    BOOST_TEST(list.stopped() == "");
    BOOST_TEST_CONTEXT(s.name << ", " << sizes.size() << " paths")
    for (std::size_t k = 0; k < list.size(); ++k) {
      const Array<double> c = list[k].contribution();
      BOOST_TEST(std::sqrt(std::inner_product(c.begin(), c.end(), c.begin(), 0.0)) == sizes[k],
                 boost::test_tools::tolerance(1e-9));
    }
    BOOST_TEST(list.size() == std::min<std::size_t>(5, sizes.size()));
    const double shares = list.share();
    Array<double> both = list.sum() + list.remainder();
    BOOST_TEST(apart(both, all.total()) < 1e-12);
    BOOST_TEST(std::isfinite(shares));
  }
}

BOOST_AUTO_TEST_CASE(the_search_ends_at_its_limit) {
  seed(3);
  layers::LSTM<double> lstm({.input_size = 2, .hidden_size = 2});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto x = tape.variable(sample<double>({30, 1, 2}), "x");
  const auto loss = sum(square(lstm(x).state.h)).named("loss");
  const auto list = paths(x, loss, {.search_limit = 10}).strongest(5);
  BOOST_TEST(list.size() < 5u);
  BOOST_TEST(list.stopped() == "the search ended after PathOptions::search_limit = 10 steps");
  BOOST_TEST(list.str().find(list.stopped()) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(paths_that_contribute_nothing_are_left_out) {
  Tape<double> tape;
  const auto x = tape.variable(2.0, "x");
  const auto dead = relu(x * -1.0).named("dead");
  const auto alive = relu(x * 3.0).named("alive");
  const auto y = (dead + alive).named("y");
  const auto list = paths(x, y).strongest(5);
  BOOST_TEST(list.size() == 1u);
  BOOST_TEST(list[0].str() == "x -> alive -> y");
  BOOST_TEST(list.left_out() == 1u);
  BOOST_TEST(number(list.remainder()) == 0);
}

BOOST_AUTO_TEST_CASE(tiny_products_keep_their_order) {
  Tape<double> tape;
  const auto x = tape.variable(1.0, "x");
  auto left = x;
  auto right = x;
  for (int i = 0; i < 400; ++i) {
    left = (left * 0.1).named("l" + std::to_string(i));
    right = (right * 0.1001).named("r" + std::to_string(i));
  }
  const auto y = (left + right).named("y");
  BOOST_TEST(paths(x, y).strongest(1)[0].labels()[1] == "r0");  // both are below 1e-308
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(what_can_go_wrong)

BOOST_AUTO_TEST_CASE(values_that_need_no_gradient) {
  Lab lab(2);
  const auto c = lab.tape.constant(1.0, "c");
  BOOST_CHECK_EXCEPTION(static_cast<void>(paths(c, lab.loss)), GradientError,
                        says("[paths] 'c' needs no gradient: it is a constant, or was computed "
                             "from constants or without recording"));
  BOOST_CHECK_THROW(static_cast<void>(paths(lab.U, c)), GradientError);
  Tape<double> other;
  const auto foreign = other.variable(1.0);
  BOOST_CHECK_THROW(static_cast<void>(paths(foreign, lab.loss)), StaleVariable);
  BOOST_CHECK_THROW(static_cast<void>(paths(lab.U, lab.loss).through(foreign)), StaleVariable);
}

BOOST_AUTO_TEST_CASE(a_parameter_of_another_model) {
  Lab lab(1);
  const Parameter<double> parameter(Array<double>(1.0), "w");
  BOOST_CHECK_EXCEPTION(static_cast<void>(paths(parameter, lab.loss)), GradientError,
                        says("[paths] the tape of 'L' has no use of parameter 'w' before it; is it "
                             "that of another copy of the model?"));
}

BOOST_AUTO_TEST_CASE(a_tape_that_was_cleared) {
  Lab lab(2);
  const auto all = paths(lab.U, lab.loss);
  const auto path = *all.begin();
  lab.tape.clear();
  BOOST_TEST(all.count() == 3u);  // the structure is a copy
  BOOST_TEST(path.str() == "U -> h1 -> o1 -> L");
  BOOST_CHECK_THROW(static_cast<void>(path.contribution()), StaleVariable);
  BOOST_CHECK_THROW(static_cast<void>(all.total()), StaleVariable);
}

BOOST_AUTO_TEST_CASE(a_parameter_that_was_changed) {
  layers::RNN<double> rnn({.input_size = 2, .hidden_size = 3});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto loss = sum(rnn(tape.constant(sample<double>({2, 1, 2}))).output);
  const auto all = paths(rnn.weights(0).weight_hh, loss);
  rnn.weights(0).weight_hh.touch();
  BOOST_CHECK_THROW(static_cast<void>(all.total()), GradientError);
}

BOOST_AUTO_TEST_CASE(results_that_are_not_scalars) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto y = square(x).named("y");
  const auto all = paths(x, y);
  BOOST_TEST(all.count() == 1u);
  BOOST_CHECK_EXCEPTION(static_cast<void>(all.total()), GradientError,
                        says("[paths] 'y' has shape (2,): paths(...).seeded(array of that shape) "
                             "tells how its elements are weighted"));
  const Array<double> expected{20, 400};
  BOOST_TEST(apart(all.seeded({10.0, 100.0}).total(), expected) < 1e-15);
  BOOST_CHECK_THROW(static_cast<void>(all.seeded({1.0})), ShapeError);
  BOOST_CHECK_THROW(static_cast<void>(all.seeded({1.0, 1.0}).strongest_positive(1)), ShapeError);
  BOOST_CHECK_THROW(static_cast<void>(all.seeded({1.0, 1.0}).strongest(0)), ArgumentError);
}

BOOST_AUTO_TEST_CASE(contributions_that_are_not_finite) {
  Tape<double> tape;
  const auto x = tape.variable(0.0, "x");
  const auto y = (log(x).named("a") + x * 2.0).named("y");
  BOOST_CHECK_EXCEPTION(static_cast<void>(paths(x, y).strongest(2)), GradientError,
                        says("[strongest] the gradient at 'x', on its way back from 'y', is not "
                             "finite"));
  const auto v = tape.variable({0.0, 1.0}, "v");
  const auto z = sum(log(v).named("b")).named("z");
  BOOST_CHECK_THROW(static_cast<void>(paths(v, z).strongest(2)), GradientError);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_hides_a_segment_that_uses_more_than_it_is_given) {
  Tape<double> tape;
  const auto x = tape.variable(0.5, "x");
  const auto y = checkpoint([](const Variable<double>& v) { return tanh(v) + v; }, x);
  BOOST_TEST(paths(x, y).count() == 2u);
  y.backward();
  BOOST_TEST(paths(x, y).total()() == x.grad()());
  const auto z = checkpoint([x](const Variable<double>& v) { return tanh(v) * x; }, y);
  BOOST_CHECK_EXCEPTION(static_cast<void>(paths(x, z)), GradientError,
                        says("[checkpoint] the segment uses variables from outside, which hides "
                             "what it computes from the study tools: record it with "
                             "tape.set_primitive(true)"));
}

BOOST_AUTO_TEST_CASE(values_that_backward_gave_back) {
  Tape<double> tape;
  const auto x = tape.variable(sample<double>({40, 40}), "x");
  const auto loss = sum(tanh(matmul(x, x) + x)).named("loss");
  loss.backward();  // the product is gone, tanh needs its own result only
  const auto all = paths(x, loss);
  BOOST_TEST(apart(all.total(), x.grad()) < 1e-13);
  const Verification verification = verify(x, loss);
  BOOST_TEST(verification.holds(), verification.str());
}

BOOST_AUTO_TEST_SUITE_END()
