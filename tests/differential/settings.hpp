// SPDX-License-Identifier: MIT
// Which programs the tests draw, from the environment.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace differential {

inline std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::stoull(text) : otherwise;
}

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t default_programs = 10000;  // less than a minute
#else
inline constexpr std::uint64_t default_programs = 1000;
#endif

inline const std::uint64_t programs = setting("TAPESTRY_PROGRAMS", default_programs);
inline const std::uint64_t first_seed = setting("TAPESTRY_SEED", 1);

}  // namespace differential
