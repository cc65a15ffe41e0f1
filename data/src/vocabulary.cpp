// SPDX-License-Identifier: MIT
#include "tapestry/data/vocabulary.hpp"

#include <algorithm>
#include <set>

#include "tapestry/autodiff/error.hpp"
#include "utf8.hpp"

namespace tapestry::data {
namespace {

constexpr const char* op = "Vocabulary";

std::string out_of_range(std::int64_t token, std::size_t size) {
  return "token " + std::to_string(token) + " is outside the vocabulary of " +
         std::to_string(size) + (size == 1 ? " symbol" : " symbols");
}

[[noreturn]] void throw_no_symbol_fits(std::string_view text, std::size_t at) {
  const std::string_view character = text.substr(at, utf8::checked_length(op, text, at));
  throw IndexError(op, "no symbol for " + utf8::quote(character) + " at character " +
                           std::to_string(utf8::count(text.substr(0, at))) + " (byte " +
                           std::to_string(at) + ") of the text");
}

}  // namespace

Vocabulary::Vocabulary(std::vector<std::string> symbols) : symbols_(std::move(symbols)) {
  if (symbols_.empty()) throw ArgumentError(op, "there are no symbols");
  std::set<std::size_t, std::greater<>> lengths;
  for (const std::string& symbol : symbols_) {
    if (symbol.empty()) throw ArgumentError(op, "a symbol is empty");
    for (std::size_t at = 0; at < symbol.size();) at += utf8::checked_length(op, symbol, at);
    if (!tokens_.emplace(symbol, static_cast<std::int64_t>(tokens_.size())).second)
      throw ArgumentError(op, "symbol " + utf8::quote(symbol) + " is given twice");
    lengths.insert(symbol.size());
  }
  lengths_.assign(lengths.begin(), lengths.end());
}

Vocabulary Vocabulary::of_characters(std::string_view text) {
  if (text.empty()) throw ArgumentError(op, "the text is empty");
  std::set<std::string_view> characters;  // byte order of UTF-8 is the order of code points
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8::checked_length(op, text, at);
    characters.insert(text.substr(at, length));
    at += length;
  }
  return Vocabulary(std::vector<std::string>(characters.begin(), characters.end()));
}

Vocabulary Vocabulary::of_symbols(std::vector<std::string> symbols) {
  return Vocabulary(std::move(symbols));
}

std::pair<std::int64_t, std::size_t> Vocabulary::longest_match(std::string_view text) const {
  for (const std::size_t length : lengths_) {
    if (length > text.size()) continue;
    const auto found = tokens_.find(text.substr(0, length));
    if (found != tokens_.end()) return {found->second, length};
  }
  return {0, 0};
}

Indices Vocabulary::encode(std::string_view text) const {
  std::vector<std::int64_t> tokens;
  tokens.reserve(text.size() / lengths_.back() + 1);
  for (std::size_t at = 0; at < text.size();) {
    const auto [token, length] = longest_match(text.substr(at));
    if (length == 0) throw_no_symbol_fits(text, at);
    tokens.push_back(token);
    at += length;
  }
  Indices encoded = Indices::from_shape({tokens.size()});
  std::copy(tokens.begin(), tokens.end(), encoded.data());
  return encoded;
}

std::string Vocabulary::decode(const Indices& tokens) const {
  return decode(std::span<const std::int64_t>(tokens.data(), tokens.size()));
}

std::string Vocabulary::decode(std::span<const std::int64_t> tokens) const {
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || static_cast<std::size_t>(tokens[i]) >= size())
      throw IndexError(op, out_of_range(tokens[i], size()) + ", at position " + std::to_string(i));
    text += symbols_[static_cast<std::size_t>(tokens[i])];
  }
  return text;
}

std::int64_t Vocabulary::token(std::string_view symbol) const {
  const auto found = tokens_.find(symbol);
  if (found == tokens_.end())
    throw IndexError(
        op, utf8::quote(symbol) + " is not one of the " + std::to_string(size()) + " symbols");
  return found->second;
}

const std::string& Vocabulary::symbol(std::int64_t token) const {
  if (token < 0 || static_cast<std::size_t>(token) >= size())
    throw IndexError(op, out_of_range(token, size()));
  return symbols_[static_cast<std::size_t>(token)];
}

}  // namespace tapestry::data
