// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace tapestry::detail {

/// Replaces a file once all is written (see OutputFile). Throws FileError on behalf of `op`.
void write_text(std::string_view op, const std::filesystem::path& path, const std::string& text);

/// Adds to the end of a file. Throws FileError on behalf of `op`; the file is then as it was.
void append_text(std::string_view op, const std::filesystem::path& path, const std::string& text);

/// What is written into a file.
enum class FileKind : std::uint8_t { dot, svg, html, csv, safetensors, npz };

/// Throws ArgumentError on behalf of `op` when `path` ends as the name of a file of another kind,
/// as "a.png" does for SVG. Endings that are known for nothing else, and none, are allowed.
void check_ending(std::string_view op, const std::filesystem::path& path, FileKind kind);

}  // namespace tapestry::detail
