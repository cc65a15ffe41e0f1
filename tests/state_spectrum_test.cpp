// SPDX-License-Identifier: MIT
// Jacobians of recurrent steps, against linear systems whose eigenvalues are known and against the
// total derivative.
#define BOOST_TEST_MODULE state_spectrum
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "errors.hpp"
#include "time_models.hpp"

using namespace tapestry;
using namespace tapestry::test;

namespace {

/// h_t = W_t h_{t-1}, without input.
std::vector<StateAt<double>> varying_system(Tape<double>& tape, const std::vector<Array<double>>& W,
                                            double start = 0.1) {
  Array<double> h0 = Array<double>::from_shape({W[0].shape()[0]});
  h0.fill(start);
  std::vector<StateAt<double>> states{{-1, {tape.variable(h0, "h0")}}};
  for (std::size_t t = 0; t < W.size(); ++t) {
    const auto step = tape.step(t);
    const auto h = matmul(tape.constant(W[t]), states.back().parts[0]).named("h");
    states.push_back({static_cast<std::int64_t>(t), {h}});
  }
  return states;
}

std::vector<StateAt<double>> linear_system(Tape<double>& tape, const Array<double>& W,
                                           std::size_t steps) {
  return varying_system(tape, std::vector(steps, W));
}

Array<double> rotation(double angle, double length = 1) {
  const double c = length * std::cos(angle), s = length * std::sin(angle);
  return {{c, -s}, {s, c}};
}

/// 1 + `spread` times normal numbers; not normal as a matrix.
Array<double> random_matrix(Generator& random, std::size_t n, double spread) {
  Array<double> W = Array<double>::from_shape({n, n});
  for (double& x : W) x = spread * random.normal();
  for (std::size_t i = 0; i < n; ++i) W(i, i) += 1;
  return W;
}

/// The exponents, compared with the singular values of all steps at once.
std::vector<double> expect_exponents_of_the_product(const std::vector<StateAt<double>>& states) {
  const std::vector<double> exponents = state_spectrum(states).exponents;
  const auto whole = state_spectrum(std::vector{states.front(), states.back()});
  const std::vector<double>& sigma = whole.steps[0].singular_values;
  std::size_t compared = 0;
  for (std::size_t i = 0; i < sigma.size(); ++i) {
    if (sigma[i] < 1e-7 * sigma[0]) continue;  // of the others a product keeps few digits
    const double expected = std::log(sigma[i]) / static_cast<double>(states.size() - 1);
    BOOST_TEST(std::abs(exponents[i] - expected) < 1e-8);
    ++compared;
  }
  BOOST_TEST(compared > 0u);
  return exponents;
}

/// Q diag(values) Qᵀ, with a rotation in the plane as Q.
Array<double> symmetric(double first, double second, double angle) {
  const double c = std::cos(angle), s = std::sin(angle);
  return {{first * c * c + second * s * s, (first - second) * c * s},
          {(first - second) * c * s, first * s * s + second * c * c}};
}

Array<double> product(const Array<double>& a, const Array<double>& b) {
  Array<double> c = Array<double>::from_shape({a.shape()[0], b.shape()[1]});
  c.fill(0);
  for (std::size_t i = 0; i < a.shape()[0]; ++i)
    for (std::size_t j = 0; j < b.shape()[1]; ++j)
      for (std::size_t k = 0; k < b.shape()[0]; ++k) c(i, j) += a(i, k) * b(k, j);
  return c;
}

}  // namespace

