// SPDX-License-Identifier: MIT
#include "pieces.hpp"

#include <algorithm>
#include <array>

#include "utf8.hpp"

namespace tapestry::data {
namespace {

constexpr std::size_t max_word = 128;  // bytes, without the space before it
constexpr std::size_t max_blanks = 128;

struct Range {
  unsigned first, last;
};

/// Beyond ASCII: punctuation and symbols, and the scripts that are written without spaces.
constexpr std::array<Range, 17> alone = {{
    {0x80, 0xA9},        // controls, Latin-1 marks
    {0xAB, 0xB4},        // all but ª
    {0xB6, 0xB9},        // and µ
    {0xBB, 0xBF},        // and º
    {0xD7, 0xD7},        // ×
    {0xF7, 0xF7},        // ÷
    {0x2000, 0x200B},    // spaces; the joiners after them belong to words
    {0x200E, 0x2BFF},    // dashes, quotes, currencies, arrows, mathematics, dingbats
    {0x2E00, 0x2E7F},    // more punctuation
    {0x2E80, 0x9FFF},    // Chinese and Japanese, and their punctuation
    {0xF900, 0xFAFF},    // more ideographs
    {0xFE10, 0xFE1F},    // vertical forms
    {0xFE30, 0xFE6F},    // small forms
    {0xFEFF, 0xFFEF},    // the byte order mark, full width forms
    {0xFFFC, 0xFFFD},    // replacement characters
    {0x1F000, 0x1FAFF},  // emoji
    {0x20000, 0x3FFFF},  // more ideographs
}};

constexpr bool is_ascii_word(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool stands_alone(unsigned code) {
  const auto* range = std::lower_bound(alone.begin(), alone.end(), code,
                                       [](const Range& r, unsigned c) { return r.last < c; });
  return range != alone.end() && range->first <= code;
}

/// Length of the letter or digit at the start of `text`; 0 when there is none.
std::size_t letter_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return is_ascii_word(first) ? 1 : 0;
  const std::size_t length = utf8::character_length(text, 0);
  if (length == 0 || stands_alone(utf8::code_point(text.substr(0, length)))) return 0;
  return length;
}

/// Length of the next letter of a word, with the apostrophe before it if there is one.
std::size_t next_letter_length(std::string_view text) {
  std::size_t apostrophe = 0;
  if (text.starts_with('\''))
    apostrophe = 1;
  else if (text.starts_with("\u2019"))
    apostrophe = 3;
  const std::size_t letter = letter_length(text.substr(apostrophe));
  return letter > 0 ? apostrophe + letter : 0;
}

/// Length of a word or of a single character, without a space before it.
std::size_t bare_length(std::string_view text) {
  std::size_t length = letter_length(text);
  if (length == 0) return utf8::character_length(text, 0);
  for (;;) {
    const std::size_t more = next_letter_length(text.substr(length));
    if (more == 0 || length + more > max_word) return length;
    length += more;
  }
}

std::size_t line_end_length(std::string_view text) {
  if (text.starts_with('\n')) return 1;
  return text.starts_with("\r\n") ? 2 : 0;
}

std::size_t word_length(std::string_view text) {
  const std::size_t line_end = line_end_length(text);
  if (line_end > 0) return line_end;
  const std::size_t end = std::min(text.find_first_not_of(" \t"), text.size());
  const std::size_t blanks = std::min(end, max_blanks);
  if (blanks == 0) return bare_length(text);
  const std::string_view next = text.substr(blanks);
  const bool word_follows = end == blanks && !next.empty() && line_end_length(next) == 0;
  if (!word_follows || text[blanks - 1] != ' ') return blanks;
  return blanks == 1 ? 1 + bare_length(next) : blanks - 1;  // the last space is the word's
}

}  // namespace

namespace detail {

std::size_t piece_length(std::string_view text, Unit unit) {
  return unit == Unit::word ? word_length(text) : utf8::character_length(text, 0);
}

std::size_t piece_lookahead(Unit unit) {
  constexpr std::size_t character = 4;
  constexpr std::size_t word = 1 + max_word + 3 + character;  // a space, an apostrophe and a letter
  static_assert(word >= max_blanks + 2);                      // a line end
  return unit == Unit::word ? word : character;
}

}  // namespace detail

std::vector<std::string> split(std::string_view text, Unit unit) {
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = detail::piece_length(text.substr(at), unit);
    if (length == 0) (void)utf8::checked_length("split", text, at);
    pieces.emplace_back(text.substr(at, length));
    at += length;
  }
  return pieces;
}

}  // namespace tapestry::data
