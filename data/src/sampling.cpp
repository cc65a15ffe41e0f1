// SPDX-License-Identifier: MIT
#include "tapestry/data/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "tapestry/autodiff/error.hpp"

namespace tapestry::data {

template <class T>
std::int64_t sample(std::span<const T> logits, double temperature, Generator& generator) {
  if (logits.empty()) throw ArgumentError("sample", "there are no logits");
  if (!(temperature >= 0) || !std::isfinite(temperature))
    throw ArgumentError("sample", "temperature must be finite and not negative, not " +
                                      std::to_string(temperature));
  const auto best = std::max_element(logits.begin(), logits.end());
  if (!std::isfinite(*best))
    throw ArgumentError("sample", "the largest logit is not finite: " + std::to_string(*best));
  if (temperature == 0) return best - logits.begin();
  const auto mass = [&](T logit) {
    return std::exp((static_cast<double>(logit) - static_cast<double>(*best)) / temperature);
  };
  double total = 0;
  for (const T logit : logits) total += mass(logit);
  double left = generator.uniform() * total;
  for (std::size_t k = 0; k < logits.size(); ++k)
    if ((left -= mass(logits[k])) < 0) return static_cast<std::int64_t>(k);
  return best - logits.begin();  // rounding used up the last bit
}

template std::int64_t sample(std::span<const float>, double, Generator&);
template std::int64_t sample(std::span<const double>, double, Generator&);

}  // namespace tapestry::data
