// SPDX-License-Identifier: MIT
// The little of UTF-8 that a vocabulary needs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tapestry::data::utf8 {

/// Length in bytes (1 to 4) of the character that starts at byte `at` of `text`; 0 when the bytes
/// there are not valid UTF-8: stray, missing or overlong bytes, surrogates, beyond U+10FFFF
/// (table 3-7 of the Unicode standard). `at` must be less than the size.
[[nodiscard]] std::size_t character_length(std::string_view text, std::size_t at);

/// As above, but throws ArgumentError naming `op` and the byte instead of returning 0.
[[nodiscard]] std::size_t checked_length(const char* op, std::string_view text, std::size_t at);

/// Number of characters in valid UTF-8.
[[nodiscard]] std::size_t count(std::string_view text);

/// A symbol for an error message: 'a', 'é' (U+00E9), U+000A, 'word'.
[[nodiscard]] std::string quote(std::string_view symbol);

}  // namespace tapestry::data::utf8
