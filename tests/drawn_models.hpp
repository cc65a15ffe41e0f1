// SPDX-License-Identifier: MIT
// Models whose graphs are drawn in the tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tapestry/autodiff.hpp"

namespace tapestry::test {

/// Small numbers that can be told apart.
inline Array<double> counted(const std::vector<std::size_t>& shape) {
  Array<double> array = Array<double>::from_shape(shape);
  for (std::size_t k = 0; k < array.size(); ++k)
    array.data()[k] = 0.1 * static_cast<double>(k % 7) - 0.25;
  return array;
}

/// Three steps of the scalar network of the course: h = relu(U x + V h), o = W h.
inline Variable<double> scalar_rnn(Tape<double>& tape, bool steps) {
  const auto U = tape.variable(0.1, "U");
  const auto V = tape.variable(0.2, "V");
  const auto W = tape.variable(0.3, "W");
  const std::vector<double> x{0.5, 0.6, 0.7, 0.8};
  auto h = tape.constant(0.0, "h0");
  auto loss = tape.constant(0.0);
  for (std::size_t t = 1; t <= 3; ++t) {
    std::unique_ptr<Scope<double>> scope;
    if (steps) scope.reset(new Scope<double>(tape.state(), "step", ScopeKind::step, t));
    const auto in = U * x[t - 1];
    h = relu(in + V * h).named("h" + std::to_string(t));
    const auto o = (W * h).named("o" + std::to_string(t));
    loss = loss + square(o - x[t]);
  }
  return loss.named("L");
}

/// A stack of LSTMs with a linear head and its loss, from primitive ops.
class SmallLstm {
 public:
  explicit SmallLstm(std::size_t layers) {
    for (std::size_t l = 0; l < layers; ++l) {
      const std::string suffix = "_l" + std::to_string(l);
      weights_.push_back({parameter({8, 2}, "lstm.weight_ih" + suffix),
                          parameter({8, 2}, "lstm.weight_hh" + suffix),
                          parameter({8}, "lstm.bias_ih" + suffix),
                          parameter({8}, "lstm.bias_hh" + suffix)});
    }
  }

  Variable<double> loss(Tape<double>& tape, std::size_t steps) {
    const auto x = tape.constant(counted({steps, 3, 2}), "x");
    std::vector<Variable<double>> sequence;
    {
      const auto scope = tape.scope("lstm");
      for (std::size_t t = 0; t < steps; ++t)
        sequence.push_back(select(x, 0, static_cast<std::int64_t>(t)));
      for (std::size_t l = 0; l < weights_.size(); ++l) run_layer(tape, l, sequence);
    }
    const auto scope = tape.scope("linear");
    const auto w = tape.watch(weight_);
    const auto product = matmul(stack(sequence), w, {.transpose_b = true});
    const auto logits = (product + tape.watch(bias_)).named("logits");
    Indices targets = Indices::from_shape({steps, 3});
    targets.fill(1);
    return softmax_cross_entropy(logits, targets).named("loss");
  }

 private:
  struct Layer {
    Parameter<double> weight_ih, weight_hh, bias_ih, bias_hh;
  };

  static Parameter<double> parameter(const std::vector<std::size_t>& shape,
                                     const std::string& name) {
    return Parameter<double>(counted(shape), name);
  }

  static Variable<double> affine(Tape<double>& tape, const Variable<double>& x,
                                 Parameter<double>& weight, Parameter<double>& bias) {
    const auto w = tape.watch(weight);
    const auto product = matmul(x, w, {.transpose_b = true});
    return product + tape.watch(bias);
  }

  void run_layer(Tape<double>& tape, std::size_t l, std::vector<Variable<double>>& sequence) {
    const auto layer = tape.layer(l);
    Layer& weights = weights_[l];
    auto h = tape.constant(counted({3, 2}), "h0");
    auto c = tape.constant(counted({3, 2}), "c0");
    for (std::size_t t = 0; t < sequence.size(); ++t) {
      const auto step = tape.step(t);
      const auto from_x = affine(tape, sequence[t], weights.weight_ih, weights.bias_ih);
      const auto from_h = affine(tape, h, weights.weight_hh, weights.bias_hh);
      const auto gates = split(from_x + from_h, 4, 1);
      const auto i = sigmoid(gates[0]).named("i");
      const auto f = sigmoid(gates[1]).named("f");
      const auto g = tanh(gates[2]).named("g");
      const auto o = sigmoid(gates[3]).named("o");
      const auto kept = f * c;
      c = (kept + i * g).named("c");
      h = (o * tanh(c)).named("h");
      sequence[t] = h;
    }
  }

  std::vector<Layer> weights_;
  Parameter<double> weight_ = parameter({4, 2}, "linear.weight");
  Parameter<double> bias_ = parameter({4}, "linear.bias");
};

}  // namespace tapestry::test
