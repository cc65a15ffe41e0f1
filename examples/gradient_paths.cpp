// SPDX-License-Identifier: MIT
// How does the loss of a recurrent network depend on a weight? One term for each path: section 3 of
// the CS187 lab (Harvard), with its numbers, for sequences of 1, 2, 3 and any number of steps.
//   h(t) = ReLU(U x(t) + V h(t-1)), o(t) = W h(t), L = sum over t of (x(t+1) - o(t))²
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

namespace tp = tapestry;

namespace {

using Scalar = tp::Variable<double>;

bool all_agree = true;

void compare(double ours, double gradient) {
  const bool agrees = std::abs(ours - gradient) <= 1e-12 * std::abs(gradient);
  all_agree = all_agree && agrees;
  std::cout << "  sum " << ours << (agrees ? " = " : " is not ") << "U.grad() " << gradient << "\n";
}

/// The network over N steps. h[t] and o[t] are those of step t; h[0] is a constant.
struct Network {
  tp::Tape<double> tape;
  Scalar U = tape.variable(0.1, "U");
  Scalar V = tape.variable(0.2, "V");
  Scalar W = tape.variable(0.3, "W");
  std::vector<Scalar> h{tape.constant(0.0, "h0")};
  std::vector<Scalar> o{h[0]};
  Scalar loss = tape.constant(0.0);

  explicit Network(std::size_t steps) {
    for (std::size_t t = 1; t <= steps; ++t) {
      h.push_back(relu(U * x(t) + V * h.back()).named("h" + std::to_string(t)));
      o.push_back((W * h.back()).named("o" + std::to_string(t)));
      loss = loss + square(x(t + 1) - o.back());
    }
    loss = loss.named("L");
    loss.backward();
  }

  /// 0.5, 0.6, 0.7, ... as in the lab.
  static double x(std::size_t t) { return 0.4 + 0.1 * static_cast<double>(t); }
};

/// 3.1 to 3.3: as many terms as there are paths from U to L.
void short_sequence(std::size_t steps) {
  Network net(steps);
  const auto paths = tp::paths(net.U, net.loss);
  std::cout << "3." << steps << "  N = " << steps << ": " << paths << '\n';
  double sum = 0;
  for (const auto& path : paths) {
    const auto hidden =
        std::ranges::count_if(path.labels(), [](const auto& name) { return name[0] == 'h'; });
    std::cout << "  " << path << ", " << hidden << " h\n    " << path.formula() << '\n';
    sum += path.contribution()();
  }
  compare(sum, net.U.grad()());
  std::cout << paths.latex() << "\n\n";
  if (steps == 2)
    std::cout << "∂h2/∂U = " << tp::partial(net.h[2], net.U)()
              << " holds h1 constant; dh2/dU = " << tp::total(net.h[2], net.U)()
              << " has the path by way of h1 as well.\n\n";
  tp::save_dot(net.loss, "computation_graph_" + std::to_string(steps) + ".dot");
  if (steps < 3) return;
  tp::save_dot(net.loss, "gradient_path.dot", {.overlay = paths.longest().overlay()});
  tp::save_dot(net.loss, "gradient_flow.dot",
               {.overlay = tp::gradient_flow(net.U, net.loss).overlay()});
}

/// 3.5: the sum of sums of products, its factors taken from the tape.
void any_sequence(std::size_t steps) {
  Network net(steps);
  std::cout << "3.5  N = " << steps << ": " << tp::paths(net.U, net.loss)
            << ", N (N + 1) / 2\n"
               "  dL/dU = sum t=1..N  ∂L/∂o(t) ∂o(t)/∂h(t)  "
               "sum k=1..t  (product j=k+1..t  ∂h(j)/∂h(j-1))  ∂h(k)/∂U\n";
  double sum = 0;
  for (std::size_t t = 1; t <= steps; ++t) {
    const double outer = tp::partial(net.loss, net.o[t])() * tp::partial(net.o[t], net.h[t])();
    double product = 1;
    for (std::size_t k = t; k >= 1; --k) {
      sum += outer * product * tp::partial(net.h[k], net.U)();
      if (k > 1) product *= tp::partial(net.h[k], net.h[k - 1])();
    }
  }
  compare(sum, net.U.grad()());
  std::cout << "The strongest of them:\n" << tp::paths(net.U, net.loss).strongest(3) << '\n';
}

/// The same of a layer, whose weight is a matrix.
void layer() {
  tp::seed(3);
  tp::layers::RNN<double> rnn({.input_size = 3, .hidden_size = 4, .bias = false});
  tp::Tape<double> tape;
  const auto x = tape.constant({{{1.0, 0.0, 0.0}}, {{0.0, 1.0, 0.0}}, {{0.0, 0.0, 1.0}}}, "x");
  const auto loss = mean(square(rnn(x).output - 0.5)).named("L");
  const auto& weight = rnn.weights(0).weight_hh;
  std::cout << "\nA layer of 4 units over 3 steps, " << tp::paths(weight, loss)
            << "; the strongest and their shares:\n"
            << std::fixed << std::setprecision(3);
  for (const auto& path : tp::paths(weight, loss).strongest(3))
    std::cout << "  " << path << "  " << path.share() << '\n';
  const auto report = tp::verify(weight, loss);
  all_agree = all_agree && report.holds();
  if (report.holds())
    std::cout << "They sum to the gradient, and all else that must hold does.\n";
  else
    std::cout << report;
  tp::save_dot(loss, "layer_flow.dot", {.overlay = tp::gradient_flow(weight, loss).overlay()});
  tp::save_dot(loss, "layer_norms.dot", {.overlay = tp::gradient_norms(loss).overlay()});
}

}  // namespace

int main() {
  for (const std::size_t steps : {1U, 2U, 3U}) short_sequence(steps);
  any_sequence(20);
  layer();
  std::cout << "Drawn: computation_graph_1.dot to _3.dot, gradient_path.dot, gradient_flow.dot, "
               "layer_flow.dot,\nlayer_norms.dot\n";
  return all_agree ? EXIT_SUCCESS : EXIT_FAILURE;
}
