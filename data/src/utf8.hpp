// SPDX-License-Identifier: MIT
// UTF-8 in vocabularies and files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tapestry/autodiff/utf8.hpp"
#include "tapestry/data/detail/utf8_state.hpp"

namespace tapestry::data::utf8 {

/// What some editors write at the start of a text to tell that it is UTF-8: U+FEFF.
inline constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

using tapestry::utf8::character_length;
using tapestry::utf8::code_point;
using tapestry::utf8::count;
using tapestry::utf8::is_control;
using tapestry::utf8::is_cut_character;
using tapestry::utf8::valid_length;

/// `character_length`, but throws ArgumentError naming `op` and the byte instead of returning 0.
[[nodiscard]] std::size_t checked_length(const char* op, std::string_view text, std::size_t at);

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

/// A symbol for an error message: 'a', 'é' (U+00E9), U+000A, 'word', U+000D U+000A.
[[nodiscard]] std::string quote(std::string_view symbol);

}  // namespace tapestry::data::utf8
