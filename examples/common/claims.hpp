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
