// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace tapestry::detail {

/// Memory of a tape. Blocks are handed out from large chunks, can be given back one by one in any
/// order, and all at once by `reset`, which keeps the chunks: a training step that repeats the
/// allocations of the one before takes nothing from the heap.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /// `bytes` of memory, aligned to 64 bytes from 64 bytes up, to 16 below. Throws std::bad_alloc.
  void* allocate(std::size_t bytes);

  /// Gives back a block of `allocate(bytes)`.
  void release(void* block, std::size_t bytes) noexcept;

  /// Gives back everything.
  void reset() noexcept;

  /// Bytes in use, rounded up as they were handed out; and the most there ever were.
  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] std::size_t peak() const { return peak_; }

  /// Bytes taken from the heap.
  [[nodiscard]] std::size_t reserved() const { return reserved_; }

 private:
  struct Chunk {
    std::byte* data;
    std::size_t size;
  };
  struct FreeBlock {
    FreeBlock* next;
  };
  static constexpr std::size_t class_count = 192;

  std::byte* bump(std::size_t bytes);

  /// Goes on to the next chunk, or adds one that holds `bytes`.
  [[gnu::noinline]] void next_chunk(std::size_t bytes);

  std::vector<Chunk> chunks_;
  std::size_t chunk_ = 0;   // the chunk that is being filled
  std::size_t offset_ = 0;  // its first free byte
  std::array<FreeBlock*, class_count> free_{};
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
  std::size_t reserved_ = 0;
};

}  // namespace tapestry::detail
