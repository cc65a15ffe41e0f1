// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tapestry::data {

/// The pieces into which a text is cut: characters (Unicode code points), or words as `split` finds
/// them.
enum class Unit : std::uint8_t { character, word };

/// The characters or words of `text`. Joined, they give the text again, byte for byte. A word takes
/// the one space before it, if there is one. A word is
/// - a run of letters, digits, and apostrophes between them: "it's", " 3rd", " über"; a run of more
///   than 128 bytes is cut;
/// - or any other single character: punctuation, a symbol, or a letter of Chinese or Japanese,
///   which have no spaces: ",", " (", "学".
/// Other spaces and tabs, up to the next character or line end, are one piece of at most 128.
/// Each line end, "\n" or "\r\n", is a piece.
/// Throws an ArgumentError that names the byte where `text` is not valid UTF-8.
[[nodiscard]] std::vector<std::string> split(std::string_view text, Unit unit);

}  // namespace tapestry::data