BOOST_AUTO_TEST_CASE(of_powers_of_a_symmetric_matrix) {  // h_t = W^t h_0, W = Q Λ Qᵀ
  Tape<double> tape;
  const auto states = linear_system(tape, symmetric(0.9, -0.5, 0.4), 300);
  const StateSpectrum spectrum = state_spectrum(states);
  BOOST_TEST(spectrum.size == 2u);
  BOOST_TEST(spectrum.steps.size() == 300u);
  for (const StateStep& step : spectrum.steps) {
    BOOST_TEST(std::abs(step.sigma_max() - 0.9) < 1e-12);
    BOOST_TEST(std::abs(step.sigma_min() - 0.5) < 1e-12);
    BOOST_TEST(std::abs(step.condition() - 1.8) < 1e-11);
    BOOST_TEST(std::abs(step.spectral_radius - 0.9) < 1e-12);
  }
  BOOST_TEST(std::abs(spectrum.exponents[0] - std::log(0.9)) < 1e-13);
  BOOST_TEST(std::abs(spectrum.exponents[1] - std::log(0.5)) < 1e-13);
  BOOST_TEST(std::abs(spectrum.realised - std::log(0.9)) < 1e-3);
  BOOST_TEST((spectrum.flow() == GradientTrend::vanishing));
  BOOST_TEST(spectrum.verdict().starts_with("vanishing: the gradient halves every 6.5"),
             spectrum.verdict());
  // After 300 steps only the eigenvector of the largest eigenvalue is left.
  const Array<double> j = state_jacobian(states[300], states[0]);
  BOOST_TEST(std::abs(j(0, 0) / (std::pow(0.9, 300) * std::pow(std::cos(0.4), 2)) - 1) < 1e-10);
  BOOST_TEST(std::abs(j(0, 1) / j(0, 0) - std::tan(0.4)) < 1e-10);
}

BOOST_AUTO_TEST_CASE(of_a_rotation_and_of_growth) {
  Tape<double> tape;
  const auto still = state_spectrum(linear_system(tape, rotation(0.7), 50));
  BOOST_TEST((still.flow() == GradientTrend::stable), still.verdict());
  BOOST_TEST(std::abs(still.exponents[0]) < 1e-12);
  BOOST_TEST(std::abs(still.steps[7].spectral_radius - 1) < 1e-12);
  const auto grows = state_spectrum(linear_system(tape, rotation(0.7, 1.1), 50));
  BOOST_TEST((grows.flow() == GradientTrend::exploding), grows.verdict());
  BOOST_TEST(std::abs(grows.exponents[1] - std::log(1.1)) < 1e-12);
  BOOST_TEST(std::abs(grows.half_life() - std::numbers::ln2 / std::log(1.1)) < 1e-10);
  BOOST_TEST(std::abs(grows.steps[3].norm_ratio - 1.1) < 1e-12);
}

BOOST_AUTO_TEST_CASE(of_a_shear_grow_before_they_settle) {  // sigma_max > 1 > spectral radius
  Tape<double> tape;
  const auto states = linear_system(tape, {{0.8, 5.0}, {0.0, 0.7}}, 400);
  const auto spectrum = state_spectrum(states);
  BOOST_TEST(spectrum.steps[0].sigma_max() > 5.0);
  BOOST_TEST(std::abs(spectrum.steps[0].spectral_radius - 0.8) < 1e-12);
  BOOST_TEST(std::abs(spectrum.exponents[0] - std::log(0.8)) < 0.02);
  BOOST_TEST(std::abs(spectrum.exponents[1] - std::log(0.7)) < 0.02);
  BOOST_TEST((spectrum.flow() == GradientTrend::vanishing));
}

BOOST_AUTO_TEST_CASE(exponents_of_few_steps_are_eigenvalues) {  // whatever the loss asks for
  for (const std::size_t steps : {1U, 2U, 40U})
    for (const double angle : {0.0, 0.3, std::numbers::pi / 2, 2.0}) {
      Tape<double> tape;
      const auto states = linear_system(tape, symmetric(1.1, -0.5, angle), steps);
      const auto spectrum = state_spectrum(states);
      BOOST_TEST(std::abs(spectrum.exponents[0] - std::log(1.1)) < 1e-13);
      BOOST_TEST(std::abs(spectrum.exponents[1] - std::log(0.5)) < 1e-13);
      const auto along = state_spectrum(states, {.loss = sum(square(states.back().parts[0]))});
      BOOST_TEST(along.exponents == spectrum.exponents, boost::test_tools::per_element());
      if (steps == 40 && angle == 0.3)  // where the state has turned to the first eigenvector
        BOOST_TEST(std::abs(along.realised - std::log(1.1)) < 1e-3);
    }
}

