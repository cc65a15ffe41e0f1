// SPDX-License-Identifier: MIT
// "Inside the RNN: update equations": one example and a minibatch, the weights as one matrix,
// stacked layers, parameter counts, a loss on every step or on the last.
//   h(t) = φ(W_xh x(t) + W_hh h(t-1) + b_h),  y(t) = W_hy h(t) + b_y,  φ = tanh
#include <tapestry/tapestry.hpp>

#include <iomanip>
#include <iostream>
#include <span>
#include <vector>

namespace tp = tapestry;

namespace {

using Variable = tp::Variable<double>;

// T, m', |x|, |h|, |y|
constexpr std::size_t steps = 4, examples = 5, inputs = 2, units = 3, outputs = 2;

void compare(const char* what, const tp::Array<double>& a, const tp::Array<double>& b) {
  const bool same = a.shape() == b.shape() && xt::allclose(a, b, 0, 1e-12);
  std::cout << "  " << what << (same ? ": equal" : ": NOT EQUAL") << '\n';
}

/// The weights of one layer in the notation of the document, read from a layer of the library.
struct Weights {
  Variable W_xh, W_hh, b_h;

  Weights(tp::Tape<double>& tape, tp::layers::RecurrentWeights<double>& w)
      : W_xh(tape.watch(w.weight_ih).named("W_xh")),
        W_hh(tape.watch(w.weight_hh).named("W_hh")),
        b_h((tape.watch(w.bias_ih) + tape.watch(w.bias_hh)).named("b_h")) {}

  /// One example: x (|x|), h (|h|).
  [[nodiscard]] Variable update(const Variable& x, const Variable& h) const {
    return tanh(matmul(W_xh, x) + matmul(W_hh, h) + b_h);
  }
  /// The examples of a minibatch are rows: x (m', |x|), h (m', |h|).
  [[nodiscard]] Variable update_rows(const Variable& x, const Variable& h) const {
    return tanh(matmul(x, W_xh, {.transpose_b = true}) + matmul(h, W_hh, {.transpose_b = true}) +
                b_h);
  }
};

Variable at(const Variable& x, std::size_t i) { return select(x, 0, static_cast<int>(i)); }

tp::Array<double> random(std::vector<std::size_t> shape) {
  auto array = tp::Array<double>::from_shape(shape);
  for (double& value : array) value = tp::default_generator().uniform(-1, 1);
  return array;
}

void one_step(tp::Tape<double>& tape, const Weights& w) {
  const auto x = tape.constant(random({examples, inputs}), "x");
  const auto h = tape.constant(random({examples, units}), "h");
  std::cout << "Shapes, x and h being those of a minibatch of 5:";
  for (const Variable& v : {w.W_xh, w.W_hh, w.b_h, x, h})
    std::cout << ' ' << v.name() << ' ' << v.shape().str();
  std::cout << "\nA minibatch has m' times as many states; the weights are shared and stay.\n";
  std::vector<Variable> one_by_one;
  for (std::size_t i = 0; i < examples; ++i) one_by_one.push_back(w.update(at(x, i), at(h, i)));
  compare("update of one example, and of a minibatch row by row", stack(one_by_one).value(),
          w.update_rows(x, h).value());
  const auto W = tp::concatenate({w.W_xh, w.W_hh}, 1);
  const auto I = tp::concatenate({at(x, 0), at(h, 0)});
  compare("pseudo-matrix form, φ(W I + b) with W = [W_xh W_hh] and I = [x; h]",
          tanh(tp::matmul(W, I) + w.b_h).value(), one_by_one[0].value());
}

/// Mean over examples of the loss at every step, summed, or at the last; its gradients by y(t).
void losses(const std::vector<Variable>& h, const Variable& W_hy, const Variable& b_y,
            const Variable& target) {
  std::vector<Variable> y;
  for (const Variable& state : h) y.push_back(matmul(state, W_hy, {.transpose_b = true}) + b_y);
  const auto each = sum(square(stack(y) - target), {-1});  // (T, m')
  const std::vector<std::size_t> all(examples, steps);
  const auto every = sequence_loss(each, all);
  const auto last = sequence_loss(each, all, {.reduction = tp::SequenceReduction::last_step});
  compare("loss on every step, mean over i of the sum over t", every.value(),
          (sum(each) / static_cast<double>(examples)).value());
  compare("loss on the last step", last.value(), mean(select(each, 0, -1)).value());
  std::cout << "  their values " << every.item() << " and " << last.item()
            << "; norm of their gradients:\n";
  for (const auto* what : {"y", "h"}) {
    const auto& values = *what == 'y' ? y : h;
    const auto by_every = gradients(every, std::span<const Variable>(values));
    const auto by_last = gradients(last, std::span<const Variable>(values));
    for (std::size_t t = 0; t < steps; ++t)
      std::cout << "    by " << what << '(' << t + 1 << ")  " << std::fixed << std::setprecision(4)
                << norm(by_every[t]).item() << "  " << norm(by_last[t]).item() << std::defaultfloat
                << '\n';
  }
  std::cout << "  The loss on the last step reaches h(1) by way of later states only, y(1) not.\n";
}

}  // namespace

int main() {
  tp::seed(2);
  tp::layers::RNN<double> rnn({.input_size = inputs, .hidden_size = units, .num_layers = 2});
  tp::layers::Linear<double> head(units, outputs);
  tp::Tape<double> tape;
  const Weights lower(tape, rnn.weights(0));
  const Weights upper(tape, rnn.weights(1));
  one_step(tape, lower);

  std::cout << "Stacked: h[l](t) = φ(W_xh h[l-1](t) + W_hh h[l](t-1) + b_h)\n";
  const auto x = tape.constant(random({steps, examples, inputs}), "x");
  Variable lower_h = tape.constant(0.0 * random({examples, units}));
  Variable upper_h = lower_h;
  std::vector<Variable> h;
  for (std::size_t t = 0; t < steps; ++t) {
    lower_h = lower.update_rows(at(x, t), lower_h);
    h.push_back(upper_h = upper.update_rows(lower_h, upper_h));
  }
  const auto output = rnn(x).output.named("h[2]");
  compare("two layers by hand, and layers::RNN with num_layers = 2", stack(h).value(),
          output.value());
  tp::save_dot(output, "update_equations.dot");

  std::cout << "Parameters; b_h of the document is b_ih + b_hh in the library, as in PyTorch\n";
  std::cout << "  layer 1, |h| (|x| + |h| + 2): " << units * (inputs + units + 2)
            << "\n  layer 2, |h| (|h| + |h| + 2): " << units * (units + units + 2)
            << "\n  both, by count_parameters: " << tp::count_parameters(rnn)
            << "\n  output, |y| (|h| + 1): " << outputs * (units + 1)
            << ", by count_parameters: " << tp::count_parameters(head) << '\n';
  std::cout << "Loss when the output is a sequence, and when it is one value\n";
  losses(h, tape.watch(head.weight()), tape.watch(head.bias()),
         tape.constant(random({steps, examples, outputs})));
}
