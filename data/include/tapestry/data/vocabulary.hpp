// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/data/detail/utf8_state.hpp"
#include "tapestry/data/split.hpp"

namespace tapestry::data {

/// Which symbols of a text a vocabulary takes, and which it has besides.
struct VocabularyOptions {
  /// A character or word that occurs less often is left out.
  std::size_t min_count = 1;
  /// The most symbols, `special` and `unknown` included: the most frequent ones stay, of equally
  /// frequent ones the first in byte order. 0: no limit.
  std::size_t max_size = 0;
  /// The symbol for all that is left out or not known, such as "<unk>"; for words, which hold the
  /// space before them, " <unk>" reads well. Empty: there is none, and such a text is an error.
  std::string unknown = {};
  /// The first tokens, such as "<start>" and "<end>"; `encode` never finds them in a text.
  std::vector<std::string> special = {};
};

namespace detail {
struct TextHash {  // transparent, so that a lookup by string_view makes no string
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;
}  // namespace detail

/// Symbols and their numbers: token k stands for the k-th symbol. Symbols and texts are UTF-8. A
/// byte order mark (U+FEFF) at the very start of a text tells its encoding and is no part of it,
/// unless it was given as a symbol.
class Vocabulary {
 public:
  /// The special symbols, the one for what is unknown, and the distinct characters (Unicode code
  /// points) of `text`, in ascending order.
  /// Throws ArgumentError for an empty text and for invalid UTF-8, naming the byte; and for options
  /// that make no sense: a count of 0, a size without room for a character, a symbol given twice, a
  /// special symbol that is a character of the text.
  [[nodiscard]] static Vocabulary of_characters(std::string_view text,
                                                const VocabularyOptions& options = {});

  /// The same with the distinct words of `text`, the most frequent first; equally frequent ones in
  /// byte order.
  [[nodiscard]] static Vocabulary of_words(std::string_view text,
                                           const VocabularyOptions& options = {});

  /// The given symbols, in their order; a symbol may be longer than one character ("<start>").
  /// Throws ArgumentError for an empty list and for a symbol that is empty, given twice or not
  /// valid UTF-8.
  [[nodiscard]] static Vocabulary of_symbols(std::vector<std::string> symbols);

  /// What `to_json` wrote. Throws ArgumentError for anything else, and says what is wrong.
  [[nodiscard]] static Vocabulary from_json(std::string_view json);

  /// The vocabulary as one line of JSON, all that is needed to encode and decode as it does.
  [[nodiscard]] std::string to_json() const;

  /// What texts are cut into; of a list of symbols, which may start at any character, `character`.
  [[nodiscard]] Unit unit() const {
    return matching_ == Matching::word ? Unit::word : Unit::character;
  }

  /// The token of what is not known, if there is one.
  [[nodiscard]] std::optional<std::int64_t> unknown() const { return unknown_; }

  /// Number of special symbols: the first tokens.
  [[nodiscard]] std::size_t special_count() const { return special_; }

  /// Number of symbols, V; tokens are 0 to V - 1.
  [[nodiscard]] std::size_t size() const { return symbols_.size(); }

  /// The symbols in token order.
  [[nodiscard]] const std::vector<std::string>& symbols() const { return symbols_; }

  /// The tokens of `text`, shape (N,): of its characters or words, or, in a vocabulary of a list of
  /// symbols, from left to right at each place the longest symbol that fits.
  /// `decode(encode(text)) == text` holds where all is known, but for a byte order mark.
  /// Throws IndexError naming the character or word and its place where no symbol fits and there is
  /// none for what is unknown, ArgumentError naming the byte where `text` is not valid UTF-8.
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

  /// Whether both encode and decode alike.
  friend bool operator==(const Vocabulary& a, const Vocabulary& b) {
    return a.matching_ == b.matching_ && a.special_ == b.special_ && a.unknown_ == b.unknown_ &&
           a.symbols_ == b.symbols_;
  }

 private:
  friend class VocabularyBuilder;
  friend class TextTokens;

  enum class Matching : std::uint8_t { character, word, longest };

  /// A token and the bytes of the text that it stands for. `token` is -1 when those are not known
  /// and there is no token for that; `length` is 0 when no symbol fits or they are not UTF-8.
  struct Match {
    std::int64_t token = -1;
    std::size_t length = 0;
  };

  Vocabulary(Matching matching, std::vector<std::string> symbols, std::size_t special,
             std::optional<std::int64_t> unknown);

  /// Bytes of the byte order mark at the start of a whole text that is not a symbol; 0 or 3.
  [[nodiscard]] std::size_t mark_length(std::string_view text) const;

  [[nodiscard]] Match first_of(std::string_view text) const;
  [[nodiscard]] Match longest_match(std::string_view text) const;

  /// So many bytes, or the end of the text, must be in sight for `first_of` to be right.
  [[nodiscard]] std::size_t lookahead() const;

  /// The token of a character or word, that for what is unknown, or -1.
  [[nodiscard]] std::int64_t find(std::string_view symbol) const;

  Matching matching_;
  std::size_t special_;
  std::optional<std::int64_t> unknown_;
  std::vector<std::string> symbols_;
  detail::TextMap<std::int64_t> tokens_;
  std::vector<std::int64_t> ascii_;   // their tokens, -1 for what is not known
  std::vector<std::size_t> lengths_;  // the distinct lengths of the symbols, longest first
};

/// Counts the characters or words of a text that comes in parts, for texts of any size: it keeps
/// each distinct one once.
///
///     VocabularyBuilder builder(Unit::word);
///     while (std::getline(file, line)) builder.add(line + '\n');
///     const Vocabulary vocabulary = builder.build({.min_count = 3, .unknown = "<unk>"});
class VocabularyBuilder {
 public:
  explicit VocabularyBuilder(Unit unit);

  /// Adds the next part of the text, cut anywhere, be it within a character. Throws ArgumentError
  /// where it is not UTF-8, naming the byte counted from the start; then it adds nothing.
  void add(std::string_view piece);

  /// The vocabulary of all that was added: that of `Vocabulary::of_characters` or `of_words`, with
  /// the same errors. More may be added after it.
  [[nodiscard]] Vocabulary build(const VocabularyOptions& options = {}) const;

 private:
  using Count = std::pair<std::string_view, std::uint64_t>;

  void count(std::string_view symbol);
  [[nodiscard]] std::vector<Count> counts() const;

  Unit unit_;
  std::vector<std::uint64_t> ascii_counts_;  // of single characters below 128
  detail::TextMap<std::uint64_t> counts_;    // of all else
  detail::Utf8State checked_;
  bool begun_ = false;  // past where a byte order mark may be
  std::string rest_;    // what may go on in the next part
};

}  // namespace tapestry::data
