// SPDX-License-Identifier: MIT
// The recurrent layers once more, as loops over numbers: one sequence, one step, one unit at a
// time. Written from the papers, to compare the library with where PyTorch has no such option.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/layers/recurrent_weights.hpp"

namespace tapestry::test {

using Row = std::vector<double>;

struct HandCell {
  enum class Kind { rnn, lstm, gru } kind = Kind::rnn;
  std::size_t hidden_size = 1;
  bool layer_norm = false;
  bool peephole = false;
  bool projection = false;
  bool reset_after = true;
  std::function<double(double)> activation = [](double x) { return std::tanh(x); };
  Row input_mask = {};  // factors of x and h; empty: 1
  Row state_mask = {};
};

/// h and c of one sequence.
struct HandState {
  Row h, c;
};

namespace by_hand {

using Weights = layers::RecurrentWeights<double>;

inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }

inline double at(const Parameter<double>& p, std::size_t i) {
  return p.shape().rank() == 0 ? 0.0 : p.value()(i);
}

inline Row masked(Row x, const Row& mask) {
  for (std::size_t i = 0; !mask.empty() && i < x.size(); ++i) x[i] *= mask[i];
  return x;
}

/// Rows [first, last) of W x.
inline Row product(const Parameter<double>& w, const Row& x, std::size_t first, std::size_t last) {
  Row y;
  for (std::size_t i = first; i < last; ++i) {
    double total = 0;
    for (std::size_t j = 0; j < x.size(); ++j) total += w.value()(i, j) * x[j];
    y.push_back(total);
  }
  return y;
}

/// Layer norm of a; gain and bias start at row `first`.
inline Row normed(Row a, const Parameter<double>& gain, const Parameter<double>& bias,
                  std::size_t first) {
  const double n = static_cast<double>(a.size());
  const double mean = std::accumulate(a.begin(), a.end(), 0.0) / n;
  double variance = 0;
  for (const double v : a) variance += (v - mean) * (v - mean) / n;
  for (std::size_t i = 0; i < a.size(); ++i)
    a[i] =
        (a[i] - mean) / std::sqrt(variance + 1e-5) * gain.value()(first + i) + at(bias, first + i);
  return a;
}

struct Projections {
  const HandCell& cell;
  Weights& w;

  /// Rows [first, last) of W_ih x + b_ih, normalised together.
  [[nodiscard]] Row input(const Row& x, std::size_t first, std::size_t last) const {
    Row a = product(w.weight_ih, masked(x, cell.input_mask), first, last);
    if (cell.layer_norm) a = normed(a, w.norm_ih_gain, w.norm_ih_bias, first);
    for (std::size_t i = first; i < last; ++i) a[i - first] += at(w.bias_ih, i);
    return a;
  }
  [[nodiscard]] Row hidden(const Row& h, std::size_t first, std::size_t last) const {
    Row a = product(w.weight_hh, masked(h, cell.state_mask), first, last);
    if (cell.layer_norm) a = normed(a, w.norm_hh_gain, w.norm_hh_bias, first);
    for (std::size_t i = first; i < last; ++i) a[i - first] += at(w.bias_hh, i);
    return a;
  }
};

inline void rnn_step(const Projections& p, const Row& x, HandState& s) {
  const std::size_t n = p.cell.hidden_size;
  const Row a = p.input(x, 0, n), b = p.hidden(s.h, 0, n);
  for (std::size_t k = 0; k < n; ++k) s.h[k] = p.cell.activation(a[k] + b[k]);
}

inline void lstm_step(const Projections& p, const Row& x, HandState& s) {
  const std::size_t n = p.cell.hidden_size;
  const Row a = p.input(x, 0, 4 * n), b = p.hidden(s.h, 0, 4 * n);
  const auto peep = [&](std::size_t gate, std::size_t k, double c) {
    return p.cell.peephole ? p.w.peephole.value()(gate * n + k) * c : 0.0;
  };
  Row o;
  for (std::size_t k = 0; k < n; ++k) {
    const double i = logistic(a[k] + b[k] + peep(0, k, s.c[k]));
    const double f = logistic(a[n + k] + b[n + k] + peep(1, k, s.c[k]));
    const double g = std::tanh(a[2 * n + k] + b[2 * n + k]);
    s.c[k] = f * s.c[k] + i * g;
    o.push_back(logistic(a[3 * n + k] + b[3 * n + k] + peep(2, k, s.c[k])));
  }
  Row h = p.cell.layer_norm ? normed(s.c, p.w.norm_c_gain, p.w.norm_c_bias, 0) : s.c;
  for (std::size_t k = 0; k < n; ++k) h[k] = o[k] * std::tanh(h[k]);
  s.h = p.cell.projection ? product(p.w.weight_hr, h, 0, p.w.weight_hr.shape()[0]) : h;
}

inline void gru_step(const Projections& p, const Row& x, HandState& s) {
  const std::size_t n = p.cell.hidden_size;
  const Row a = p.input(x, 0, 2 * n), b = p.hidden(s.h, 0, 2 * n);
  const Row from_x = p.input(x, 2 * n, 3 * n);
  Row r, reset;
  for (std::size_t k = 0; k < n; ++k) {
    r.push_back(logistic(a[k] + b[k]));
    reset.push_back(r[k] * s.h[k]);
  }
  const Row from_h = p.hidden(p.cell.reset_after ? s.h : reset, 2 * n, 3 * n);
  for (std::size_t k = 0; k < n; ++k) {
    const double z = logistic(a[n + k] + b[n + k]);
    const double candidate = std::tanh(from_x[k] + (p.cell.reset_after ? r[k] : 1.0) * from_h[k]);
    s.h[k] = (1 - z) * candidate + z * s.h[k];
  }
}

}  // namespace by_hand

inline void hand_step(const HandCell& cell, by_hand::Weights& w, const Row& x, HandState& state) {
  const by_hand::Projections p{cell, w};
  switch (cell.kind) {
    case HandCell::Kind::rnn:
      return by_hand::rnn_step(p, x, state);
    case HandCell::Kind::lstm:
      return by_hand::lstm_step(p, x, state);
    case HandCell::Kind::gru:
      return by_hand::gru_step(p, x, state);
  }
}

/// A layer and direction over one sequence: h at each step, in the order of the sequence.
inline std::vector<Row> hand_direction(const HandCell& cell, by_hand::Weights& w,
                                       const std::vector<Row>& x, HandState& state, bool reverse) {
  std::vector<Row> h(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t t = reverse ? x.size() - 1 - i : i;
    hand_step(cell, w, x[t], state);
    h[t] = state.h;
  }
  return h;
}

}  // namespace tapestry::test
