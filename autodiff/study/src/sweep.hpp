// SPDX-License-Identifier: MIT
// The reverse sweep over a record, which all studies of gradients are made of.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "record.hpp"

namespace tapestry::detail {

/// x * 2^exponent.
double times_power(double x, std::int64_t exponent);

/// What a sweep does besides.
struct SweepOptions {
  bool hooks = false;        ///< those on gradients of results take part, as in a backward pass
  bool rescales = false;     ///< see `ReverseSweep::exponent`
  bool skips_zeros = false;  ///< what is zero goes no further: where partial derivatives are finite
};

/// Cotangents of the nodes of a record, from its end to its beginning, along some of its edges.
template <class T>
class ReverseSweep {
 public:
  /// `kept` holds a flag for each edge.
  ReverseSweep(const Record<T>& record, const std::vector<bool>& kept, SweepOptions options = {})
      : record_(record), kept_(kept), options_(options), cotangents_(record.size()) {
    options_.hooks = options_.hooks && record.live().has_hooks();
  }

  /// Where a sweep starts: adds to the cotangent of a node.
  void seed(std::uint32_t node, Numbers<T> cotangent) {
    accumulate(cotangents_[node], std::move(cotangent));
  }

  /// Runs down to node `last`. `arrive(node, cotangent)` is called when the cotangent of a node is
  /// complete, then `visit(edge, contribution)` for what flows on along each edge: it may change
  /// that.
  template <class Arrive, class Visit>
  void run(const Arrive& arrive, const Visit& visit, std::uint32_t last = 0) {
    for (auto node = static_cast<std::uint32_t>(record_.size()); node-- > last;) {
      if (cotangents_[node].empty()) continue;
      Numbers<T> y = std::exchange(cotangents_[node], {});
      if (options_.hooks && !record_.at(node).op.empty())
        y = record_.live().hooked(record_.position(node), std::move(y));
      if (options_.skips_zeros && std::ranges::all_of(y, [](T x) { return x == 0; })) continue;
      if (options_.rescales) watch_scale(y);
      arrive(node, std::as_const(y));
      edges_.clear();
      for (const std::uint32_t edge : record_.in(node))
        if (kept_[edge]) edges_.push_back(edge);
      results_.resize(edges_.size());
      for (Numbers<T>& result : results_) reuse_memory(result);
      record_.vjp(edges_, y, results_);
      for (std::size_t k = 0; k < edges_.size(); ++k) {
        visit(edges_[k], results_[k]);
        accumulate(cotangents_[record_.edges()[edges_[k]].from], std::move(results_[k]));
      }
      spare_.push_back(std::move(y));
    }
  }
  template <class Arrive>
  void run(const Arrive& arrive, std::uint32_t last = 0) {
    run(
        arrive, [](std::uint32_t, const Numbers<T>&) {}, last);
  }

  /// Gradients far from the loss may be too small, or too large, for T. A sweep that rescales
  /// multiplies all cotangents on their way by a power of two where that shows: those that arrive
  /// are then to be multiplied by 2^exponent.
  [[nodiscard]] std::int64_t exponent() const { return exponent_; }

 private:
  void reuse_memory(Numbers<T>& numbers) {
    if (numbers.capacity() > 0 || spare_.empty()) return;
    numbers = std::move(spare_.back());
    spare_.pop_back();
  }
  void watch_scale(Numbers<T>& y);
  void rescale(Numbers<T>& y);

  const Record<T>& record_;
  const std::vector<bool>& kept_;
  SweepOptions options_;
  std::vector<Numbers<T>> cotangents_;
  std::vector<std::uint32_t> edges_;
  std::vector<Numbers<T>> results_;
  std::vector<Numbers<T>> spare_;  // memory of cotangents that are done with
  std::int64_t exponent_ = 0;
  double quiet_ = std::numeric_limits<double>::infinity();  // look again below this
};

/// The gradient with respect to the sources, from all paths along the kept edges to the sink: one
/// array's elements, since all sources are uses of one value.
template <class T>
Numbers<T> gradient_of(const Record<T>& record, const std::vector<bool>& kept,
                       const Numbers<T>& seed);

TAPESTRY_EXTERN_TYPES(class ReverseSweep)

}  // namespace tapestry::detail
