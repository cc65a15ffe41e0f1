// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"

namespace tapestry::data {

/// Symbols and their numbers: token k stands for the k-th symbol. Symbols and texts are UTF-8.
class Vocabulary {
 public:
  /// The distinct characters (Unicode code points) of `text`, in ascending order.
  /// Throws ArgumentError for an empty text and for invalid UTF-8, naming the byte.
  [[nodiscard]] static Vocabulary of_characters(std::string_view text);

  /// The given symbols, in their order; a symbol may be longer than one character ("<start>").
  /// Throws ArgumentError for an empty list and for a symbol that is empty, given twice or not
  /// valid UTF-8.
  [[nodiscard]] static Vocabulary of_symbols(std::vector<std::string> symbols);

  /// Number of symbols, V; tokens are 0 to V - 1.
  [[nodiscard]] std::size_t size() const { return symbols_.size(); }

  /// The symbols in token order.
  [[nodiscard]] const std::vector<std::string>& symbols() const { return symbols_; }

  /// The tokens of `text`, shape (N,): from left to right, at each place the longest symbol that
  /// fits. `decode(encode(text)) == text` holds for every text that can be encoded.
  /// Throws IndexError naming the character and its place where no symbol fits, ArgumentError
  /// naming the byte where `text` is not valid UTF-8.
  [[nodiscard]] Indices encode(std::string_view text) const;

  /// The symbols of `tokens`, joined; an array of several axes is read in row-major order.
  /// Throws IndexError naming the token and its position when it is outside [0, V).
  [[nodiscard]] std::string decode(const Indices& tokens) const;
  [[nodiscard]] std::string decode(std::span<const std::int64_t> tokens) const;

  /// Whether `symbol` is one of the symbols.
  [[nodiscard]] bool contains(std::string_view symbol) const { return tokens_.contains(symbol); }

  /// The token of `symbol`. Throws IndexError when it is not one of the symbols.
  [[nodiscard]] std::int64_t token(std::string_view symbol) const;

  /// The symbol of `token`. Throws IndexError when it is outside [0, V).
  [[nodiscard]] const std::string& symbol(std::int64_t token) const;

 private:
  struct Hash {  // transparent, so that a lookup by string_view makes no string
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  explicit Vocabulary(std::vector<std::string> symbols);

  /// The longest symbol that `text` starts with, as token and length in bytes; length 0 if none.
  [[nodiscard]] std::pair<std::int64_t, std::size_t> longest_match(std::string_view text) const;

  std::vector<std::string> symbols_;
  std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>> tokens_;
  std::vector<std::size_t> lengths_;  // the distinct lengths of the symbols, longest first
};

}  // namespace tapestry::data
