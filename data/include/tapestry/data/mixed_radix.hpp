// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "tapestry/autodiff/array.hpp"

namespace tapestry::data {

/// Turns several integers into one token and back, such as the pitch, duration and velocity of a
/// note.
///
/// For sizes n_1 ... n_K, the integers d_k in [0, n_k) become
/// ((d_1 n_2 + d_2) n_3 + d_3) ... n_K + d_K, a number whose digits have different radices. Each
/// token in [0, n_1 ... n_K) stands for exactly one list of integers. Tokens have the order of
/// their lists: the first integer that differs decides.
class MixedRadix {
 public:
  /// Throws ArgumentError when there are no sizes, one is below 1, or their product exceeds 2⁶³
  /// - 1.
  explicit MixedRadix(std::vector<std::int64_t> sizes);

  [[nodiscard]] const std::vector<std::int64_t>& sizes() const { return sizes_; }

  /// The number of tokens, V.
  [[nodiscard]] std::int64_t tokens() const { return tokens_; }

  /// The token of K integers. Throws ShapeError when there are not K integers, and an IndexError
  /// that names the first integer outside its range.
  [[nodiscard]] std::int64_t encode(std::span<const std::int64_t> digits) const;
  [[nodiscard]] std::int64_t encode(std::initializer_list<std::int64_t> digits) const {
    return encode(std::span(digits.begin(), digits.size()));
  }

  /// The K integers of a token. Throws IndexError when the token is outside [0, V).
  [[nodiscard]] std::vector<std::int64_t> decode(std::int64_t token) const;

  /// The same for arrays: digits (..., K), tokens (...). Throws ShapeError and IndexError as above.
  [[nodiscard]] Indices encode(const Indices& digits) const;
  [[nodiscard]] Indices decode(const Indices& tokens) const;

 private:
  void decode(std::int64_t token, std::span<std::int64_t> digits) const;

  std::vector<std::int64_t> sizes_;
  std::int64_t tokens_ = 1;
};

}  // namespace tapestry::data
