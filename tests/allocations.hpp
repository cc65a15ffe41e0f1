// SPDX-License-Identifier: MIT
// Counts heap allocations, for tests of what must not allocate. It replaces the global operator
// new, so include it in one file of a program only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace tapestry::test {

inline std::atomic<std::size_t> allocation_count{0};
inline std::atomic<std::size_t> allocation_bytes{0};

/// Number of heap allocations since the start of the program.
[[nodiscard]] inline std::size_t allocations() { return allocation_count; }

/// Bytes that were ever allocated, given back or not: what copies grow with.
[[nodiscard]] inline std::size_t allocated_bytes() { return allocation_bytes; }

inline void count_allocation(std::size_t size) {
  ++allocation_count;
  allocation_bytes += size;
}

}  // namespace tapestry::test

// Not inlined: GCC would see new and free side by side and warn that they do not match.
[[gnu::noinline]] void* operator new(std::size_t size) {
  tapestry::test::count_allocation(size);
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  tapestry::test::count_allocation(size);
  return std::malloc(size > 0 ? size : 1);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  tapestry::test::count_allocation(size);
  const auto unit = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(unit, (size + unit - 1) / unit * unit)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
