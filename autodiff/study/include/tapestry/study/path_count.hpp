// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

namespace tapestry {

/// How many paths there are: a whole number of any size.
class PathCount {
 public:
  PathCount(std::uint64_t count = 0);  // NOLINT: `paths.count() == 6`

  /// For the engine: 64 binary digits each, the lowest first.
  explicit PathCount(std::vector<std::uint64_t> limbs);

  /// All decimal digits.
  [[nodiscard]] std::string str() const;

  /// "23", "1.16e68": at most `digits` significant digits, for numbers beyond a million.
  [[nodiscard]] std::string brief(int digits = 3) const;

  /// The nearest double; infinite beyond 1.8e308, of which `log` knows more.
  explicit operator double() const;

  /// The natural logarithm; minus infinity of 0.
  [[nodiscard]] double log() const;

  friend bool operator==(const PathCount& a, const PathCount& b) = default;
  friend std::strong_ordering operator<=>(const PathCount& a, const PathCount& b);
  friend PathCount operator-(const PathCount& a, const PathCount& b);  ///< 0 where b is larger
  friend PathCount operator+(const PathCount& a, const PathCount& b);
  friend std::ostream& operator<<(std::ostream& out, const PathCount& count);

 private:
  /// The leading 53 bits as a number in [0.5, 1), and the power of 2 to multiply it with.
  [[nodiscard]] std::pair<double, std::int64_t> scaled() const;

  std::vector<std::uint64_t> limbs_;  // without zeros at the end
};

}  // namespace tapestry
