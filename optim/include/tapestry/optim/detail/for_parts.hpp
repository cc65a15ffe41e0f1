// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "tapestry/kernels/team.hpp"

namespace tapestry::optim::detail {

/// What an update of a number costs, in multiplications of a matrix product: it waits for memory.
inline constexpr std::size_t work_per_number = 16;

/// Calls `body(first, count)` for parts of `size` numbers, by several threads if there are many.
template <class Body>
void for_parts(std::size_t size, const Body& body) {
  constexpr std::size_t line = 16;  // so that two threads do not write to one cache line
  const std::size_t parts = tapestry::detail::parts_for(size * work_per_number, size / line + 1);
  tapestry::detail::parallel(parts, [&](std::size_t part) {
    const tapestry::detail::Range range = tapestry::detail::part_of(size, parts, part, line);
    body(range.first, range.size());
  });
}

}  // namespace tapestry::optim::detail
