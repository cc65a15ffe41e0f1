// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/detail/arena.hpp"

#include <algorithm>
#include <bit>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace tapestry::detail {
namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t first_chunk = std::size_t{1} << 16;
constexpr std::size_t largest_step = std::size_t{1} << 28;

// Under the address sanitizer, memory that is not handed out counts as poisoned, so that a stale
// pointer into the arena is caught like one into the heap.
void poison([[maybe_unused]] void* p, [[maybe_unused]] std::size_t n) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(p, n);
#endif
}
void unpoison([[maybe_unused]] void* p, [[maybe_unused]] std::size_t n) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(p, n);
#endif
}

// Sizes are rounded up to one of four steps per power of two, so at most a fifth is wasted.
struct SizeClass {
  std::size_t index;
  std::size_t bytes;
};

SizeClass size_class(std::size_t bytes) {
  if (bytes <= 64) {
    const std::size_t units = bytes == 0 ? 1 : (bytes + 15) / 16;
    return {units - 1, units * 16};
  }
  const auto octave = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;  // 2^octave < bytes
  const std::size_t step = (std::size_t{1} << octave) / 4;
  const std::size_t quarter = (bytes - (std::size_t{1} << octave) + step - 1) / step;
  return {4 + (octave - 6) * 4 + (quarter - 1), (std::size_t{1} << octave) + quarter * step};
}

}  // namespace

Arena::~Arena() {
  for (const Chunk& chunk : chunks_) {
    unpoison(chunk.data, chunk.size);
    ::operator delete (chunk.data, std::align_val_t{alignment});
  }
}

void* Arena::allocate(std::size_t bytes) {
  const SizeClass c = size_class(bytes);
  if (c.index >= class_count) throw std::bad_alloc();
  void* block = free_[c.index];
  if (block) {
    unpoison(block, c.bytes);
    free_[c.index] = free_[c.index]->next;
  } else {
    block = bump(c.bytes);
    unpoison(block, c.bytes);
  }
  used_ += c.bytes;
  peak_ = std::max(peak_, used_);
  return block;
}

std::byte* Arena::bump(std::size_t bytes) {
  const std::size_t unit = bytes < alignment ? 16 : alignment;  // a power of two
  std::size_t start = (offset_ + unit - 1) & ~(unit - 1);
  while (chunk_ >= chunks_.size() || start + bytes > chunks_[chunk_].size) {
    next_chunk(bytes);
    start = 0;
  }
  offset_ = start + bytes;
  return chunks_[chunk_].data + start;
}

void Arena::next_chunk(std::size_t bytes) {
  offset_ = 0;
  if (chunk_ < chunks_.size() && ++chunk_ < chunks_.size()) return;
  const std::size_t last = chunks_.empty() ? first_chunk / 2 : chunks_.back().size;
  const std::size_t size = std::max(bytes, std::min(last * 2, largest_step));
  chunks_.reserve(chunks_.size() + 1);
  auto* data = static_cast<std::byte*>(::operator new (size, std::align_val_t{alignment}));
  chunks_.push_back({data, size});
  poison(data, size);
  reserved_ += size;
  chunk_ = chunks_.size() - 1;
}

void Arena::release(void* block, std::size_t bytes) noexcept {
  if (!block) return;
  const SizeClass c = size_class(bytes);
  auto* free_block = static_cast<FreeBlock*>(block);
  free_block->next = free_[c.index];
  free_[c.index] = free_block;
  used_ -= c.bytes;
  poison(block, c.bytes);
}

void Arena::reset() noexcept {
  for (const Chunk& chunk : chunks_) poison(chunk.data, chunk.size);
  free_.fill(nullptr);
  chunk_ = 0;
  offset_ = 0;
  used_ = 0;
}

}  // namespace tapestry::detail
