// SPDX-License-Identifier: MIT
// How study tools write numbers and names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tapestry/study/study_value.hpp"

namespace tapestry::detail {

/// "12.4 %"; "-" when there is no such share.
[[nodiscard]] std::string percent_text(double share);

/// The symbol for a value with this label: "h_{3}", "\mathrm{weight\_hh}_{3}", "\hat{y}".
[[nodiscard]] std::string latex_symbol(const StudyValue& value, std::string_view label);

/// Columns of texts: the first one to the left, the next ones, numbers, to the right, and those
/// from column `texts` on to the left again.
[[nodiscard]] std::string table(std::vector<std::vector<std::string>> rows,
                                std::size_t texts = 1'000);

}  // namespace tapestry::detail
