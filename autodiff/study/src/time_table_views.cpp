// SPDX-License-Identifier: MIT
// What a finished table tells.
#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>
#include <ostream>

#include "tapestry/autodiff/detail/text_file.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/study/time_table.hpp"

namespace tapestry {

std::vector<double> TimeTable::use_shares() const {
  std::vector<double> sums(use_times.size());
  for (std::size_t cell = 0; cell < shares.size(); ++cell)
    sums[cell % use_times.size()] += shares[cell];
  return sums;
}

std::vector<double> TimeTable::loss_shares() const {
  std::vector<double> sums(loss_times.size());
  for (std::size_t cell = 0; cell < shares.size(); ++cell)
    sums[cell / use_times.size()] += shares[cell];
  return sums;
}

double TimeTable::remainder() const {
  return total == 0 ? 0 : 1 - std::accumulate(shares.begin(), shares.end(), 0.0);
}

double TimeTable::cancellation() const {
  double sum = 0;
  for (const double log_norm : log_norms) sum += std::exp(log_norm);
  return sum == 0 ? 1 : gradient_norm / sum;
}

std::vector<LagPoint> TimeTable::lag_curve() const {
  struct Sums {
    double share = 0;
    std::vector<double> logs;
  };
  std::map<std::int64_t, Sums> by_lag;
  for (std::size_t row = 0; row < loss_times.size(); ++row) {
    for (std::size_t column = 0; column < use_times.size(); ++column) {
      if (use_times[column] == no_step) continue;
      Sums& sums = by_lag[loss_times[row] - use_times[column]];
      sums.share += share(row, column);
      sums.logs.push_back(log_norm(row, column));
    }
  }
  std::vector<LagPoint> curve;
  for (const auto& [lag, sums] : by_lag) {
    const double most = *std::ranges::max_element(sums.logs);
    if (lag < 0 && !std::isfinite(most)) continue;  // there is no way back in time
    double sum = 0;
    for (const double x : sums.logs) sum += std::isfinite(most) ? std::exp(x - most) : 0;
    const double mean = sum / static_cast<double>(sums.logs.size());
    curve.push_back({lag, sums.share, std::isfinite(most) ? most + std::log(mean) : most});
  }
  return curve;
}

double TimeTable::decay() const {
  double together = 0;
  double spread = 0;
  for (std::size_t row = 0; row < loss_times.size(); ++row) {
    std::vector<std::pair<double, double>> points;  // lag and log of the norm
    for (std::size_t column = 0; column < use_times.size(); ++column)
      if (use_times[column] != no_step && std::isfinite(log_norm(row, column)))
        points.emplace_back(std::abs(loss_times[row] - use_times[column]), log_norm(row, column));
    double lag = 0;
    double level = 0;
    for (const auto& [x, y] : points) {
      lag += x / static_cast<double>(points.size());
      level += y / static_cast<double>(points.size());
    }
    for (const auto& [x, y] : points) {
      together += (x - lag) * (y - level);
      spread += (x - lag) * (x - lag);
    }
  }
  return spread == 0 ? 0 : together / spread;
}

double TimeTable::half_life() const {
  const double rate = decay();
  return rate < 0 ? std::numbers::ln2 / -rate : std::numeric_limits<double>::infinity();
}

std::optional<std::int64_t> TimeTable::window(double epsilon) const {
  // The bias need not fall steadily: no larger window may exceed it either.
  std::optional<std::int64_t> smallest;
  for (auto bias = biases.rbegin(); bias != biases.rend() && bias->bias < epsilon; ++bias)
    smallest = bias->window;
  return smallest;
}

std::ostream& operator<<(std::ostream& out, const TimeTable& table) {
  std::string text = std::to_string(table.loss_times.size()) + " losses x " +
                     std::to_string(table.use_times.size()) +
                     " steps of use, ||g|| = " + number_text(table.gradient_norm) + "\n  ";
  const bool lags = !table.use_times.empty() && table.use_times.back() != no_step;
  if (lags)
    text += "the norm of a cell halves every " + number_text(table.half_life()) + " steps; ";
  text += "cells cancel down to " + number_text(100 * table.cancellation()) + " %";
  if (!table.use_times.empty() && table.use_times.front() == no_step)
    text += "\n  uses outside of the steps have no lag: what truncation would change is not known";
  for (const double epsilon : {0.1, 0.01})
    if (const auto window = table.window(epsilon))
      text += "\n  truncation after " + std::to_string(*window) +
              " steps changes the gradient by less than " + number_text(100 * epsilon) + " %";
  if (table.remainder() != 0 && std::abs(table.remainder()) > 1e-6)
    text += "\n  beyond the longest lag followed: " + number_text(100 * table.remainder()) + " %";
  return out << text + '\n';
}

void save_csv(const TimeTable& table, const std::filesystem::path& path) {
  detail::check_ending("save_csv", path, detail::FileKind::csv);
  std::string text = "loss_time,use_time,lag,share,log_norm\n";
  for (std::size_t row = 0; row < table.loss_times.size(); ++row) {
    for (std::size_t column = 0; column < table.use_times.size(); ++column) {
      const std::int64_t t = table.loss_times[row];
      const std::int64_t k = table.use_times[column];
      const bool step = k != no_step;
      text += std::to_string(t) + ',' + (step ? std::to_string(k) : "") + ',' +
              (step ? std::to_string(t - k) : "") + ',' + exact_text(table.share(row, column)) +
              ',' + exact_text(table.log_norm(row, column)) + '\n';
    }
  }
  detail::write_text("save_csv", path, text);
}

}  // namespace tapestry
