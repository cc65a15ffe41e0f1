// SPDX-License-Identifier: MIT
#include "tapestry/data/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry::data {
namespace {

template <class T>
void check(const char* op, std::span<const T> logits, const SampleOptions& options) {
  if (logits.empty()) throw ArgumentError(op, "there are no logits");
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature))
    throw ArgumentError(
        op, "temperature must be finite and not negative, not " + fixed_text(options.temperature));
  if (!(options.top_p > 0 && options.top_p <= 1))
    throw ArgumentError(op, "top_p must be in (0, 1], not " + fixed_text(options.top_p));
  for (std::size_t k = 0; k < logits.size(); ++k)
    if (std::isnan(logits[k]))
      throw ArgumentError(op, "the logit of token " + std::to_string(k) + " is NaN");
  const T best = *std::max_element(logits.begin(), logits.end());
  if (!std::isfinite(best))
    throw ArgumentError(op, "the largest logit is not finite: " + fixed_text(best));
}

template <class T>
std::size_t likeliest(std::span<const T> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// How many of the tokens, likeliest first, make up `top_p` of all their mass.
std::size_t nucleus(const std::vector<double>& mass, const std::vector<std::size_t>& order,
                    double top_p) {
  double total = 0;
  for (const std::size_t k : order) total += mass[k];
  double sum = 0;
  for (std::size_t n = 0; n < order.size(); ++n)
    if ((sum += mass[order[n]]) >= top_p * total) return n + 1;
  return order.size();
}

/// Takes the mass of all but the likeliest that the options leave.
template <class T>
void keep_top(std::vector<double>& mass, std::span<const T> logits, const SampleOptions& options) {
  const std::size_t size = logits.size();
  std::size_t kept = options.top_k == 0 ? size : std::min(options.top_k, size);
  if (kept == size && options.top_p == 1) return;
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  // By logits, which differ where their masses may both have become 0.
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  const std::vector<std::size_t> top(order.begin(), order.begin() + static_cast<long>(kept));
  if (options.top_p < 1) kept = nucleus(mass, top, options.top_p);
  for (std::size_t i = kept; i < size; ++i) mass[order[i]] = 0;
}

/// Probabilities up to a common factor.
template <class T>
std::vector<double> masses(std::span<const T> logits, const SampleOptions& options) {
  std::vector<double> mass(logits.size(), 0);
  const std::size_t best = likeliest(logits);
  if (options.temperature == 0) {
    mass[best] = 1;
    return mass;
  }
  for (std::size_t k = 0; k < logits.size(); ++k)
    mass[k] = std::exp((static_cast<double>(logits[k]) - static_cast<double>(logits[best])) /
                       options.temperature);
  keep_top(mass, logits, options);
  return mass;
}

double sum_of(const std::vector<double>& mass) {
  return std::accumulate(mass.begin(), mass.end(), 0.0);
}

}  // namespace

template <class T>
std::vector<double> probabilities(std::span<const T> logits, const SampleOptions& options) {
  check("probabilities", logits, options);
  std::vector<double> mass = masses(logits, options);
  const double total = sum_of(mass);
  for (double& m : mass) m /= total;
  return mass;
}

template <class T>
std::int64_t sample(std::span<const T> logits, const SampleOptions& options, Generator& generator) {
  check("sample", logits, options);
  const auto best = static_cast<std::int64_t>(likeliest(logits));
  if (options.temperature == 0) return best;  // without drawing a number
  const std::vector<double> mass = masses(logits, options);
  double left = generator.uniform() * sum_of(mass);
  for (std::size_t k = 0; k < mass.size(); ++k)
    if ((left -= mass[k]) < 0) return static_cast<std::int64_t>(k);
  return best;  // rounding used up the last bit
}

template std::vector<double> probabilities(std::span<const float>, const SampleOptions&);
template std::vector<double> probabilities(std::span<const double>, const SampleOptions&);
template std::int64_t sample(std::span<const float>, const SampleOptions&, Generator&);
template std::int64_t sample(std::span<const double>, const SampleOptions&, Generator&);

}  // namespace tapestry::data
