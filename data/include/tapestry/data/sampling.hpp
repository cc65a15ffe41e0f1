// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tapestry/autodiff/random.hpp"

namespace tapestry::data {

/// Draws a token from softmax(logits / temperature). Below 1 the likely ones become likelier; 0
/// always takes the likeliest. Throws ArgumentError for no logits, for a temperature that is
/// negative or not finite, and for logits none of which is finite.
template <class T>
[[nodiscard]] std::int64_t sample(std::span<const T> logits, double temperature = 1,
                                  Generator& generator = default_generator());

/// The same for an array or view of logits, read in row-major order.
template <class Logits>
[[nodiscard]] std::int64_t sample(const Logits& logits, double temperature = 1,
                                  Generator& generator = default_generator()) requires requires {
  logits.data() + logits.size();
}
{ return sample(std::span(logits.data(), logits.size()), temperature, generator); }

}  // namespace tapestry::data
