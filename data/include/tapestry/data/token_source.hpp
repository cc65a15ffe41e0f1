// SPDX-License-Identifier: MIT
// Where the tokens of a long sequence come from: memory, a file, or a part of either.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "tapestry/autodiff/array.hpp"

namespace tapestry::data {

/// A sequence of tokens that is read when it is needed.
class TokenSource {
 public:
  virtual ~TokenSource() = default;

  /// The number of tokens.
  [[nodiscard]] virtual std::size_t size() const = 0;

  /// Fills `into` with the tokens from number `first` on. Throws IndexError when there are not that
  /// many, and the source's own error when it cannot be read.
  virtual void read(std::size_t first, std::span<std::int64_t> into) const = 0;

 protected:
  TokenSource() = default;
  TokenSource(const TokenSource&) = default;
  TokenSource(TokenSource&&) = default;
  TokenSource& operator=(const TokenSource&) = default;
  TokenSource& operator=(TokenSource&&) = default;

  /// Throws IndexError unless there are `count` tokens from `first` on.
  void check_range(std::size_t first, std::size_t count) const;
};

/// Tokens in memory.
class TokenArray final : public TokenSource {
 public:
  /// `tokens` has shape (N,). Throws ShapeError when it has another rank.
  explicit TokenArray(Indices tokens);

  [[nodiscard]] std::size_t size() const override { return tokens_.size(); }
  void read(std::size_t first, std::span<std::int64_t> into) const override;

 private:
  Indices tokens_;
};

/// A part of another source, such as the last tenth of a text for validation.
class TokenRange final : public TokenSource {
 public:
  /// The `count` tokens of `source` from number `first` on. Throws IndexError when there are not
  /// that many, ArgumentError for a null pointer.
  TokenRange(std::shared_ptr<const TokenSource> source, std::size_t first, std::size_t count);

  [[nodiscard]] std::size_t size() const override { return count_; }
  void read(std::size_t first, std::span<std::int64_t> into) const override;

 private:
  std::shared_ptr<const TokenSource> source_;
  std::size_t first_;
  std::size_t count_;
};

}  // namespace tapestry::data
