// SPDX-License-Identifier: MIT
// An RNN is a state machine with weights: sections C.2 and C.3 of the notes of MIT 6.390 (2024).
//   s(t) = f_s(W^ss s(t-1) + W^sx x(t) + W0^ss),  y(t) = f_o(W^o s(t) + W0^o)
// A sequence in, one of the same length out; how wrong it is: L_seq and J(W).
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <functional>
#include <iostream>
#include <numeric>
#include <vector>

namespace tp = tapestry;

namespace {

using Sequence = std::vector<double>;
using Function = std::function<tp::Variable<double>(const tp::Variable<double>&)>;

std::ostream& operator<<(std::ostream& out, const Sequence& x) {
  for (const double& value : x) out << (&value == x.data() ? "[" : " ") << value;
  return out << ']';
}

tp::Array<double> matrix(std::initializer_list<std::initializer_list<double>> rows) {
  auto result = tp::Array<double>::from_shape({rows.size(), rows.begin()->size()});
  auto place = result.begin();
  for (const auto& row : rows) place = std::copy(row.begin(), row.end(), place);
  return result;
}

/// Definition 10. Its parts are free: any matrices that fit together, any functions.
struct StateMachine {
  tp::Array<double> Wss, Wsx, W0ss, Wo, W0o;
  Function f_s = [](const auto& z) { return z; };
  Function f_o = [](const auto& z) { return z; };

  /// C.3.1: transduces x, one number at each step, from the state 0.
  Sequence operator()(const Sequence& x, bool show = false) const {
    tp::Tape<double> tape;
    const auto in = [&](const auto& value, const char* name) { return tape.constant(value, name); };
    auto s = in(W0ss - W0ss, "s0");
    std::vector<tp::Variable<double>> y;
    Sequence outputs;
    for (const double input : x) {
      const auto step = tape.step(y.size() + 1);
      const auto x_t = in(tp::Array<double>{input}, "x");
      s = f_s(matmul(in(Wss, "W^ss"), s) + matmul(in(Wsx, "W^sx"), x_t) + in(W0ss, "W0^ss"));
      y.push_back(f_o(matmul(in(Wo, "W^o"), s.named("s")) + in(W0o, "W0^o")).named("y"));
      outputs.push_back(y.back().item());
      if (show)
        std::cout << "  x " << input << "  s " << Sequence(s.value().begin(), s.value().end())
                  << "  y " << outputs.back() << '\n';
    }
    if (show)
      tp::save_dot(tp::snapshot(y, {.values = true}), "state_machine.dot", {.values = true});
    return outputs;
  }

  /// With the layer of the library, given the same weights.
  void compare_layer(const Sequence& x) const {
    tp::layers::RNN<double> rnn({.input_size = 1,
                                 .hidden_size = Wss.shape()[0],
                                 .activation = f_s,
                                 .output_size = 1,
                                 .output_activation = f_o});
    rnn.weights(0).weight_ih.value() = Wsx;
    rnn.weights(0).weight_hh.value() = Wss;
    rnn.weights(0).bias_ih.value() = W0ss;
    rnn.weights(0).bias_hh.value().fill(0);  // as PyTorch it has two offsets, the notes have one
    rnn.weight_ho().value() = Wo;
    rnn.bias_ho().value() = W0o;
    tp::Tape<double> tape;
    const auto y = rnn(tape.constant(xt::adapt(x, {x.size(), 1UL, 1UL}))).output;
    const bool same = xt::allclose(y.value(), xt::adapt((*this)(x), y.value().shape()), 1e-12, 0);
    std::cout << "  layers::RNN with these weights " << (same ? "agrees" : "DIFFERS") << '\n';
  }
};

/// Definition 26, L_elt being the squared error.
double sequence_loss(const Sequence& g, const Sequence& y) {
  return std::inner_product(g.begin(), g.end(), y.begin(), 0.0, std::plus<>(),
                            [](double a, double b) { return (a - b) * (a - b); });
}

}  // namespace

int main() {
  std::cout << "C.2.8 Weighted average: Y = 0.5 X(t) + 0.3 X(t-1) + 0.2 X(t-2)\n"
               "The state being [X(t-2) X(t-1) X(t)], (C.16) needs W^o = [0.2 0.3 0.5]; the notes "
               "print\n[0.5 0.3 0.2] and, in remark 14, [0.5 0.2 0.2]. We follow (C.16).\n";
  StateMachine average{matrix({{0, 1, 0}, {0, 0, 1}, {0, 0, 0}}),
                       matrix({{0}, {0}, {1}}),
                       {0, 0, 0},
                       matrix({{0.2, 0.3, 0.5}}),
                       {0}};
  average({1, 2, 3, 4}, true);
  average.compare_layer({1, 2, 3, 4});

  std::cout << "C.2.9 Bank and investments, in thousands a month. The words say that 10 % of the "
               "investments go to\nthe bank, (C.23) to (C.28) say 0.2: we take 0.2.\n";
  StateMachine bank{
      matrix({{1, 0.2}, {0, 1.01}}), matrix({{0.8}, {0.2}}), {-6, 0}, matrix({{1, 1}}), {0}};
  bank({10, 12, 9}, true);
  bank.compare_layer({10, 12, 9});
  bank.Wss(0, 1) = 0.1;
  std::cout << "  with 10 %: y = " << bank({10, 12, 9})
            << "\n  The three months are drawn in state_machine.dot: C.2.7, fully unpacked\n";

  std::cout << "C.3.2 Transduction: inputs of any length, outputs as long as they\n";
  const std::vector<Sequence> x{{1, 2, 3, 4}, {2, 4, 6, 7}, {5}, {3, 1, 4, 1, 5, 9}};
  for (const Sequence& input : x) std::cout << "  " << input << " -> " << average(input) << '\n';

  std::cout << "C.3.4 L_seq([1 4 5], [1 2 3]) = " << sequence_loss({1, 4, 5}, {1, 2, 3})
            << "\nJ(W), the mean of L_seq over the sequences above; (C.16) is desired\n";
  const StateMachine desired = average;
  for (const Sequence& Wo : {Sequence{0.2, 0.3, 0.5}, {0.5, 0.3, 0.2}, {0.5, 0.2, 0.2}}) {
    std::copy(Wo.begin(), Wo.end(), average.Wo.begin());
    double J = 0;
    for (const Sequence& input : x) J += sequence_loss(average(input), desired(input)) / 4;
    std::cout << "  W^o = " << Wo << "  J(W) = " << J << '\n';
  }
  std::cout << "C.3.5 Other functions: f_s = tanh, f_o(z) = 1 / (1 + z²)\n";
  average.Wo = desired.Wo;
  average.f_s = [](const auto& z) { return tanh(z); };
  average.f_o = [](const auto& z) { return 1 / (1 + square(z)); };
  std::cout << "  [1 2 3 4] -> " << average({1, 2, 3, 4}) << '\n';
  average.compare_layer({1, 2, 3, 4});
}
