// SPDX-License-Identifier: MIT
#include "text_file.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <system_error>

#include "tapestry/autodiff/error.hpp"

namespace tapestry::detail {
namespace {

void write_all(const std::filesystem::path& path, const std::string& text) {
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw std::system_error(errno != 0 ? errno : EIO, std::generic_category());
}

}  // namespace

void write_text(std::string_view op, const std::filesystem::path& path, const std::string& text) {
  std::error_code ignored;
  const bool other = std::filesystem::exists(path, ignored) &&
                     !std::filesystem::is_regular_file(path, ignored);  // such as /dev/stdout
  std::filesystem::path partial = path;
  if (!other) partial += ".partial";
  try {
    write_all(partial, text);
    if (!other) std::filesystem::rename(partial, path);
  } catch (const std::system_error& error) {
    if (!other) std::filesystem::remove(partial, ignored);
    throw FileError(op, "cannot write '" + path.string() + "': " + error.code().message());
  }
}

std::string plain_number(double x) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), x).ptr;
  return {text.data(), end};
}

}  // namespace tapestry::detail
