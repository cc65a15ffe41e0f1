// SPDX-License-Identifier: MIT
// Which use of a parameter a loss learns from: the gradient split by time of the loss and time of
// the use.
//
//   const auto table = time_table(loss_terms(logits, targets), lstm.weights(0).weight_hh);
//   std::cout << table;                        // half-life, window, cancellation
//   save_svg(table, "table.svg");
//
// For the objective J = sum_t w_t L_t, a parameter θ and its uses θ_k at steps k, the cell (t, k)
// is G[t,k] = dL_t / dθ_k, shaped like θ, and g = sum_t sum_k w_t G[t,k] = dJ/dθ exactly (Werbos
// 1990; Pascanu, Mikolov and Bengio 2013). It is read from the tape, whatever the model: in a
// bidirectional one cells with k > t are not zero. A variable can take the place of the parameter:
// its uses are the ops that read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <type_traits>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/states.hpp"
#include "tapestry/study/loss_terms.hpp"
#include "tapestry/study/source.hpp"

namespace tapestry {

template <class T>
struct TimeTableOptions {
  /// d: shares are <w_t G[t,k], d> / <g, d>. Without one d = g. With the change of θ in an update
  /// they are shares of the first-order change of the loss.
  std::optional<Array<T>> direction = std::nullopt;

  /// Follow gradients back over at most so many steps. What is further away is in `remainder`.
  std::int64_t max_lag = std::numeric_limits<std::int64_t>::max();

  /// The windows for which the truncation bias is measured. Each takes memory as large as the
  /// parameter; when none is given, all are if they fit into `bias_memory` bytes, else as many as
  /// fit, further and further apart.
  std::vector<std::int64_t> windows = {};
  std::size_t bias_memory = std::size_t{256} << 20;
};

/// What truncating backpropagation would leave out.
struct TruncationBias {
  std::int64_t window = 0;  ///< K: uses less than K steps from the loss are kept
  double bias = 0;          ///< ||sum over |t-k| >= K of w_t G[t,k]|| / ||g||
};

/// Cells with the same lag t - k.
struct LagPoint {
  std::int64_t lag = 0;
  double share = 0;     ///< sum_t share(t, t-lag)
  double log_norm = 0;  ///< log of the mean over t of ||w_t G[t,t-lag]||; -infinity for zeros
};

/// Numbers of a table of G, by row t and column k. Norms are Euclidean, logarithms natural: far
/// lags do not underflow.
struct TimeTable {
  /// The time of uses outside of all steps; they have no lag.
  static constexpr std::int64_t no_step = tapestry::no_step;

  std::vector<std::int64_t> loss_times;  ///< t of each row, in the order of the terms
  std::vector<std::int64_t> use_times;   ///< k of each column, ascending
  std::vector<double> shares;            ///< row-major; they sum to 1 - remainder
  std::vector<double> log_norms;         ///< log ||w_t G[t,k]||; -infinity where it is zero
  double total = 0;                      ///< <g, d>; 0 makes all shares 0
  double gradient_norm = 0;              ///< ||g||
  std::vector<double> use_norms;         ///< ||sum_t w_t G[t,k]|| of each column

  /// By window, ascending. None where the parameter is used outside of all steps, as the weight of
  /// an embedding of the whole input is: truncation changes the gradient of such a use, too, but it
  /// has no lag that would tell how.
  std::vector<TruncationBias> biases;

  [[nodiscard]] double share(std::size_t row, std::size_t column) const {
    return shares[row * use_times.size() + column];
  }
  [[nodiscard]] double log_norm(std::size_t row, std::size_t column) const {
    return log_norms[row * use_times.size() + column];
  }

  /// Sums over rows and over columns of the shares.
  [[nodiscard]] std::vector<double> use_shares() const;
  [[nodiscard]] std::vector<double> loss_shares() const;

  /// What `max_lag` left out: 1 - sum of all shares; 0 when the total is.
  [[nodiscard]] double remainder() const;

  /// ||sum w G|| / sum ||w G||, at most 1: norms do not add up, and this says how much they cancel.
  [[nodiscard]] double cancellation() const;

  /// By lag, ascending; without uses outside of all steps, and without negative lags that no path
  /// leads over.
  [[nodiscard]] std::vector<LagPoint> lag_curve() const;

  /// The slope of log ||G[t,k]|| against |t - k|, each row about its own mean: the rate per step at
  /// which gradients decay (negative) or grow. 0 when there are not two lags to compare.
  [[nodiscard]] double decay() const;

  /// Steps in which the norm halves, log(2) / -decay; infinity when it does not.
  [[nodiscard]] double half_life() const;

  /// The smallest of the measured windows whose truncation bias is below `epsilon`; none where
  /// there are no biases.
  [[nodiscard]] std::optional<std::int64_t> window(double epsilon) const;
};

/// The table of `source` for the terms of an objective: one sweep back for each term, read on the
/// way, and one for all; nothing of the size of the source is kept for a cell. Tape, gradients and
/// parameters are left as they were. Hooks on results take part, those on leaves do not.
/// ArgumentError when there are no terms, or the tape has no use of the parameter. GradientError
/// when the source needs no gradient, g is not finite, or a parameter has changed since it was
/// used; ShapeError when a seed or the direction does not fit; StaleVariable.
template <class T>
TimeTable time_table(const LossTerms<T>& terms, const Source<std::type_identity_t<T>>& source,
                     const TimeTableOptions<std::type_identity_t<T>>& options = {});

/// The gradient with respect to the uses of a source at one step.
template <class T>
struct StepGradient {
  std::int64_t time = 0;  ///< `TimeTable::no_step` outside of all steps
  Array<T> gradient;      ///< shaped like the source
};

/// The columns of the table, sum_t w_t G[t,k] for each k: they sum to the gradient, and one sweep
/// gives them all. Throws as `time_table`.
template <class T>
std::vector<StepGradient<T>> step_gradients(const LossTerms<T>& terms,
                                            const Source<std::type_identity_t<T>>& source);

/// The same for a scalar.
template <class T>
std::vector<StepGradient<T>> step_gradients(const Variable<T>& loss,
                                            const Source<std::type_identity_t<T>>& source) {
  return step_gradients(LossTerms<T>{{loss}}, source);
}

/// A few lines for readers: size, half-life, window, cancellation.
std::ostream& operator<<(std::ostream& out, const TimeTable& table);

/// One line for each cell: loss_time,use_time,lag,share,log_norm. FileError; ArgumentError when
/// `path` has the ending of another kind of file.
void save_csv(const TimeTable& table, const std::filesystem::path& path);

}  // namespace tapestry
