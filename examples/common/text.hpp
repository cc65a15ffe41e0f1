// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

/// A number with so many digits after the point, 0 without a sign.
std::string fixed(double value, int digits);
/// `text` with spaces behind it (or before it, for a negative width) to fill a column.
std::string column(const std::string& text, int width);

/// The lines of a file, without the empty ones. Throws FileError when it cannot be read.
std::vector<std::string> read_lines(const std::string& path);
