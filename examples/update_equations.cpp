// SPDX-License-Identifier: MIT
// "Inside the RNN: update equations": one example and a minibatch, the weights as one matrix,
// stacked layers, parameter counts, a loss on every step or on the last.
//   h(t) = φ(W_xh x(t) + W_hh h(t-1) + b_h),  y(t) = W_hy h(t) + b_y,  φ = tanh
#include <tapestry/tapestry.hpp>

#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <span>
#include <utility>
#include <vector>

namespace tp = tapestry;

namespace {

using Variable = tp::Variable<double>;

// T, m', |x|, |h|, |y|
constexpr std::size_t steps = 4, examples = 5, inputs = 2, units = 3, outputs = 2;

bool all_equal = true;

void compare(const char* what, const tp::Array<double>& a, const tp::Array<double>& b) {
  const bool same = a.shape() == b.shape() && xt::allclose(a, b, 0, 1e-12);
  all_equal = all_equal && same;
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
  std::cout
      << "\nThe document says that the parameters become m' times more for m' examples: it is the "
         "states;\nthe weights are shared.\n";
  std::vector<Variable> one_by_one;
  for (std::size_t i = 0; i < examples; ++i) one_by_one.push_back(w.update(at(x, i), at(h, i)));
  compare("update of one example, and of a minibatch row by row", stack(one_by_one).value(),
          w.update_rows(x, h).value());
  const auto W = tp::concatenate({w.W_xh, w.W_hh}, 1);
  const auto I = tp::concatenate({at(x, 0), at(h, 0)});
  compare("pseudo-matrix form, φ(W I + b) with W = [W_xh W_hh] and I = [x; h]",
          tanh(tp::matmul(W, I) + w.b_h).value(), one_by_one[0].value());
  const auto W_b = tp::concatenate({W, expand_dims(w.b_h, 1)}, 1);
  compare("with the offset in it, φ([W b] [x; h; 1])",
          tanh(tp::matmul(W_b, tp::concatenate({I, tape.constant({1.0})}))).value(),
          one_by_one[0].value());
  std::cout << "  (the document leaves φ out of this form)\n";
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
            << "; norm of their gradients\n"
               "             every   last step\n";
  for (const auto& [what, values] : {std::pair{"y", y}, {"h", h}}) {
    const auto by_every = gradients(every, std::span<const Variable>(values));
    const auto by_last = gradients(last, std::span<const Variable>(values));
    for (std::size_t t = 0; t < steps; ++t)
      std::cout << "    by " << what << '(' << t + 1 << ")  " << std::fixed << std::setprecision(4)
                << norm(by_every[t]).item() << "    " << norm(by_last[t]).item()
                << std::defaultfloat << '\n';
  }
  std::cout << "  The loss on the last step reaches h(1) by way of later states only, y(1) not.\n";
}

/// "Deep Dive on RNNs": ŷ = softmax(z), L_t = -y(t) · log ŷ(t) with a one-hot y, Loss = Σ L_t. The
/// slides have lost the minus.
void cross_entropy(tp::Tape<double>& tape, const std::vector<Variable>& h, const Variable& W_hy,
                   const Variable& b_y) {
  const auto z = matmul(stack(h), W_hy, {.transpose_b = true}) + b_y;  // (T, m', |y|)
  tp::Indices classes = tp::Indices::from_shape({steps, examples});
  for (std::size_t k = 0; k < classes.size(); ++k) classes.data()[k] = k % 3 == 0 ? 1 : 0;
  const auto y = one_hot(tape, classes, outputs);
  const auto y_hat = exp(z) / sum(exp(z), {-1}, true);
  const auto L = -sum(y * log(y_hat), {-1});  // (T, m')
  compare("Loss = Σ L_t with L_t = -y · log ŷ, and sequence_cross_entropy",
          (sum(L) / static_cast<double>(examples)).value(),
          sequence_cross_entropy(z, classes, std::vector<std::size_t>(examples, steps)).value());
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
  std::cout << "  layer 1, |h| (|x| + |h| + 1): " << units * (inputs + units + 1)
            << ", + |h| = " << units * (inputs + units + 2)
            << "\n  layer 2, |h| (|h| + |h| + 1): " << units * (units + units + 1)
            << ", + |h| = " << units * (units + units + 2)
            << "\n  both, by count_parameters: " << tp::count_parameters(rnn)
            << "\n  output, W_hy (|y|, |h|) and b_y, |y| (|h| + 1): " << outputs * (units + 1)
            << ", by count_parameters: " << tp::count_parameters(head) << '\n';
  std::cout << "Loss when the output is a sequence, and when it is one value\n";
  losses(h, tape.watch(head.weight()), tape.watch(head.bias()),
         tape.constant(random({steps, examples, outputs})));
  cross_entropy(tape, h, tape.watch(head.weight()), tape.watch(head.bias()));
  return all_equal ? EXIT_SUCCESS : EXIT_FAILURE;
}
