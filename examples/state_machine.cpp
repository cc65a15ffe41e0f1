// SPDX-License-Identifier: MIT
// An RNN is a state machine with weights: sections C.2 and C.3 of the notes of MIT 6.390 (2024).
//   s(t) = f_s(W^ss s(t-1) + W^sx x(t) + W0^ss),  y(t) = f_o(W^o s(t) + W0^o)
// A sequence in, one of the same length out; how wrong it is, L_seq and J(W); learning W^o by J.
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "claims.hpp"

namespace tp = tapestry;

namespace {

using Sequence = std::vector<double>;
using Function = std::function<tp::Variable<double>(const tp::Variable<double>&)>;
using Weight = tp::Parameter<double>;

std::string text(const auto& numbers) {
  std::ostringstream out;
  for (const double number : numbers) out << (out.tellp() == 0 ? "[" : " ") << number;
  return out.str() + "]";
}

/// Definition 10, with one number in and one out at each step. Weights and functions are free.
struct StateMachine {
  using value_type = double;
  Weight Wss, Wsx, W0ss, Wo, W0o;
  Function f_s = [](const auto& z) { return z; };
  Function f_o = [](const auto& z) { return z; };

  void visit(auto&& part) {
    part("W^ss", Wss);
    part("W^sx", Wsx);
    part("W0^ss", W0ss);
    part("W^o", Wo);
    part("W0^o", W0o);
  }

  /// C.3.1: transduces x from the state 0; y(t) at each step. Prints its states if asked to.
  std::vector<tp::Variable<double>> operator()(tp::Tape<double>& tape, const Sequence& x,
                                               bool show = false) {
    const auto W_ss = tape.watch(Wss), W_sx = tape.watch(Wsx), W_o = tape.watch(Wo);
    const auto W0_ss = tape.watch(W0ss), W0_o = tape.watch(W0o);
    auto s = tape.constant(W0ss.value() - W0ss.value(), "s0");
    std::vector<tp::Variable<double>> y;
    for (const double input : x) {
      const auto step = tape.step(y.size() + 1);
      const auto x_t = tape.constant({input}, "x");
      s = f_s(matmul(W_ss, s) + matmul(W_sx, x_t) + W0_ss).named("s");
      y.push_back(f_o(matmul(W_o, s) + W0_o).named("y"));
      if (show)
        std::cout << "  x " << input << "  s " << text(s.value()) << "  y " << y.back().item()
                  << '\n';
    }
    return y;
  }
  Sequence operator()(const Sequence& x, bool show = false) {
    tp::Tape<double> tape;
    Sequence y;
    for (const auto& value : (*this)(tape, x, show)) y.push_back(value.item());
    return y;
  }
};

/// The layer of the library with the same weights.
tp::layers::RNN<double> layer_of(const StateMachine& machine) {
  tp::layers::RNN<double> rnn({.input_size = 1,
                               .hidden_size = machine.Wss.shape()[0],
                               .activation = machine.f_s,
                               .output_size = 1,
                               .output_activation = machine.f_o});
  rnn.weights(0).weight_ih.value() = machine.Wsx.value();
  rnn.weights(0).weight_hh.value() = machine.Wss.value();
  rnn.weights(0).bias_ih.value() = machine.W0ss.value();
  rnn.weights(0).bias_hh.value().fill(0);  // as PyTorch it has two offsets, the notes have one
  rnn.weight_ho().value() = machine.Wo.value();
  rnn.bias_ho().value() = machine.W0o.value();
  return rnn;
}

bool layer_agrees(StateMachine& machine, const Sequence& x) {
  tp::Tape<double> tape;
  auto rnn = layer_of(machine);
  const auto y = rnn(tape.constant(xt::adapt(x, {x.size(), 1UL, 1UL}))).output;
  return xt::allclose(y.value(), xt::adapt(machine(x), y.value().shape()), 1e-12, 0);
}

/// Sequences of at most six numbers side by side, padded at their ends: (6, B).
tp::Array<double> padded(const std::vector<Sequence>& sequences) {
  tp::Array<double> all = xt::zeros<double>({std::size_t{6}, sequences.size()});
  for (std::size_t i = 0; i < sequences.size(); ++i)
    for (std::size_t t = 0; t < sequences[i].size(); ++t) all(t, i) = sequences[i][t];
  return all;
}

/// Definition 26 with the squared error as L_elt.
double L_seq(const Sequence& g, const Sequence& y) {
  tp::Tape<double> tape;
  const auto errors = square(tape.constant(padded({g})) - tape.constant(padded({y})));
  return sequence_loss(errors).item();
}

/// J(W) over pairs (x, y): a machine that starts with other output weights learns them.
void learn(const StateMachine& desired, const std::vector<Sequence>& x, Claims& claims) {
  std::vector<Sequence> y;
  std::vector<std::size_t> lengths;
  for (const Sequence& input : x) {
    y.push_back(StateMachine(desired)(input));
    lengths.push_back(input.size());
  }
  auto rnn = layer_of(desired);
  auto& Wo = rnn.weight_ho();
  tp::Tape<double> tape;
  const auto J = [&] {
    tape.clear();
    const auto outputs = rnn(expand_dims(tape.constant(padded(x)), -1), lengths).output;
    return sequence_loss(square(squeeze(outputs, -1) - tape.constant(padded(y))), lengths);
  };
  for (const Sequence& weights : {Sequence{0.2, 0.3, 0.5}, {0.5, 0.3, 0.2}, {0.5, 0.2, 0.2}}) {
    std::copy(weights.begin(), weights.end(), Wo.value().begin());
    Wo.touch();
    std::cout << "  W^o = " << text(weights) << "  J(W) = " << J().item() << '\n';
  }
  tp::optim::SGD<double> sgd({&Wo}, {.learning_rate = 0.005});
  for (int step = 0; step < 2000; ++step) {
    J().backward();
    sgd.step();
    sgd.zero_grad();
  }
  std::cout << "  after 2000 steps of gradient descent on J, W^o = " << text(Wo.value()) << '\n';
  claims.check(J().item() < 1e-20, "the last weights, trained, become those of (C.16)");
}

}  // namespace

