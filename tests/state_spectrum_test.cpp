// SPDX-License-Identifier: MIT
// Jacobians of recurrent steps, against linear systems whose eigenvalues are known and against the
// total derivative.
#define BOOST_TEST_MODULE state_spectrum
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>

#include "errors.hpp"
#include "time_models.hpp"

using namespace tapestry;
using namespace tapestry::test;

namespace {

/// h_t = W h_{t-1}, without input.
std::vector<StateAt<double>> linear_system(Tape<double>& tape, const Array<double>& W,
                                           std::size_t steps) {
  const auto w = tape.variable(W, "W");
  Array<double> start = Array<double>::from_shape({W.shape()[0]});
  start.fill(0.1);
  std::vector<StateAt<double>> states{{-1, {tape.variable(start, "h0")}}};
  for (std::size_t t = 0; t < steps; ++t) {
    const auto step = tape.step(t);
    const auto h = matmul(w, states.back().parts[0]).named("h");
    states.push_back({static_cast<std::int64_t>(t), {h}});
  }
  return states;
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
  BOOST_TEST(std::abs(spectrum.exponents[0] - std::log(0.9)) < 1e-3);
  BOOST_TEST(std::abs(spectrum.exponents[1] - std::log(0.5)) < 1e-3);
  BOOST_TEST(std::abs(spectrum.realised - std::log(0.9)) < 1e-3);
  BOOST_TEST((spectrum.flow() == GradientTrend::vanishing));
  BOOST_TEST(spectrum.verdict().starts_with("vanishing: gradients halve every 6.5"),
             spectrum.verdict());
  // After 300 steps only the eigenvector of the largest eigenvalue is left.
  const Array<double> j = state_jacobian(states[300], states[0]);
  BOOST_TEST(std::abs(j(0, 0) / (std::pow(0.9, 300) * std::pow(std::cos(0.4), 2)) - 1) < 1e-10);
  BOOST_TEST(std::abs(j(0, 1) / j(0, 0) - std::tan(0.4)) < 1e-10);
}

BOOST_AUTO_TEST_CASE(of_a_rotation_and_of_growth) {
  const double angle = 0.7;
  const auto rotation = [&](double r) {
    return Array<double>{{r * std::cos(angle), -r * std::sin(angle)},
                         {r * std::sin(angle), r * std::cos(angle)}};
  };
  Tape<double> tape;
  const auto still = state_spectrum(linear_system(tape, rotation(1), 50));
  BOOST_TEST((still.flow() == GradientTrend::stable), still.verdict());
  BOOST_TEST(std::abs(still.exponents[0]) < 1e-12);
  BOOST_TEST(std::abs(still.steps[7].spectral_radius - 1) < 1e-12);
  const auto grows = state_spectrum(linear_system(tape, rotation(1.1), 50));
  BOOST_TEST((grows.flow() == GradientTrend::exploding), grows.verdict());
  BOOST_TEST(std::abs(grows.exponents[1] - std::log(1.1)) < 1e-12);
  BOOST_TEST(std::abs(grows.half_life() - std::numbers::ln2 / std::log(1.1)) < 1e-10);
  BOOST_TEST(std::abs(grows.steps[3].norm_ratio - 1.1) < 1e-12);
}

BOOST_AUTO_TEST_CASE(of_a_shear_grow_before_they_settle) {  // sigma_max > 1 > spectral radius
  Tape<double> tape;
  const auto spectrum = state_spectrum(linear_system(tape, {{0.8, 5.0}, {0.0, 0.7}}, 400));
  BOOST_TEST(spectrum.steps[0].sigma_max() > 5.0);
  BOOST_TEST(std::abs(spectrum.steps[0].spectral_radius - 0.8) < 1e-12);
  BOOST_TEST(std::abs(spectrum.exponents[0] - std::log(0.8)) < 0.02);
  BOOST_TEST(std::abs(spectrum.exponents[1] - std::log(0.7)) < 0.02);
  BOOST_TEST((spectrum.flow() == GradientTrend::vanishing));
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

BOOST_AUTO_TEST_CASE(of_what_is_no_state) {
  Tape<double> tape;
  const auto states = linear_system(tape, symmetric(0.9, 0.5, 0.1), 2);
  BOOST_CHECK_EXCEPTION(
      state_spectrum(std::vector{states[0]}), ArgumentError,
      says("[state_spectrum] a step leads from one state to another: there must be two, not 1"));
  BOOST_CHECK_EXCEPTION(state_spectrum(states, {.sequence = 1}), IndexError,
                        says("[state_spectrum] there is no sequence 1 in a state of shape (2,)"));
  BOOST_CHECK_EXCEPTION(find_states(states.back().parts[0], {"x"}), ArgumentError,
                        says("[find_states] no value with such a name was recorded in a time step; "
                             "fused layers show theirs after tape.set_primitive(true)"));
  tape.clear();
  BOOST_CHECK_THROW(state_jacobian(states[1], states[0]), StaleVariable);
}
