// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "tapestry/autodiff/random.hpp"

namespace tapestry::test {

/// UTF-8 of so many characters of all lengths and kinds that words are told apart by, in runs, and
/// without zero bytes.
inline std::string random_text(Generator& generator, std::size_t characters) {
  static const std::array<const char*, 32> pool = {
      "a",      "b",      "Z",      "7",      "_",      " ",          " ",          "  ",
      "\t",     "\n",     "\r",     "\r\n",   "'",      "\u2019",     ".",          ",",
      "-",      "\u00e9", "\u00df", "\u00d7", "\u0430", "\u05d0",     "\u0e01",     "\ud55c",
      "\u200d", "\u2014", "\u5b66", "\u3002", "\x7f",   "\U0001F388", "\U00010400", "\U00020000"};
  std::string text;
  while (characters > 0) {
    const char* one = pool[generator.below(pool.size())];
    std::size_t times = generator.below(8) == 0 ? 1 + generator.below(150) : 1;
    for (; times > 0 && characters > 0; --times, --characters) text += one;
  }
  return text;
}

}  // namespace tapestry::test
