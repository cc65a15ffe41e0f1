// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace tapestry::data::detail {

/// Where the check of a text that comes in parts has got to.
struct Utf8State {
  std::string cut;          // the character that the last part ends within
  std::uint64_t bytes = 0;  // before it
};

}  // namespace tapestry::data::detail
