// SPDX-License-Identifier: MIT
// Where a text is cut into characters and words: the rule that `split` documents.
#pragma once

#include <cstddef>
#include <string_view>

#include "tapestry/data/split.hpp"

namespace tapestry::data::detail {

/// Length in bytes of the character or word that `text`, which is not empty, starts with; 0 when it
/// starts with something that is not UTF-8. What follows a word may decide where it ends.
[[nodiscard]] std::size_t piece_length(std::string_view text, Unit unit);

/// So many bytes, or the end of the text, must be in sight for `piece_length` to be right.
[[nodiscard]] std::size_t piece_lookahead(Unit unit);

}  // namespace tapestry::data::detail
