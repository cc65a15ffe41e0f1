// SPDX-License-Identifier: MIT
// Computations whose gradients are studied in the tests.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "layer_checks.hpp"
#include "tapestry/tapestry.hpp"

namespace tapestry::test {

/// The scalar network of the course over N steps: h = relu(U x + V h), o = W h, L = sum (o - x)².
struct Lab {
  Tape<double> tape;
  Variable<double> U, V, W, loss;
  std::vector<Variable<double>> h, o;  // from step 1 on

  explicit Lab(std::size_t steps) {
    U = tape.variable(0.1, "U");
    V = tape.variable(0.2, "V");
    W = tape.variable(0.3, "W");
    auto state = tape.constant(0.0, "h0");
    loss = tape.constant(0.0);
    for (std::size_t t = 1; t <= steps; ++t) {
      state = relu(U * input(t) + V * state).named("h" + std::to_string(t));
      h.push_back(state);
      o.push_back((W * state).named("o" + std::to_string(t)));
      loss = loss + square(o.back() - input(t + 1));
    }
    loss = loss.named("L");
  }

  static double input(std::size_t t) { return 0.4 + 0.1 * static_cast<double>(t); }
};

/// A layer of the library, recorded in primitive ops, and what is studied of it.
struct Studied {
  std::string name;
  std::unique_ptr<Tape<double>> tape = std::make_unique<Tape<double>>();
  Variable<double> x;
  Variable<double> loss;
  std::shared_ptr<void> model;  // keeps the parameters
  std::vector<Parameter<double>*> parameters;
  Parameter<double>* recurrent = nullptr;  // the weight of h in the first layer
};

template <class Layer, class... Extra>
Studied study_layer(const std::string& name, Layer made, const Extra&... extra) {
  Studied s;
  s.name = name;
  auto layer = std::make_shared<Layer>(std::move(made));
  s.model = layer;
  for (const auto& named : named_parameters(*layer)) s.parameters.push_back(named.second);
  s.tape->set_primitive(true);
  s.x = s.tape->variable(sample<double>({4, 2, 3}), "x");
  const auto result = (*layer)(s.x, extra...);
  s.loss = mean(square(result.output - 0.3)).named("loss");
  s.recurrent = &layer->weights(0).weight_hh;
  return s;
}

struct Attending {
  using value_type = double;

  layers::GRU<double> encoder{{.input_size = 3, .hidden_size = 3}};
  layers::AdditiveAttention<double> attention{3, 3, 2};

  void visit(auto&& part) {
    part("encoder", encoder);
    part("attention", attention);
  }
};

/// An encoder, and a query that attends to it at each step.
inline Studied study_attention() {
  Studied s;
  s.name = "attention";
  auto model = std::make_shared<Attending>();
  s.model = model;
  for (const auto& named : named_parameters(*model)) s.parameters.push_back(named.second);
  s.tape->set_primitive(true);
  s.x = s.tape->variable(sample<double>({4, 2, 3}), "x");
  const auto encoded = model->encoder(s.x).output;
  const auto memory = model->attention.memory(encoded, {4, 3});
  const auto attended = model->attention(s.tape->constant(sample<double>({2, 2, 3}, 5)), memory);
  Indices targets = Indices::from_shape({2, 2});
  targets.fill(1);
  s.loss = softmax_cross_entropy(attended.context, targets).named("loss");
  s.recurrent = &model->encoder.weights(0).weight_hh;
  return s;
}

/// All kinds of models that the identities are tested on.
inline std::vector<Studied> studied_models() {
  using layers::GRU;
  using layers::Lengths;
  using layers::LSTM;
  using layers::RNN;
  seed(7);
  std::vector<Studied> models;
  models.push_back(study_layer("rnn", RNN<double>({.input_size = 3, .hidden_size = 4})));
  models.push_back(
      study_layer("lstm", LSTM<double>({.input_size = 3, .hidden_size = 3, .num_layers = 2})));
  models.push_back(study_layer("gru", GRU<double>({.input_size = 3, .hidden_size = 4})));
  models.push_back(study_layer(
      "bidirectional", LSTM<double>({.input_size = 3, .hidden_size = 2, .bidirectional = true})));
  models.push_back(
      study_layer("lengths", GRU<double>({.input_size = 3, .hidden_size = 3}), Lengths{4, 2}));
  models.push_back(study_attention());
  return models;
}

/// Everything about a tape that one can see.
inline std::string fingerprint(const Tape<double>& tape,
                               const std::vector<Parameter<double>*>& parameters = {}) {
  const detail::TapeState<double>& state = tape.state();
  std::ostringstream text;
  text.precision(17);
  text << tape.size() << ' ' << state.nodes.size() << ' ' << state.edges.size() << ' '
       << tape.memory_used() << ' ' << tape.memory_peak() << ' ' << state.generation << ' '
       << state.pass << tape.recording() << tape.primitive() << tape.retains_all() << '\n';
  for (const auto& entry : state.entries) {
    text << entry.name << ' ' << entry.scope << ' ' << (entry.grad ? entry.pass : 0) << ' '
         << entry.handles << ' ' << entry.released << entry.saved << entry.retain_grad << ':';
    for (std::size_t k = 0; entry.data && k < entry.shape.size(); ++k) text << entry.data[k] << ' ';
    for (std::size_t k = 0; entry.grad && k < entry.shape.size(); ++k) text << entry.grad[k] << ' ';
    text << '\n';
  }
  for (const Parameter<double>* parameter : parameters)
    text << parameter->has_grad() << parameter->version() << parameter->grad() << '\n';
  return text.str();
}

/// The largest difference relative to the largest number.
template <class A, class B>
double apart(const A& a, const B& b) {
  BOOST_REQUIRE_EQUAL(a.size(), b.size());
  double difference = 0;
  double largest = 1e-300;
  for (std::size_t k = 0; k < a.size(); ++k) {
    difference = std::max(difference, std::abs(a.data()[k] - b.data()[k]));
    largest = std::max({largest, std::abs(a.data()[k]), std::abs(b.data()[k])});
  }
  return difference / largest;
}

}  // namespace tapestry::test
