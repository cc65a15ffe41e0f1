// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace tapestry::detail {

/// Replaces a file once all is written. Throws FileError on behalf of `op`.
void write_text(std::string_view op, const std::filesystem::path& path, const std::string& text);

/// A number as other programs read it: all its digits, "inf", "-inf", "nan".
std::string plain_number(double x);

}  // namespace tapestry::detail
