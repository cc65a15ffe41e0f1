// SPDX-License-Identifier: MIT
// The little of UTF-8 that vocabularies and files need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tapestry/data/vocabulary.hpp"

namespace tapestry::data::utf8 {

/// What some editors write at the start of a text to tell that it is UTF-8: U+FEFF.
inline constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Length in bytes (1 to 4) of the character that starts at byte `at` of `text`; 0 when the bytes
/// there are not valid UTF-8: stray, missing or overlong bytes, surrogates, beyond U+10FFFF
/// (table 3-7 of the Unicode standard). `at` must be less than the size.
[[nodiscard]] std::size_t character_length(std::string_view text, std::size_t at);

/// As above, but throws ArgumentError naming `op` and the byte instead of returning 0.
[[nodiscard]] std::size_t checked_length(const char* op, std::string_view text, std::size_t at);

/// The number of a character: the whole of `character`, valid UTF-8.
[[nodiscard]] unsigned code_point(std::string_view character);

/// A byte that cannot be where it is.
struct Fault {
  std::uint64_t position;
  unsigned byte;
};

/// Text of a fault: "byte 12 (0xFF)".
[[nodiscard]] std::string str(const Fault& fault);

/// Goes over the next part of a text, which may be cut within a character. Positions are counted
/// from the start of the text. After a fault the state is not to be used.
[[nodiscard]] std::optional<Fault> check_part(data::detail::Utf8State& state,
                                              std::string_view part);

/// At the end of the text.
[[nodiscard]] std::optional<Fault> check_end(const data::detail::Utf8State& state);

/// Number of characters in valid UTF-8.
[[nodiscard]] std::size_t count(std::string_view text);

/// A symbol for an error message: 'a', 'é' (U+00E9), U+000A, 'word', U+000D U+000A.
[[nodiscard]] std::string quote(std::string_view symbol);

}  // namespace tapestry::data::utf8
