// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

namespace tapestry {

/// Writes a text file whole or not at all, as all files of the library are written: beside the old
/// file, which it replaces when it is complete. A link at `path` stays, what it points to is
/// replaced, with its permissions, its group and, where the system allows it, its owner. Throws
/// FileError when it cannot be written; the old file is then as it was.
void save_text(const std::filesystem::path& path, const std::string& text);

}  // namespace tapestry
