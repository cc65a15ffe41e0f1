// SPDX-License-Identifier: MIT
// Why gradients vanish or explode ("Deep Dive on RNNs"): an RNN without input and nonlinearity
// multiplies its state by W at each step, h_t = W^t h_0 = Q Λ^t Q^T h_0 for a symmetric
// W = Q Λ Q^T (the slides lost the second transpose). So the component of h_0 along each
// eigenvector of W is multiplied by its eigenvalue, again and again.
#include <tapestry/study.hpp>
#include <tapestry/tapestry.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include "claims.hpp"
#include "draw_curves.hpp"
#include "text.hpp"

namespace tp = tapestry;

namespace {

using Array = tp::Array<double>;

constexpr std::size_t n = 3;
constexpr std::size_t steps = 40;
// Eigenvectors: the columns of a reflection, which is symmetric and orthogonal.
const Array q{
    {1 / 3.0, -2 / 3.0, -2 / 3.0}, {-2 / 3.0, 1 / 3.0, -2 / 3.0}, {-2 / 3.0, -2 / 3.0, 1 / 3.0}};
const Array h0{{1, -2, 0.5}};

/// Q Λ^t Q^T.
Array power(const std::vector<double>& eigenvalues, double t) {
  Array w = Array::from_shape({n, n});
  w.fill(0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t k = 0; k < n; ++k)
        w(i, j) += q(i, k) * std::pow(eigenvalues[k], t) * q(j, k);
  return w;
}

double difference(const auto& a, const auto& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
  return largest;
}

using States = std::vector<tp::StateAt<double>>;

/// h' = W h.
States run(tp::Tape<double>& tape, const std::vector<double>& eigenvalues) {
  const auto w = tape.constant(power(eigenvalues, 1), "W");
  States states{{0, {tape.variable(h0, "h0")}}};
  for (std::size_t t = 1; t <= steps; ++t)
    states.push_back(
        {static_cast<std::int64_t>(t), {matmul(states.back().parts[0], w, {.transpose_b = true})}});
  return states;
}

/// Q^T h, the components along the eigenvectors.
std::vector<double> components(const Array& h) {
  std::vector<double> along(n);
  for (std::size_t k = 0; k < n; ++k)
    for (std::size_t i = 0; i < n; ++i) along[k] += q(i, k) * h(0, i);
  return along;
}

/// Prints the components of h_t, and compares them with powers of the eigenvalues.
std::vector<tp::Curve> show_components(const States& states, const std::vector<double>& eigenvalues,
                                       Claims& claims) {
  std::cout << "Eigenvalues " << fixed(eigenvalues[0], 1) << ", " << fixed(eigenvalues[1], 1)
            << ", " << fixed(eigenvalues[2], 1) << ":\n   t   along q1   along q2   along q3   "
            << "share of q1 in |h_t|\n";
  std::vector<tp::Curve> lines(n);
  const std::vector<double> start = components(h0);
  bool as_powers = true;
  double share = 0;
  for (std::size_t t = 0; t <= steps; ++t) {
    const std::vector<double> along = components(states[t].parts[0].value());
    for (std::size_t k = 0; k < n; ++k) {
      const double expected = std::pow(eigenvalues[k], static_cast<double>(t)) * start[k];
      as_powers &= std::abs(along[k] - expected) < 1e-12 * (1 + std::abs(expected));
      lines[k].name = "eigenvalue " + fixed(eigenvalues[k], 1);
      lines[k].x.push_back(static_cast<double>(t));
      lines[k].y.push_back(std::abs(along[k]));
    }
    share = std::abs(along[0]) / std::hypot(along[0], along[1], along[2]);
    if (t > 2 && t != 5 && t % 10 != 0) continue;
    std::cout << column(std::to_string(t), -4);
    for (const double component : along) std::cout << column(fixed(component, 5), -11);
    std::cout << column(fixed(100 * share, 1), -8) << " %\n";
  }
  claims.check(as_powers, "each component is its eigenvalue's power times what it was");
  claims.check(share > 0.99, "what does not point along the largest is lost");
  return lines;
}

/// Asks the tape for dh_t/dh_0, and what the steps do to the gradient of |h_t|^2.
void ask_the_tape(const States& states, const std::vector<double>& eigenvalues, Claims& claims) {
  const Array jacobian = tp::state_jacobian(states.back(), states.front());
  claims.check(difference(jacobian, power(eigenvalues, steps)) < 1e-11,
               "by the tape, dh_t/dh_0 is W^t");
  const auto spectrum = tp::state_spectrum(states, {.loss = sum(square(states.back().parts[0]))});
  claims.check(std::abs(spectrum.steps[0].spectral_radius - eigenvalues[0]) < 1e-12,
               "the largest |eigenvalue| of a step of the state is that of W");
  bool as_logs = true;
  for (std::size_t k = 0; k < n; ++k)
    as_logs &= std::abs(spectrum.exponents[k] - std::log(eigenvalues[k])) < 1e-12;
  claims.check(as_logs, "the Lyapunov exponents are the logarithms of the eigenvalues");
  claims.check(std::abs(spectrum.realised - std::log(eigenvalues[0])) < 1e-3,
               "the gradient of |h_t|^2 goes at the rate of the largest");
  std::cout << "  " << spectrum.verdict() << "\n\n";
}

std::vector<tp::Curve> linear(const std::vector<double>& eigenvalues, Claims& claims) {
  tp::Tape<double> tape;
  const States states = run(tape, eigenvalues);
  std::vector<tp::Curve> lines = show_components(states, eigenvalues, claims);
  ask_the_tape(states, eigenvalues, claims);
  return lines;
}

/// The same question to a layer as it is before training: what its steps do to gradients.
template <class Layer>
tp::StateSpectrum ask(const std::string& name, Layer layer,
                      const std::vector<std::string_view>& state) {
  tp::Generator random(7);
  Array x = Array::from_shape({30, 1, 4});
  for (double& value : x) value = random.normal();
  tp::Tape<double> tape;
  const auto spectrum = tp::state_spectrum(tp::find_states(layer(tape.constant(x)).output, state));
  double radius = 0;
  for (const auto& step : spectrum.steps)
    radius += step.spectral_radius / static_cast<double>(spectrum.steps.size());
  std::cout << column(name, 5) << "largest |eigenvalue| of a step, on average " << fixed(radius, 2)
            << "\n  " << spectrum.verdict() << '\n';
  return spectrum;
}

}  // namespace

int main() {
  Claims claims;
  std::vector<tp::Curve> lines = linear({1.1, 0.9, 0.5}, claims);
  linear({0.9, 0.5, 0.2}, claims);

  tp::seed(1);
  const auto rnn = ask("RNN", tp::layers::RNN<double>({.input_size = 4, .hidden_size = 16}), {"h"});
  const auto gru = ask("GRU", tp::layers::GRU<double>({.input_size = 4, .hidden_size = 16}), {"h"});
  const auto lstm =
      ask("LSTM", tp::layers::LSTM<double>({.input_size = 4, .hidden_size = 16, .forget_bias = 1}),
          {"h", "c"});
  claims.check(lstm.half_life() > rnn.half_life() && gru.half_life() > rnn.half_life(),
               "gates make paths on which gradients live longer");
  draw_curves(lines, "eigenvalues.svg",
              {.title = "|component of W^t h_0| along each eigenvector",
               .x_label = "step t",
               .y_label = "length",
               .log_y = true});
  return claims.exit_code();
}