int main() {
  Claims claims;
  std::cout << "C.2.8 Weighted average: Y = 0.5 X(t) + 0.3 X(t-1) + 0.2 X(t-2)\n"
               "The state being [X(t-2) X(t-1) X(t)], (C.16) needs W^o = [0.2 0.3 0.5]; the notes "
               "print\n[0.5 0.3 0.2] and, in remark 14, [0.5 0.2 0.2]. We follow (C.16).\n";
  StateMachine average{.Wss = Weight({{0, 1, 0}, {0, 0, 1}, {0, 0, 0}}),
                       .Wsx = Weight({{0}, {0}, {1}}),
                       .W0ss = Weight({0, 0, 0}),
                       .Wo = Weight({{0.2, 0.3, 0.5}}),
                       .W0o = Weight(tp::Array<double>{0})};
  average({1, 2, 3, 4}, true);
  claims.check(layer_agrees(average, {1, 2, 3, 4}), "layers::RNN with these weights agrees");

  std::cout << "C.2.9 Bank and investments, in thousands a month. The words say that 10 % of the "
               "investments go to\nthe bank, (C.23) to (C.28) say 0.2: we take 0.2.\n";
  StateMachine bank{.Wss = Weight({{1, 0.2}, {0, 1.01}}),
                    .Wsx = Weight({{0.8}, {0.2}}),
                    .W0ss = Weight({-6.0, 0.0}),
                    .Wo = Weight({{1, 1}}),
                    .W0o = Weight(tp::Array<double>{0})};
  std::cout << "  shapes:";
  for (const auto& [name, weight] : tp::named_parameters(bank))
    std::cout << ' ' << name << ' ' << weight->shape().str();
  std::cout << '\n';
  bank({10, 12, 9}, true);
  claims.check(layer_agrees(bank, {10, 12, 9}), "layers::RNN with these weights agrees");
  tp::Tape<double> tape;
  tp::parameters(bank);  // gives the weights their names
  tp::save_dot(tp::snapshot(bank(tape, {10, 12, 9}), {.values = true}), "state_machine.dot",
               {.values = true});
  tp::save_dot(stack(bank(tape, {10, 12, 9, 9, 9})).named("all months"), "state_machine_rolled.dot",
               {.roll_steps = true});
  std::cout << "  drawn: C.2.7, fully unpacked, in state_machine.dot, and with one copy of the "
               "machine in\n  state_machine_rolled.dot (C.2.6)\n";
  StateMachine ten = bank;
  ten.Wss.value()(0, 1) = 0.1;
  std::cout << "  with 10 %: y = " << text(ten({10, 12, 9})) << '\n';

  std::cout << "C.3.2 Transduction: inputs of any length, outputs as long as they\n";
  const std::vector<Sequence> x{{1, 2, 3, 4}, {2, 4, 6, 7}, {5}, {3, 1, 4, 1, 5, 9}};
  for (const Sequence& input : x)
    std::cout << "  " << text(input) << " -> " << text(average(input)) << '\n';
  const auto linear = [](StateMachine& machine) {  // twice the input, twice the output
    return machine({2, 4})[1] == 2 * machine({1, 2})[1];
  };
  claims.check(linear(average) && !linear(bank), "the average is linear (C.2.1), the bank is not");

  std::cout << "C.3.4 L_seq([1 4 5], [1 2 3]) = " << L_seq({1, 4, 5}, {1, 2, 3})
            << "\nJ(W), the mean of L_seq over the sequences above; (C.16) is desired\n";
  learn(average, x, claims);

  std::cout << "C.3.5 Other functions: f_s = tanh, f_o(z) = 1 / (1 + z²)\n";
  average.f_s = [](const auto& z) { return tanh(z); };
  average.f_o = [](const auto& z) { return 1 / (1 + square(z)); };
  std::cout << "  [1 2 3 4] -> " << text(average({1, 2, 3, 4})) << '\n';
  claims.check(layer_agrees(average, {1, 2, 3, 4}), "layers::RNN with these weights agrees");
  return claims.exit_code();
}
