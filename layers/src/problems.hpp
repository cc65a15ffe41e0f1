// SPDX-License-Identifier: MIT
// All that is wrong with a file, in one error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tapestry::detail {

/// Keeps the first thousand texts and the number of all of them.
class Problems {
 public:
  void add(std::string text);
  [[nodiscard]] bool empty() const { return count_ == 0; }

  /// Throws FileError, "[op] path: 2 problems: ...; ...", unless there are none.
  void raise_if_any(const char* op, const std::string& path) const;

 private:
  std::vector<std::string> texts_;
  std::size_t count_ = 0;
};

/// A name from a file for use in a message: quoted, on one line, not endless.
std::string in_quotes(std::string_view name);

/// Throws ArgumentError, "[op] the text 'name' is not UTF-8", when it is not.
void check_utf8(const char* op, const std::string& text);

/// A shape as Shape::str writes it.
std::string shape_text(const std::vector<std::uint64_t>& shape);

}  // namespace tapestry::detail
