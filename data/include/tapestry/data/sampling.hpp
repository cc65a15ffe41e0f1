// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tapestry/autodiff/random.hpp"

namespace tapestry::data {

/// How a token is drawn. The temperature comes first. Then `top_k` leaves some tokens, and `top_p`
/// leaves some of these.
struct SampleOptions {
  /// Logits are divided by the temperature. Below 1 likely tokens become likelier; 0 always takes
  /// the likeliest token.
  double temperature = 1;
  /// Leaves only the k likeliest tokens; 0 leaves all.
  std::size_t top_k = 0;
  /// Leaves only the likeliest tokens, as few as together have at least this probability, in (0, 1]
  /// (nucleus sampling: Holtzman et al. 2020).
  double top_p = 1;
};

/// The probabilities with which `sample` draws the tokens; they add up to 1. Of equally likely
/// tokens the first counts as the likeliest. Throws ArgumentError when there are no logits, when
/// one is NaN, when the largest is not finite, for a temperature that is negative or not finite,
/// and for `top_p` outside (0, 1].
template <class T>
[[nodiscard]] std::vector<double> probabilities(std::span<const T> logits,
                                                const SampleOptions& options = {});

/// Draws a token with `probabilities(logits, options)`, and throws what that function throws.
template <class T>
[[nodiscard]] std::int64_t sample(std::span<const T> logits, const SampleOptions& options,
                                  Generator& generator = default_generator());

/// Draws from all tokens, at a temperature.
template <class T>
[[nodiscard]] std::int64_t sample(std::span<const T> logits, double temperature = 1,
                                  Generator& generator = default_generator()) {
  return sample(logits, SampleOptions{.temperature = temperature}, generator);
}

namespace detail {
template <class Logits>
concept LogitArray = requires(const Logits& logits) {
  logits.data() + logits.size();
};
}  // namespace detail

/// The same for an array or view of logits, read in row-major order.
template <detail::LogitArray Logits>
[[nodiscard]] std::vector<double> probabilities(const Logits& logits,
                                                const SampleOptions& options = {}) {
  return probabilities(std::span(logits.data(), logits.size()), options);
}
template <detail::LogitArray Logits>
[[nodiscard]] std::int64_t sample(const Logits& logits, const SampleOptions& options,
                                  Generator& generator = default_generator()) {
  return sample(std::span(logits.data(), logits.size()), options, generator);
}
template <detail::LogitArray Logits>
[[nodiscard]] std::int64_t sample(const Logits& logits, double temperature = 1,
                                  Generator& generator = default_generator()) {
  return sample(std::span(logits.data(), logits.size()), temperature, generator);
}

}  // namespace tapestry::data