BOOST_AUTO_TEST_CASE(exponents_are_those_of_the_product_of_all_steps) {
  Generator random(3);
  for (const std::size_t n : {1U, 2U, 7U})
    for (const std::size_t steps : {1U, 2U, 10U, 600U})
      BOOST_TEST_CONTEXT(n << " numbers, " << steps << " steps") {
        std::vector<Array<double>> W;
        for (std::size_t t = 0; t < steps; ++t)
          W.push_back(random_matrix(random, n, steps < 100 ? 0.5 : 0.05));
        Tape<double> tape;
        expect_exponents_of_the_product(varying_system(tape, W));
      }
  Tape<double> tape;
  expect_exponents_of_the_product(linear_system(tape, {{0.8, 5.0}, {0.0, 0.7}}, 12));
  expect_exponents_of_the_product(linear_system(tape, {{0.5, 0.0}, {1.0, 1.1}}, 20));
}

BOOST_AUTO_TEST_CASE(exponents_outlast_the_range_of_double) {  // those of the way back, negated
  Generator random(5);
  std::vector<Array<double>> there, back;
  for (int t = 0; t < 1500; ++t) {
    const double angle = random.uniform(-1, 1), shear = random.normal();
    there.push_back(product(rotation(angle), {{2.0, shear}, {0.0, 0.2}}));
    back.insert(back.begin(), product({{0.5, -shear / 0.4}, {0.0, 5.0}}, rotation(-angle)));
  }
  Tape<double> tape;
  const auto forth = state_spectrum(varying_system(tape, there, 0), {.eigenvalues = false});
  const auto home = state_spectrum(varying_system(tape, back, 0), {.eigenvalues = false});
  BOOST_TEST(forth.exponents[0] - forth.exponents[1] > 1);  // e^1500 apart
  BOOST_TEST(std::abs(forth.exponents[0] + forth.exponents[1] - std::log(0.4)) < 1e-12);
  BOOST_TEST(std::abs(forth.exponents[0] + home.exponents[1]) < 1e-12);
  BOOST_TEST(std::abs(forth.exponents[1] + home.exponents[0]) < 1e-12);
}

BOOST_AUTO_TEST_CASE(of_steps_near_the_end_of_the_range) {
  for (const double size : {1e-200, 1e200}) {
    Tape<double> tape;
    const auto states = varying_system(tape, std::vector(4, symmetric(size, size / 1e3, 0.3)), 0);
    const auto spectrum = state_spectrum(states);
    BOOST_TEST(std::abs(spectrum.exponents[0] - std::log(size)) < 1e-10);
    BOOST_TEST(std::abs(spectrum.exponents[1] - std::log(size / 1e3)) < 1e-10);
    BOOST_TEST(std::abs(spectrum.realised - std::log(size)) < 0.1);
  }
}

