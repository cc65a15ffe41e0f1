// SPDX-License-Identifier: MIT
// A page of tables and pictures. All texts are HTML themselves.
#pragma once

#include <string>
#include <vector>

/// The first row is the header.
std::string html_table(const std::vector<std::vector<std::string>>& rows);

/// A picture, an SVG file's text, with words below.
std::string html_figure(const std::string& svg, const std::string& caption);

/// Pictures side by side.
std::string html_row(const std::vector<std::string>& figures);

/// Writes a page with everything it needs. Throws FileError when it cannot be written.
void write_html(const std::string& path, const std::string& title, const std::string& body);
