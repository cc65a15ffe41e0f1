// SPDX-License-Identifier: MIT
#include "tapestry/data/vocabulary.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "pieces.hpp"
#include "tapestry/autodiff/error.hpp"
#include "utf8.hpp"

namespace tapestry::data {
namespace {

constexpr const char* op = "Vocabulary";

std::string out_of_range(std::int64_t token, std::size_t size) {
  return "token " + std::to_string(token) + " is outside the vocabulary of " +
         std::to_string(size) + (size == 1 ? " symbol" : " symbols");
}

constexpr std::size_t ascii = 128;

[[noreturn]] void throw_unknown(std::string_view text, std::size_t at, std::size_t length) {
  if (length == 0) length = utf8::checked_length(op, text, at);
  throw IndexError(op, "no symbol for " + utf8::quote(text.substr(at, length)) + " at character " +
                           std::to_string(utf8::count(text.substr(0, at))) + " (byte " +
                           std::to_string(at) + ") of the text");
}

void check_symbol(const std::string& symbol) {
  if (symbol.empty()) throw ArgumentError(op, "a symbol is empty");
  for (std::size_t at = 0; at < symbol.size();) at += utf8::checked_length(op, symbol, at);
}

}  // namespace

Vocabulary::Vocabulary(Matching matching, std::vector<std::string> symbols, std::size_t special,
                       std::optional<std::int64_t> unknown)
    : matching_(matching), special_(special), unknown_(unknown), symbols_(std::move(symbols)) {
  if (symbols_.empty()) throw ArgumentError(op, "there are no symbols");
  std::set<std::size_t, std::greater<>> lengths;
  for (const std::string& symbol : symbols_) {
    check_symbol(symbol);
    const auto token = static_cast<std::int64_t>(tokens_.size());
    if (!tokens_.emplace(symbol, token).second)
      throw ArgumentError(op, "symbol " + utf8::quote(symbol) + " is given twice");
    const bool is_of_text = tokens_.size() > special_ && token != unknown_;
    if (is_of_text && matching_ != Matching::longest &&
        detail::piece_length(symbol, unit()) != symbol.size())
      throw ArgumentError(op, "symbol " + utf8::quote(symbol) + " is not one " +
                                  (unit() == Unit::word ? "word" : "character"));
    lengths.insert(symbol.size());
  }
  lengths_.assign(lengths.begin(), lengths.end());
  for (std::size_t i = 0; i < ascii; ++i) {
    const char character = static_cast<char>(i);
    ascii_.push_back(find({&character, 1}));
  }
}

Vocabulary Vocabulary::of_characters(std::string_view text, const VocabularyOptions& options) {
  VocabularyBuilder builder(Unit::character);
  builder.add(text);
  return builder.build(options);
}

Vocabulary Vocabulary::of_words(std::string_view text, const VocabularyOptions& options) {
  VocabularyBuilder builder(Unit::word);
  builder.add(text);
  return builder.build(options);
}

Vocabulary Vocabulary::of_symbols(std::vector<std::string> symbols) {
  return {Matching::longest, std::move(symbols), 0, std::nullopt};
}

std::int64_t Vocabulary::find(std::string_view symbol) const {
  const auto found = tokens_.find(symbol);
  if (found != tokens_.end() && static_cast<std::size_t>(found->second) >= special_)
    return found->second;
  return unknown_.value_or(-1);
}

std::size_t Vocabulary::mark_length(std::string_view text) const {
  const bool marked = text.starts_with(utf8::byte_order_mark);
  return marked && !contains(utf8::byte_order_mark) ? utf8::byte_order_mark.size() : 0;
}

Vocabulary::Match Vocabulary::longest_match(std::string_view text) const {
  for (const std::size_t length : lengths_) {
    if (length > text.size()) continue;
    const auto found = tokens_.find(text.substr(0, length));
    if (found != tokens_.end()) return {found->second, length};
  }
  return {};
}

Vocabulary::Match Vocabulary::first_of(std::string_view text) const {
  if (matching_ == Matching::longest) return longest_match(text);
  const auto first = static_cast<unsigned char>(text[0]);
  if (matching_ == Matching::character && first < ascii) return {ascii_[first], 1};
  const std::size_t length = detail::piece_length(text, unit());
  if (length == 0) return {};
  return {find(text.substr(0, length)), length};
}

std::size_t Vocabulary::lookahead() const {
  return matching_ == Matching::longest ? std::max<std::size_t>(lengths_.front(), 4)
                                        : detail::piece_lookahead(unit());
}

Indices Vocabulary::encode(std::string_view text) const {
  std::vector<std::int64_t> tokens;
  tokens.reserve(text.size() / lengths_.back() + 1);
  for (std::size_t at = mark_length(text); at < text.size();) {
    const Match match = first_of(text.substr(at));
    if (match.token < 0) throw_unknown(text, at, match.length);
    tokens.push_back(match.token);
    at += match.length;
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
