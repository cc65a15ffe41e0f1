// SPDX-License-Identifier: MIT
// The health report: numbers against those of the arrays, and what it says of layers that are ill.
#define BOOST_TEST_MODULE health
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "errors.hpp"
#include "layer_checks.hpp"
#include "tapestry/layers.hpp"
#include "tapestry/optim.hpp"
#include "tapestry/study.hpp"

using namespace tapestry;
using namespace tapestry::test;

namespace {

const ValueHealth& value_of(const HealthReport& report, const std::string& name,
                            std::size_t layer = 0,
                            layers::Direction direction = layers::Direction::forward) {
  for (const ValueHealth& value : report.values)
    if (value.name == name && value.layer == layer && value.direction == direction) return value;
  throw std::runtime_error("no " + name);
}

}  // namespace

BOOST_AUTO_TEST_CASE(norms_are_those_of_values_and_gradients) {
  seed(3);
  layers::LSTM<double> lstm({.input_size = 2, .hidden_size = 3, .num_layers = 2});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto result = lstm(tape.constant(sample<double>({4, 2, 2})));
  const auto loss = sum(square(result.output));
  BOOST_TEST(std::isnan(value_of(health_report(lstm, result), "c").steps[0].gradient_norm));
  loss.backward();
  const HealthReport report = health_report(lstm, result);
  BOOST_TEST(report.values.size() == 12u);
  const auto c = result.gate("c", 1);
  const auto states = find_states(loss, {"c"}, {.layer = 1});
  for (std::size_t t = 0; t < 4; ++t) {
    double square = 0;
    for (std::size_t b = 0; b < 2; ++b)
      for (std::size_t k = 0; k < 3; ++k) square += c(t, b, k) * c(t, b, k);
    const StepHealth& step = value_of(report, "c", 1).steps[t];
    BOOST_TEST(std::abs(step.norm - std::sqrt(square / 2)) < 1e-14);
    const auto gradient = norm(gradients(loss, {states[t].parts[0]})[0]).item();
    BOOST_TEST(std::abs(step.gradient_norm - gradient / std::sqrt(2.0)) < 1e-14);
  }
  BOOST_TEST(report.parameters.size() == 8u);
  BOOST_TEST(report.parameters[0].name == "weight_ih_l0");
  BOOST_TEST(std::abs(report.parameters[0].norm -
                      std::sqrt(xt::sum(xt::square(lstm.weights(0).weight_ih.value()))())) < 1e-14);
  BOOST_TEST(std::isnan(report.parameters[0].update_ratio));
}

BOOST_AUTO_TEST_CASE(update_ratio_is_that_of_the_step) {
  seed(3);
  layers::GRU<float> gru({.input_size = 2, .hidden_size = 3});
  optim::SGD<float> sgd(parameters(gru), {.learning_rate = 0.5});
  Tape<float> tape;
  const auto result = gru(tape.constant(sample<float>({4, 2, 2})));
  sum(square(result.output)).backward();
  int calls = 0;
  const auto report = health_report(gru, result, {.update = [&] {
                                      ++calls;
                                      sgd.step();
                                    }});
  BOOST_TEST(calls == 1);
  for (const ParameterHealth& parameter : report.parameters)
    BOOST_TEST(std::abs(parameter.update_ratio * parameter.norm / (0.5 * parameter.gradient_norm) -
                        1) < 1e-5);
}

BOOST_AUTO_TEST_CASE(finds_dead_units_and_stuck_gates) {
  seed(3);
  layers::RNN<double> relu_rnn({.input_size = 2, .hidden_size = 3, .activation = [](const auto& x) {
                                  return tapestry::relu(x);
                                }});
  relu_rnn.weights(0).bias_ih.value()(1) = -100;  // never fires
  Tape<double> tape;
  const auto x = tape.constant(sample<double>({20, 4, 2}));
  const auto quiet = value_of(health_report(relu_rnn, relu_rnn(x)), "h");
  BOOST_TEST(quiet.dead >= 1u);
  BOOST_TEST(quiet.dead < 3u);

  layers::LSTM<double> lstm({.input_size = 2, .hidden_size = 3});
  for (std::size_t k = 3; k < 6; ++k) lstm.weights(0).bias_ih.value()(k) = 20;   // f is always open
  for (std::size_t k = 0; k < 2; ++k) lstm.weights(0).bias_ih.value()(k) = -20;  // i nearly shut
  const HealthReport report = health_report(lstm, lstm(x));
  BOOST_TEST(value_of(report, "f").high == 1.0);
  BOOST_TEST(value_of(report, "f").low == 0.0);
  BOOST_TEST(value_of(report, "f").dead == 3u);
  BOOST_TEST(std::abs(value_of(report, "i").low - 2.0 / 3) < 1e-12);
  BOOST_TEST(value_of(report, "o").dead == 0u);
}

BOOST_AUTO_TEST_CASE(leaves_out_what_is_beyond_the_ends) {
  seed(3);
  layers::GRU<double> gru({.input_size = 2, .hidden_size = 3, .bidirectional = true});
  Tape<double> tape;
  const layers::Lengths lengths{2, 5};
  const auto x = sample<double>({6, 2, 2});
  const auto result = gru(tape.constant(x), lengths);
  const auto report = health_report(gru, result, {.lengths = lengths});
  const ValueHealth z = value_of(report, "z", 0, layers::Direction::reverse);
  BOOST_TEST(z.steps.size() == 5u);
  const auto values = result.gate("z", 0, layers::Direction::reverse);
  double square = 0;
  for (std::size_t k = 0; k < 3; ++k) square += values(4, 1, k) * values(4, 1, k);
  BOOST_TEST(std::abs(z.steps[4].norm - std::sqrt(square)) < 1e-14);
  BOOST_TEST(z.low == 0.0);
  BOOST_CHECK_EXCEPTION(health_report(gru, result, {.lengths = {1, 2, 3}}), ShapeError,
                        says("[health_report] 3 lengths for 2 sequences"));
}

BOOST_AUTO_TEST_CASE(prints_a_table_and_appends_to_a_file) {
  seed(3);
  layers::LSTM<float> lstm({.input_size = 2, .hidden_size = 3});
  Tape<float> tape;
  const auto result = lstm(tape.constant(sample<float>({4, 2, 2})));
  sum(result.output).backward();
  auto report = health_report(lstm, result);
  report.parameters[0].name = "odd, \"name\"";
  std::ostringstream text;
  text << report;
  for (const char* expected : {"layer 0 f", "odd, \"name\"", "update/weight", "0/3"})
    BOOST_TEST(text.str().find(expected) != std::string::npos, text.str());
  std::filesystem::remove("health.csv");
  append_csv(report, "health.csv", 100);
  append_csv(report, "health.csv", 200);
  std::ifstream file("health.csv");
  std::size_t lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    if (line.find("odd") != std::string::npos) {
      BOOST_TEST(line.find("\"odd, \"\"name\"\"\"") != std::string::npos, line);
      continue;
    }
    BOOST_TEST(std::ranges::count(line, ',') == 11, line);
    if (lines == 0) BOOST_TEST(line.starts_with("training_step,what,name"));
  }
  BOOST_TEST(lines == 1 + 2 * (6 * 4 + 4u));
  BOOST_CHECK_THROW(append_csv(report, "no/such/folder.csv", 1), FileError);
}
