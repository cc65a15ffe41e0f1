// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <new>

#include "tapestry/autodiff/detail/arena.hpp"
#include "tapestry/autodiff/detail/op_info.hpp"

namespace tapestry::detail {

/// Memory for one run of a kernel. Temporaries go back to the arena at its end, even if it throws.
template <class T>
class KernelMemory final : public Memory<T> {
 public:
  KernelMemory(Arena& arena, T* kept) : arena_(arena), kept_(kept) {}
  KernelMemory(const KernelMemory&) = delete;
  KernelMemory& operator=(const KernelMemory&) = delete;
  ~KernelMemory() override {
    while (last_) {
      Block* block = last_;
      last_ = block->before;
      arena_.release(block->data, block->bytes);
      arena_.release(block, sizeof(Block));
    }
  }

  [[nodiscard]] T* kept() override { return kept_; }
  [[nodiscard]] T* temporary(std::size_t count) override {
    void* place = arena_.allocate(sizeof(Block));
    last_ = new (place) Block{last_, nullptr, 0};
    last_->data = arena_.allocate(count * sizeof(T));
    last_->bytes = count * sizeof(T);
    return static_cast<T*>(last_->data);
  }

 private:
  struct Block {
    Block* before;
    void* data;
    std::size_t bytes;
  };

  Arena& arena_;
  T* kept_;
  Block* last_ = nullptr;
};

}  // namespace tapestry::detail
