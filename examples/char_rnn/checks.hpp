// SPDX-License-Identifier: MIT
// Checks of the values of options, wherever they stand: on the command line or in a checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>

struct Check {
  std::string help;  ///< what a value must be, for the help: "POSITIVE"

  /// Why a text is no such value; empty when it is one.
  std::function<std::string(const std::string& text)> complaint;
};

/// A whole number, not less than `least`.
[[nodiscard]] Check whole(std::uint64_t least = 0);

/// A finite number that is not negative.
[[nodiscard]] Check not_negative();

/// A number from 0 to `most`.
[[nodiscard]] Check share(double most = 1);

/// A probability that is not 0.
[[nodiscard]] Check positive_share();

/// One of these words.
[[nodiscard]] Check one_of(std::initializer_list<const char*> words);
