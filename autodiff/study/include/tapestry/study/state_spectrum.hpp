// SPDX-License-Identifier: MIT
// How a recurrent state hands gradients from step to step: the Jacobians of its steps, their
// singular values and eigenvalues, Lyapunov exponents, and a verdict.
//
//   const auto output = lstm(x).output;
//   const auto spectrum = state_spectrum(find_states(output, {"h", "c"}));
//   std::cout << spectrum.verdict() << '\n';  // vanishing: the gradient halves every 3.1 steps ...
//
// The state s_t is all that is carried: h for an RNN or GRU, h and c for an LSTM (dh_t / dh_{t-1}
// alone is not the step of an LSTM), of all layers. Letters: n numbers in the state of one
// sequence, J_t = ds_t / ds_{t-1} (n, n).
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/states.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

/// ds_to / ds_from, holding nothing between them constant: (n, n), row-major. The parts of one
/// state count as independent of each other. One backward pass, from one state to the other, for
/// each of the n numbers of sequence `sequence`. ShapeError, IndexError, StaleVariable.
template <class T>
Array<double> state_jacobian(const StateAt<T>& to, const StateAt<T>& from,
                             std::size_t sequence = 0);

template <class T>
struct StateSpectrumOptions {
  std::size_t sequence = 0;  ///< which of the B sequences; it must run through all steps

  /// Where gradients come from, for the realised decay: a scalar computed from the last state. By
  /// default all numbers of the last state get the same gradient.
  std::optional<Variable<T>> loss = std::nullopt;

  bool eigenvalues = true;      ///< compute the spectral radius of each step, the slowest part
  bool keep_jacobians = false;  ///< keep J_t of each step
};

/// What one step does to gradients.
struct StateStep {
  std::int64_t time = 0;                                              ///< t of J_t
  std::vector<double> singular_values;                                ///< of J_t, descending
  double spectral_radius = std::numeric_limits<double>::quiet_NaN();  ///< largest |eigenvalue|
  double norm_ratio = 0;  ///< |J_tᵀ u| / |u| for the gradient u that arrives (Pascanu et al. 2013)
  Array<double> jacobian;  ///< (n, n) if it is kept, else empty

  [[nodiscard]] double sigma_max() const { return singular_values.front(); }
  [[nodiscard]] double sigma_min() const { return singular_values.back(); }
  /// sigma_max / sigma_min; infinity when J_t is singular.
  [[nodiscard]] double condition() const { return sigma_max() / sigma_min(); }
};

enum class GradientTrend : std::uint8_t { vanishing, stable, exploding };

struct StateSpectrum {
  std::size_t size = 0;          ///< n
  std::vector<StateStep> steps;  ///< in the order of computation; one fewer than states

  /// Finite-time Lyapunov exponents in 1 / step, descending: log(σ_i) / T for the singular values
  /// σ_i of the product P = J_T ... J_1 of all T steps, which tend to the Lyapunov exponents
  /// (Oseledets 1968). They do not depend on where a gradient comes from: none grows faster than by
  /// the first or slower than by the last. For h' = W h they tend to the log |eigenvalue| of W, and
  /// are these for every T when W is normal; for one step they are log(σ_i) of J_1. The usual means
  /// of log |R_ii| for Q R = J_t Q_prev (Benettin et al. 1980; for RNNs Vogt et al. 2020, Engelken
  /// 2023) have the same limits, but over few steps depend on the Q they start from. A direction
  /// that is lost, as where ReLU is 0, has -infinity; what a step shortens to below n ε of the norm
  /// of J_t counts as lost.
  std::vector<double> exponents;

  /// The rate, 1 / step, at which the gradient u that was followed grew or decayed on its way,
  /// log(|Pᵀ u| / |u|) / T: between the last exponent and the first, depending on u. If only a
  /// cosine c of u is along the strongest direction, it is about log(1 / c) / T below the first.
  /// -infinity when nothing arrives.
  double realised = 0;

  /// Steps in which this gradient halves (or doubles, when exploding), log(2) / |realised|.
  [[nodiscard]] double half_life() const;

  /// Stable where this gradient changes by less than a factor of 2 over all steps.
  [[nodiscard]] GradientTrend flow() const;

  /// One line on the gradient that was followed, and the most that another could do: the flow, its
  /// half-life, the rate and the largest exponent.
  [[nodiscard]] std::string verdict() const;

  /// Writes the verdict.
  friend std::ostream& operator<<(std::ostream& out, const StateSpectrum& spectrum);
};

/// σ_max(W) γ for recurrent weights W of rank 2 and an activation whose slope is at most γ (1 for
/// tanh and ReLU, 1/4 for a sigmoid): no step of h' = f(W h + ...) makes gradients longer than by
/// this factor. Below 1 they must vanish (Pascanu et al. 2013). ShapeError.
template <class T>
[[nodiscard]] double step_bound(const Array<T>& weight, double slope = 1);

/// The spectrum of consecutive states. ArgumentError when there are fewer than two, or something
/// that is carried is in none of them, such as the c of an LSTM or the second last h of
/// h_t = f(h_{t-1}, h_{t-2}): the text says what. Else as `state_jacobian`. GradientError when a
/// Jacobian is not finite, or the loss does not depend on the last state. Tape and gradients are
/// left as they were.
template <class T>
StateSpectrum state_spectrum(const std::vector<StateAt<T>>& states,
                             const StateSpectrumOptions<std::type_identity_t<T>>& options = {});

}  // namespace tapestry
