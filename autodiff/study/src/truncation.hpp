// SPDX-License-Identifier: MIT
// What truncated backpropagation leaves out, gathered while a table is computed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "tapestry/kernels/gemm.hpp"
#include "tapestry/study/time_table.hpp"

namespace tapestry::detail {

/// Sums of cells by bands of lags |t - k|: below the first window, and from each window to the
/// next. One array of the size of the parameter for each.
template <class T>
class LagBands {
 public:
  /// Rows of the other factor of a product.
  struct Factor {
    const T* data;
    std::size_t rows;
  };

  LagBands(const TimeTable& table, std::size_t size, const std::vector<std::int64_t>& windows,
           std::size_t memory, std::int64_t max_lag)
      : size_(size), max_lag_(max_lag) {
    std::int64_t furthest = 0;
    for (const std::int64_t t : table.loss_times)
      for (const std::int64_t k : table.use_times)
        if (k != no_step) furthest = std::max(furthest, std::abs(t - k));
    furthest = std::min(furthest, max_lag);
    windows_ = windows.empty() ? all_that_fit(furthest, memory / (sizeof(T) * size + 1)) : windows;
    std::ranges::sort(windows_);
    windows_.erase(std::unique(windows_.begin(), windows_.end()), windows_.end());
    std::erase_if(windows_, [&](std::int64_t k) { return k < 0 || k > furthest + 1; });
    bands_.resize(windows_.size() + 1);
  }

  /// Whether a lag counts; uses outside of all steps have none, and do.
  [[nodiscard]] bool reaches(std::optional<std::int64_t> lag) const {
    return !lag || std::abs(*lag) <= max_lag_;
  }

  /// Adds factor * gradient.
  void add(std::optional<std::int64_t> lag, T factor, std::span<const T> gradient) {
    if (factor == 0) return;
    std::vector<T>& sum = band(lag).sum;
    sum.resize(size_);
    for (std::size_t k = 0; k < size_; ++k) sum[k] += factor * gradient[k];
  }

  /// Adds factor * sum over rows of gradient(r) x(r)ᵀ, or x(r) gradient(r)ᵀ.
  void add(std::optional<std::int64_t> lag, T factor, std::span<const T> gradient, Factor x,
           bool gradient_left) {
    if (factor == 0) return;
    Band& to = band(lag);
    const std::size_t width = size_ / (gradient.size() / x.rows);
    std::vector<T>& own = gradient_left ? to.left : to.right;
    std::vector<T>& other = gradient_left ? to.right : to.left;
    for (const T g : gradient) own.push_back(factor * g);
    other.insert(other.end(), x.data, x.data + x.rows * width);
    to.rows += x.rows;
    if (to.rows >= rows_together) flush(to);
  }

  /// The bias of each window. Where lags were `limited`, what is beyond them is the rest of the
  /// gradient.
  [[nodiscard]] std::vector<TruncationBias> biases(const std::vector<double>& gradient,
                                                   bool limited) {
    std::vector<double> left_out(size_);
    for (Band& each : bands_) flush(each);
    if (limited) {
      left_out = gradient;
      for (const Band& each : bands_)
        for (std::size_t k = 0; k < each.sum.size(); ++k) left_out[k] -= each.sum[k];
    }
    const double whole = length(gradient);
    std::vector<TruncationBias> biases(windows_.size());
    for (std::size_t j = windows_.size(); j-- > 0;) {
      const std::vector<T>& sum = bands_[j + 1].sum;
      for (std::size_t k = 0; k < sum.size(); ++k) left_out[k] += sum[k];
      biases[j] = {windows_[j], whole == 0 ? 0 : length(left_out) / whole};
    }
    return biases;
  }

 private:
  static constexpr std::size_t rows_together = 32;  // makes one product of many of rank 1

  struct Band {
    std::vector<T> sum;
    std::vector<T> left, right;  // rows whose outer products are still to be added
    std::size_t rows = 0;
  };

  void flush(Band& to) {
    if (to.rows == 0) return;
    to.sum.resize(size_);
    gemm(true, false, to.left.size() / to.rows, to.right.size() / to.rows, to.rows, to.left.data(),
         to.right.data(), to.sum.data(), true);
    to.left.clear();
    to.right.clear();
    to.rows = 0;
  }

  static double length(const std::vector<double>& x) {
    double square = 0;
    for (const double value : x) square += value * value;
    return std::sqrt(square);
  }

  /// All windows up to one that leaves out nothing, or about `count` of them, in growing distances.
  static std::vector<std::int64_t> all_that_fit(std::int64_t furthest, std::size_t count) {
    for (double growth = 1;; growth += 0.05) {
      std::vector<std::int64_t> windows;
      for (std::int64_t k = 1; k <= furthest;) {
        windows.push_back(k);
        k = std::max(k + 1, static_cast<std::int64_t>(static_cast<double>(k) * growth));
      }
      if (windows.size() > std::max<std::size_t>(count, 2) && growth < 4) continue;
      windows.push_back(furthest + 1);
      return windows;
    }
  }

  Band& band(std::optional<std::int64_t> lag) {
    if (!lag) return bands_[0];
    const auto next = std::ranges::upper_bound(windows_, std::abs(*lag));
    return bands_[static_cast<std::size_t>(next - windows_.begin())];
  }

  std::size_t size_;
  std::int64_t max_lag_;
  std::vector<std::int64_t> windows_;
  std::vector<Band> bands_;  // below the first window, and from each one to the next
};

}  // namespace tapestry::detail
