// SPDX-License-Identifier: MIT
// The little of UTF-8 that names, drawings and vocabularies need.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

namespace tapestry::utf8 {

/// Length in bytes (1 to 4) of the character that starts at byte `at` of `text`; 0 when the bytes
/// there are not valid UTF-8: stray, missing or overlong bytes, surrogates, beyond U+10FFFF
/// (table 3-7 of the Unicode standard). `at` must be less than the size.
[[nodiscard]] std::size_t character_length(std::string_view text, std::size_t at = 0);

/// Whether `text`, which is not empty, is a character without its last bytes.
[[nodiscard]] bool is_cut_character(std::string_view text);

/// Length in bytes of the longest start of `text` that is whole, valid characters.
[[nodiscard]] std::size_t valid_length(std::string_view text);

/// The first `most` bytes of `text`, but no part of a character.
[[nodiscard]] std::string_view start_of(std::string_view text, std::size_t most);

/// The number of a character: the whole of `character`, valid UTF-8.
[[nodiscard]] unsigned code_point(std::string_view character);

/// Number of characters in valid UTF-8.
[[nodiscard]] std::size_t count(std::string_view text);

/// Whether a character moves the cursor of a terminal instead of being shown: C0, C1 and DEL.
[[nodiscard]] bool is_control(unsigned code);

/// Takes the first character off `text`, which is not empty, and returns what can be shown of it on
/// one line and stand in XML: a space for line breaks and tabs, U+FFFD for each byte of
/// other control characters and of what is not UTF-8.
[[nodiscard]] std::string_view take_shown(std::string_view& text);

/// All of a text so, on one line; texts beyond `most` characters end in an ellipsis.
[[nodiscard]] std::string shown(std::string_view text,
                                std::size_t most = std::numeric_limits<std::size_t>::max());

/// A text that does nothing to a terminal. Line breaks and tabs stay; other control characters,
/// those that turn the direction of writing, and what is not UTF-8 are spelled: "\x1B", "\u202E".
[[nodiscard]] std::string harmless(std::string_view text);

}  // namespace tapestry::utf8
