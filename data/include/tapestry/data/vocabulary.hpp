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
  /// A character or word that occurs less often than this is left out.
  std::size_t min_count = 1;
  /// The largest number of symbols, including `special` and `unknown`. The most frequent symbols
  /// stay; of equally frequent ones the first in byte order. 0 means no limit.
  std::size_t max_size = 0;
  /// The symbol that stands for everything that is left out or not known, such as "<unk>". A word
  /// holds the space before it, so " <unk>" reads well for words. If this is empty there is no such
  /// symbol, and a text with an unknown piece is an error.
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
/// byte order mark (U+FEFF) at the very start of a text only tells the encoding. It is not a part
/// of the text, unless it was given as a symbol.
class Vocabulary {
 public:
  /// The vocabulary of the special symbols, the unknown symbol, and the distinct characters
  /// (Unicode code points) of `text`, in ascending order. Throws ArgumentError for an empty text,
  /// for invalid UTF-8 (and names the byte), and for options that make no sense: a count of 0, a
  /// size without room for a character, a symbol given twice, a special symbol that is a character
  /// of the text.
  [[nodiscard]] static Vocabulary of_characters(std::string_view text,
                                                const VocabularyOptions& options = {});

  /// The same with the distinct words of `text`, the most frequent first; equally frequent words
  /// are in byte order.
  [[nodiscard]] static Vocabulary of_words(std::string_view text,
                                           const VocabularyOptions& options = {});

  /// The vocabulary of the given symbols, in their order. A symbol may be longer than one character
  /// ("<start>").
  /// Throws ArgumentError for an empty list and for a symbol that is empty, given twice or not
  /// valid UTF-8.
  [[nodiscard]] static Vocabulary of_symbols(std::vector<std::string> symbols);

  /// Reads the text that `to_json` wrote. Throws ArgumentError for any other text, and says what is
  /// wrong with it.
  [[nodiscard]] static Vocabulary from_json(std::string_view json);

  /// The vocabulary as one line of JSON, from which `from_json` makes an equal one.
  [[nodiscard]] std::string to_json() const;

  /// The pieces into which texts are cut. It is `character` for a list of symbols, since a symbol
  /// may start at any character.
  [[nodiscard]] Unit unit() const {
    return matching_ == Matching::word ? Unit::word : Unit::character;
  }

  /// The token of the unknown symbol, if there is one.
  [[nodiscard]] std::optional<std::int64_t> unknown() const { return unknown_; }

  /// The number of special symbols. They are the first tokens.
  [[nodiscard]] std::size_t special_count() const { return special_; }

  /// The number of symbols, V; tokens are 0 to V - 1.
  [[nodiscard]] std::size_t size() const { return symbols_.size(); }

  /// The symbols in token order.
  [[nodiscard]] const std::vector<std::string>& symbols() const { return symbols_; }

  /// The tokens of `text`, shape (N,): one for each character or word. A vocabulary of a list of
  /// symbols goes from left to right and takes the longest symbol that fits.
  /// `decode(encode(text)) == text` holds if all pieces are known, except for a byte order mark.
  /// Where no symbol fits and there is no unknown symbol, throws an IndexError that names the
  /// character or word and its place. Where `text` is not valid UTF-8, throws an ArgumentError that
  /// names the byte.
  [[nodiscard]] Indices encode(std::string_view text) const;

  /// The symbols of `tokens`, joined. An array of several axes is read in row-major order.
  /// Throws an IndexError that names the token and its position when it is outside [0, V).
  [[nodiscard]] std::string decode(const Indices& tokens) const;
  [[nodiscard]] std::string decode(std::span<const std::int64_t> tokens) const;

  /// Whether `symbol` is one of the symbols.
  [[nodiscard]] bool contains(std::string_view symbol) const { return tokens_.contains(symbol); }

  /// The token of `symbol`. Throws IndexError when it is not one of the symbols.
  [[nodiscard]] std::int64_t token(std::string_view symbol) const;

  /// The symbol of `token`. Throws IndexError when it is outside [0, V).
  [[nodiscard]] const std::string& symbol(std::int64_t token) const;

  /// Whether both encode and decode in the same way.
  friend bool operator==(const Vocabulary& a, const Vocabulary& b) {
    return a.matching_ == b.matching_ && a.special_ == b.special_ && a.unknown_ == b.unknown_ &&
           a.symbols_ == b.symbols_;
  }

 private:
  friend class VocabularyBuilder;
  friend class TextTokens;

  enum class Matching : std::uint8_t { character, word, longest };

  /// A token, and the number of bytes of the text for which it stands. `token` is -1 when the bytes
  /// are not known and there is no unknown symbol. `length` is 0 when no symbol fits or the bytes
  /// are not UTF-8.
  struct Match {
    std::int64_t token = -1;
    std::size_t length = 0;
  };

  Vocabulary(Matching matching, std::vector<std::string> symbols, std::size_t special,
             std::optional<std::int64_t> unknown);

  /// The bytes of a byte order mark at the start of a whole text, 0 or 3; 0 if the mark is a
  /// symbol.
  [[nodiscard]] std::size_t mark_length(std::string_view text) const;

  [[nodiscard]] Match first_of(std::string_view text) const;
  [[nodiscard]] Match longest_match(std::string_view text) const;

  /// `first_of` must see this many bytes, or the end of the text, to be right.
  [[nodiscard]] std::size_t lookahead() const;

  /// The token of a character or word, else the token of the unknown symbol, else -1.
  [[nodiscard]] std::int64_t find(std::string_view symbol) const;

  Matching matching_;
  std::size_t special_;
  std::optional<std::int64_t> unknown_;
  std::vector<std::string> symbols_;
  detail::TextMap<std::int64_t> tokens_;
  std::vector<std::int64_t> ascii_;   // their tokens, -1 for what is not known
  std::vector<std::size_t> lengths_;  // the distinct lengths of the symbols, longest first
};

/// Counts the characters or words of a text that comes in parts. The text may have any size: the
/// builder keeps each distinct character or word once.
///
///     VocabularyBuilder builder(Unit::word);
///     while (std::getline(file, line)) builder.add(line + '\n');
///     const Vocabulary vocabulary = builder.build({.min_count = 3, .unknown = "<unk>"});
class VocabularyBuilder {
 public:
  explicit VocabularyBuilder(Unit unit);

  /// Adds the next part of the text. Parts may be cut anywhere, even within a character. Where the
  /// text is not UTF-8, adds nothing and throws an ArgumentError that names the byte, counted from
  /// the start of the text.
  void add(std::string_view piece);

  /// The vocabulary of everything that was added, as `Vocabulary::of_characters` or `of_words`
  /// makes it, with the same errors. You may add more afterwards.
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
