// SPDX-License-Identifier: MIT
#pragma once

#include <string>

/// What an example shows, checked as it runs: one line each, and a failed run if one is not so.
class Claims {
 public:
  /// Prints the claim, and whether it holds.
  void check(bool holds, const std::string& claim);

  /// Throws when one of them did not hold; for the end of the run.
  void settle() const;
  /// What main returns: 1 when one of them did not hold.
  [[nodiscard]] int exit_code() const { return failed_ > 0 ? 1 : 0; }

 private:
  unsigned failed_ = 0;
};

/// A number with so many digits after the point, 0 without a sign.
std::string fixed(double value, int digits);
/// `text` with spaces behind it (or before it, for a negative width) to fill a column.
std::string column(const std::string& text, int width);