BOOST_AUTO_TEST_CASE(exponents_of_triangular_steps_in_any_order) {  // 0.5 comes before 1.1
  // W^T is 1.1^T times a matrix with 1 and 1 / (1.1 - 0.5), but for what is 0.5^T.
  const double first = std::log(1.1) + std::log(std::hypot(1, 1 / (1.1 - 0.5))) / 3000;
  for (const Array<double>& W : {Array<double>{{0.5, 1.0}, {0.0, 1.1}},
                                 {{0.5, 0.0}, {1.0, 1.1}},
                                 {{1.1, 1.0}, {0.0, 0.5}},
                                 {{1.1, 0.0}, {1.0, 0.5}}}) {
    Tape<double> tape;
    const auto exponents = state_spectrum(linear_system(tape, W, 3000)).exponents;
    BOOST_TEST(std::abs(exponents[0] - first) < 1e-12);
    BOOST_TEST(std::abs(exponents[0] + exponents[1] - std::log(0.55)) < 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(directions_that_are_lost_have_no_finite_exponent) {  // as where ReLU is 0
  Generator random(9);
  std::vector<Array<double>> W;
  for (std::size_t t = 0; t < 30; ++t) {
    W.push_back(random_matrix(random, 4, 0.1));
    if (t == 4 || t == 20) std::fill_n(&W[t](t % 3, 0), 4, 0.0);
  }
  for (const std::size_t row : {0U, 3U}) std::fill_n(&W[25](row, 0), 4, 0.0);
  Tape<double> tape;
  const auto exponents = expect_exponents_of_the_product(varying_system(tape, W));
  BOOST_TEST(std::isfinite(exponents[1]));
  BOOST_TEST(exponents[2] == -std::numeric_limits<double>::infinity());
  BOOST_TEST(exponents[3] == -std::numeric_limits<double>::infinity());

  // What is by far the longest is lost but for rounding errors, which must not take its place.
  const Array<double> projection = symmetric(0, 1, 0.3);
  std::vector<Array<double>> steps(20, symmetric(2, 0.01, 0.3));
  steps.push_back(projection);
  const auto left = state_spectrum(varying_system(tape, steps)).exponents;
  BOOST_TEST(std::abs(left[0] - std::log(0.01) * 20 / 21) < 0.01);
  BOOST_TEST(left[1] == -std::numeric_limits<double>::infinity());

  W[10].fill(0);
  const auto nothing = state_spectrum(varying_system(tape, W));
  BOOST_TEST(nothing.exponents[0] == -std::numeric_limits<double>::infinity());
  BOOST_TEST(nothing.verdict() ==
             "vanishing: nothing of the gradient arrives (largest Lyapunov "
             "exponent -inf)");
}

BOOST_AUTO_TEST_CASE(no_gradient_is_faster_than_the_first_exponent_or_slower_than_the_last) {
  Generator random(2);
  for (const std::size_t steps : {1U, 5U, 100U}) {
    std::vector<Array<double>> W;
    for (std::size_t t = 0; t < steps; ++t) W.push_back(random_matrix(random, 3, 0.3));
    Tape<double> tape;
    const auto states = varying_system(tape, W);
    for (int k = 0; k < 10; ++k) {
      Array<double> u = Array<double>::from_shape({3});
      for (double& x : u) x = random.normal();
      const auto loss = sum(tape.constant(u) * states.back().parts[0]);
      const auto spectrum = state_spectrum(states, {.loss = loss});
      BOOST_TEST(spectrum.realised < spectrum.exponents.front() + 1e-12);
      BOOST_TEST(spectrum.realised > spectrum.exponents.back() - 1e-12);
    }
  }
}

BOOST_AUTO_TEST_CASE(product_of_steps_is_the_total_derivative) {
  seed(11);
  for (const StudyModel& model :
       std::vector{rnn_model(), lstm_model(), gru_model(), gru_reset_before_model()}) {
    BOOST_TEST_CONTEXT(model.name) {
      Tape<double> tape;
      tape.set_primitive(true);
      const auto terms = model.run(tape, {});
      objective(tape, terms).backward();
      const Untouched untouched(tape, model);
      const bool lstm = model.name.starts_with("LSTM");
      const std::vector<std::string_view> names =
          lstm ? std::vector<std::string_view>{"h", "c"} : std::vector<std::string_view>{"h"};
      const auto states = find_states(terms[0].loss, names);
      BOOST_TEST(states.size() == 6u);
      BOOST_TEST(states[0].parts.size() == (lstm ? 4u : 1u));
      const auto spectrum = state_spectrum(states, {.sequence = 1, .keep_jacobians = true});
      Array<double> whole = spectrum.steps[0].jacobian;
      for (std::size_t i = 1; i < spectrum.steps.size(); ++i)
        whole = product(spectrum.steps[i].jacobian, whole);
      const Array<double> total = state_jacobian(states.back(), states.front(), 1);
      BOOST_TEST(relative_difference(whole, total) < 1e-12);
      BOOST_TEST(relative_difference(state_jacobian(states.back(), states.front(), 0), total) >
                 1e-3);
      double sum = 0;
      for (const double exponent : spectrum.exponents) sum += exponent;
      double volume = 0;  // log |det| of the product
      for (const StateStep& step : spectrum.steps)
        for (const double sigma : step.singular_values) volume += std::log(sigma);
      BOOST_TEST(std::abs(sum * 5 - volume) < 1e-8 * std::abs(volume));
      untouched.check();
    }
  }
}

BOOST_AUTO_TEST_CASE(jacobians_are_finite_differences) {
  seed(5);
  layers::LSTMCell<double> cell({.input_size = 2, .hidden_size = 3});
  const auto step = [&](Tape<double>& tape, const Array<double>& h, const Array<double>& c) {
    const auto from_h = tape.variable(h), from_c = tape.variable(c);
    const auto [to_h, to_c] = cell(tape.constant(sample<double>({1, 2})), {from_h, from_c});
    return std::pair(StateAt<double>{0, {to_h, to_c}}, StateAt<double>{-1, {from_h, from_c}});
  };
  const Array<double> h = sample<double>({1, 3}, 2), c = sample<double>({1, 3}, 3);
  Tape<double> tape;
  const auto [to, from] = step(tape, h, c);
  const Array<double> j = state_jacobian(to, from);
  for (std::size_t k = 0; k < 6; ++k) {
    const auto moved = [&](double by) {
      Array<double> h2 = h, c2 = c;
      (k < 3 ? h2 : c2)(0, k % 3) += by;
      Tape<double> scratch;
      const auto states = step(scratch, h2, c2);
      std::vector<double> values;
      for (const auto& part : states.first.parts)
        for (const double x : part.value()) values.push_back(x);
      return values;
    };
    const auto up = moved(1e-5), down = moved(-1e-5);
    for (std::size_t i = 0; i < 6; ++i)
      BOOST_TEST(std::abs((up[i] - down[i]) / 2e-5 - j(i, k)) < 1e-9);
  }
}

BOOST_AUTO_TEST_CASE(norm_ratio_is_that_of_the_gradient_of_the_loss) {
  seed(7);
  layers::RNN<double> rnn({.input_size = 2, .hidden_size = 5});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto result = rnn(tape.constant(sample<double>({8, 1, 2})));
  const auto loss = sum(square(select(result.output, 0, -1)));
  const auto states = find_states(loss, {"h"});
  const auto spectrum = state_spectrum(states, {.loss = loss});
  std::vector<double> norms;
  for (const auto& state : states)
    norms.push_back(norm(gradients(loss, {state.parts[0]})[0]).item());
  for (std::size_t i = 0; i + 1 < norms.size(); ++i)
    BOOST_TEST(std::abs(spectrum.steps[i].norm_ratio - norms[i] / norms[i + 1]) < 1e-12);
  BOOST_TEST(std::abs(spectrum.realised - std::log(norms.front() / norms.back()) / 7) < 1e-12);
}

BOOST_AUTO_TEST_CASE(no_step_exceeds_the_bound_of_its_weights) {
  seed(7);
  layers::RNN<double> rnn({.input_size = 2, .hidden_size = 5});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto y = rnn(tape.constant(sample<double>({8, 1, 2}))).output;
  const double bound = step_bound(rnn.weights(0).weight_hh.value());
  for (const StateStep& step : state_spectrum(find_states(y, {"h"})).steps) {
    BOOST_TEST(step.sigma_max() < bound);
    BOOST_TEST(step.sigma_max() > 0.3 * bound);
    BOOST_TEST(step.norm_ratio <= step.sigma_max());
    BOOST_TEST(step.spectral_radius <= step.sigma_max() + 1e-12);
  }
  BOOST_TEST(std::abs(step_bound(Array<float>{{3, 0}, {0, -4}}, 0.25) - 1) < 1e-6);
  BOOST_CHECK_EXCEPTION(
      (void)step_bound(Array<double>{1.0}), ShapeError,
      says("[step_bound] weights (1,) must have shape (n, m), neither of them 0"));
}

BOOST_AUTO_TEST_CASE(of_one_direction_and_layer) {
  layers::GRU<double> gru(
      {.input_size = 2, .hidden_size = 3, .num_layers = 2, .bidirectional = true});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto y = gru(tape.constant(sample<double>({5, 1, 2}))).output;
  const auto reverse = find_states(y, {"h"}, {.scope = "reverse", .layer = 1});
  BOOST_TEST(reverse.size() == 5u);
  BOOST_TEST(reverse.front().time == 4);
  BOOST_TEST(reverse.front().parts.size() == 1u);
  const auto spectrum = state_spectrum(reverse);
  BOOST_TEST(spectrum.steps.front().time == 3);
  BOOST_TEST(spectrum.steps.front().sigma_min() > 0);
}

BOOST_AUTO_TEST_CASE(of_a_state_that_lacks_something) {
  const auto refused = [](const std::vector<StateAt<double>>& states, const std::string& what) {
    BOOST_CHECK_EXCEPTION(
        state_spectrum(states), ArgumentError,
        says("[state_spectrum] the state is not complete: " + what +
             ", so the product of the steps' Jacobians is not that of all of them; a state holds "
             "all that is carried on"));
  };
  for (const std::size_t lag : {2U, 3U}) {  // h_t = 0.9 h_{t-lag}
    Tape<double> tape;
    std::vector<StateAt<double>> states;
    std::vector<Variable<double>> h;
    for (std::size_t t = 0; t < 20; ++t) {
      const auto step = tape.step(t);
      h.push_back(t < lag ? tape.variable({0.1, 0.2}, "h") : (0.9 * h[t - lag]).named("h"));
      states.push_back({static_cast<std::int64_t>(t), {h.back()}});
    }
    refused(states, lag == 2 ? "'h' of step 0 goes on to step 2 beside the state of step 1"
                             : "'h' of step 0 goes on to step 3 beside the state of step 1");
    if (lag == 2) {
      const auto jacobian = state_jacobian(states[18], states[0]);
      BOOST_TEST(std::abs(jacobian(0, 0) - std::pow(0.9, 9)) < 1e-14);
    }
  }
  seed(3);
  layers::LSTM<double> lstm({.input_size = 2, .hidden_size = 3});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto y = lstm(tape.constant(sample<double>({6, 1, 2}))).output;
  refused(find_states(y, {"h"}), "'c' of step 1 goes on to step 2 beside the state of step 1");
  BOOST_CHECK_NO_THROW(state_spectrum(find_states(y, {"h", "c"})));
}

BOOST_AUTO_TEST_CASE(what_goes_around_without_a_gradient_is_no_part_of_a_state) {
  Tape<double> tape;
  std::vector<StateAt<double>> states;
  auto before = tape.variable({0.5, 0.25}, "h0");
  auto h = tape.variable({0.1, 0.2}, "h1");
  for (std::size_t t = 0; t < 10; ++t) {
    const auto step = tape.step(t);
    const auto next = (0.9 * h + 0.0 * before + before.detach()).named("h");
    before = std::exchange(h, next);
    states.push_back({static_cast<std::int64_t>(t), {h}});
  }
  BOOST_TEST(std::abs(state_spectrum(states).exponents[0] - std::log(0.9)) < 1e-12);
}

BOOST_AUTO_TEST_CASE(parts_of_a_state_are_in_the_order_asked_for) {
  layers::LSTM<double> lstm({.input_size = 2, .hidden_size = 3, .num_layers = 2});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto result = lstm(tape.constant(sample<double>({4, 1, 2})));
  const auto check = [&](const std::vector<std::string_view>& names) {
    for (const auto& state : find_states(result.output, names))
      for (std::size_t k = 0; k < 4; ++k) {
        const Array<double> all = result.gate(std::string(names[k / 2]), k % 2);
        for (std::size_t i = 0; i < 3; ++i)
          BOOST_TEST(state.parts[k].value()(0, i) ==
                     all(static_cast<std::size_t>(state.time), 0, i));
      }
  };
  check({"h", "c"});
  check({"c", "h"});
}

BOOST_AUTO_TEST_CASE(of_what_is_no_state) {
  Tape<double> tape;
  const auto states = linear_system(tape, symmetric(0.9, 0.5, 0.1), 2);
  BOOST_CHECK_EXCEPTION(
      state_spectrum(std::vector{states[0]}), ArgumentError,
      says("[state_spectrum] a step leads from one state to another: there must be two, not 1"));
  BOOST_CHECK_EXCEPTION(state_spectrum(states, {.sequence = 1}), IndexError,
                        says("[state_spectrum] there is no sequence 1 in a state of shape (2,)"));
  BOOST_CHECK_EXCEPTION(
      find_states(states.back().parts[0], {"x"}), ArgumentError,
      says("[find_states] no value with such a name was recorded in a time step"));
  tape.clear();
  BOOST_CHECK_THROW(state_jacobian(states[1], states[0]), StaleVariable);
}
