// SPDX-License-Identifier: MIT
// The threads of the library: a few that wait, asleep, until there is work for them. What is
// computed must not depend on which thread computes it, nor on how many there are.
#pragma once

#include <cstddef>

namespace tapestry::detail {

/// How many threads there are, with the calling one: 1 at first.
[[nodiscard]] int threads_in_use();

/// Sets it, from the next computation on. At least 1.
void use_threads(int count);

/// Multiplications below which waking another thread costs more than it saves.
inline constexpr std::size_t worth_sharing = std::size_t{1} << 20;

/// How many parts to make of `work` multiplications, or of as long a computation: 1 if it is small,
/// and never more than `most`.
[[nodiscard]] std::size_t parts_for(std::size_t work, std::size_t most);

/// Calls `run(body, part)` for the parts below `parts`, on this thread and on those that are free.
/// Throws what one of them throws.
void run_parts(std::size_t parts, void (*run)(const void* body, std::size_t part),
               const void* body);

/// Calls `body(part)` for the parts below `parts`, which must not depend on each other. Within
/// another such call, or while another thread has the team, this thread does all of them.
template <class Body>
void parallel(std::size_t parts, const Body& body) {
  if (parts == 1) return body(std::size_t{0});
  run_parts(
      parts, [](const void* b, std::size_t part) { (*static_cast<const Body*>(b))(part); }, &body);
}

/// From `first` to before `last`.
struct Range {
  std::size_t first;
  std::size_t last;
  [[nodiscard]] std::size_t size() const { return last - first; }
};

/// Part number `part` of the numbers below `count`, cut at multiples of `unit`.
[[nodiscard]] Range part_of(std::size_t count, std::size_t parts, std::size_t part,
                            std::size_t unit = 1);

}  // namespace tapestry::detail
