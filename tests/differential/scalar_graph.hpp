// SPDX-License-Identifier: MIT
// Reverse-mode differentiation of numbers, one node for each, as plain as it gets.
#pragma once

#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <numbers>
#include <utility>
#include <vector>

namespace differential {

/// A number and its derivative in one direction. Run on these, the graph gives the derivative of
/// the gradient in that direction too: the Hessian times a vector.
struct Dual {
  double value = 0;
  double slope = 0;

  Dual(double number = 0, double derivative = 0)  // NOLINT: numbers are constants
      : value(number), slope(derivative) {}

  friend Dual operator-(Dual a) { return {-a.value, -a.slope}; }
  friend Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.slope + b.slope}; }
  friend Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.slope - b.slope}; }
  friend Dual operator*(Dual a, Dual b) {
    return {a.value * b.value, a.value * b.slope + a.slope * b.value};
  }
  friend Dual operator/(Dual a, Dual b) {
    const double y = a.value / b.value;
    return {y, (a.slope - y * b.slope) / b.value};
  }
  friend Dual exp(Dual a) { return {std::exp(a.value), std::exp(a.value) * a.slope}; }
  friend Dual log(Dual a) { return {std::log(a.value), a.slope / a.value}; }
  friend Dual log1p(Dual a) { return {std::log1p(a.value), a.slope / (1 + a.value)}; }
  friend Dual sqrt(Dual a) { return {std::sqrt(a.value), a.slope / (2 * std::sqrt(a.value))}; }
  friend Dual tanh(Dual a) {
    const double y = std::tanh(a.value);
    return {y, (1 - y * y) * a.slope};
  }
  friend Dual sin(Dual a) { return {std::sin(a.value), std::cos(a.value) * a.slope}; }
  friend Dual cos(Dual a) { return {std::cos(a.value), -std::sin(a.value) * a.slope}; }
  friend Dual expm1(Dual a) { return {std::expm1(a.value), std::exp(a.value) * a.slope}; }
  friend Dual erf(Dual a) {
    return {std::erf(a.value),
            std::numbers::inv_sqrtpi * 2 * std::exp(-a.value * a.value) * a.slope};
  }
  friend Dual pow(Dual a, double p) {
    return {std::pow(a.value, p), p == 0 ? 0 : p * std::pow(a.value, p - 1) * a.slope};
  }
};

inline double value_of(double x) { return x; }
inline double value_of(Dual x) { return x.value; }
inline double magnitude(double x) { return std::abs(x); }
inline Dual magnitude(Dual x) { return {std::abs(x.value), std::abs(x.slope)}; }

/// The rounding of a function of x that was computed as a difference of numbers as large as
/// `terms`, and that of its derivative.
inline double rounding_of(double, double terms) { return terms; }
inline Dual rounding_of(Dual x, double terms) { return {terms, 2 * terms * std::abs(x.slope)}; }

template <class N>
class ScalarGraph {
 public:
  struct Edge {
    std::size_t from;
    N partial;
    N rounding = 0;  // what the partial is rounded relative to, beyond its own magnitude
  };

  /// `exact`: the value is the same however it is computed, so equality with it can be relied on.
  std::size_t add(N value, std::initializer_list<Edge> edges, bool exact) {
    double scale = std::abs(value_of(value));
    for (const Edge& edge : edges)
      scale += std::abs(value_of(edge.partial)) * nodes_[edge.from].scale;
    nodes_.push_back({value, scale, edges_.size(), exact});
    edges_.insert(edges_.end(), edges);
    return nodes_.size() - 1;
  }

  /// The value of node i, cut off from what it was computed from.
  std::size_t add_detached(std::size_t i) {
    nodes_.push_back({N(value_of(value(i))), scale(i), edges_.size(), exact(i)});
    return nodes_.size() - 1;
  }

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] N value(std::size_t i) const { return nodes_[i].value; }
  [[nodiscard]] bool exact(std::size_t i) const { return nodes_[i].exact; }
  /// Magnitude of the numbers that the value was computed from: what rounding is relative to.
  [[nodiscard]] double scale(std::size_t i) const { return nodes_[i].scale; }

  /// Forgets all nodes from `size` on.
  void truncate(std::size_t size) {
    edges_.resize(size < nodes_.size() ? nodes_[size].first_edge : edges_.size());
    nodes_.resize(size);
  }

  /// Adjoints of all nodes, and the sums of the magnitudes of what was added up to get them.
  struct Adjoints {
    std::vector<N> gradient;
    std::vector<N> scale;
  };
  [[nodiscard]] Adjoints backward(const std::vector<std::pair<std::size_t, double>>& seeds) const {
    Adjoints adjoints{std::vector<N>(nodes_.size()), std::vector<N>(nodes_.size())};
    for (const auto& [node, seed] : seeds) {
      adjoints.gradient[node] = adjoints.gradient[node] + N(seed);
      adjoints.scale[node] = adjoints.scale[node] + N(std::abs(seed));
    }
    for (std::size_t i = nodes_.size(); i-- > 0;) {
      const std::size_t end = i + 1 < nodes_.size() ? nodes_[i + 1].first_edge : edges_.size();
      for (std::size_t e = nodes_[i].first_edge; e < end; ++e) {
        const Edge& edge = edges_[e];
        N& gradient = adjoints.gradient[edge.from];
        N& scale = adjoints.scale[edge.from];
        gradient = gradient + adjoints.gradient[i] * edge.partial;
        scale = scale + adjoints.scale[i] * (magnitude(edge.partial) + edge.rounding);
      }
    }
    return adjoints;
  }

 private:
  struct Node {
    N value;
    double scale;
    std::size_t first_edge;
    bool exact;
  };

  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
};

}  // namespace differential
