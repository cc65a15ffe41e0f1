// SPDX-License-Identifier: MIT
// Loops over arrays in batches. What is left over goes through the same instructions in a padded
// copy, so a number's result depends neither on its place nor on how the array is cut.
#pragma once

#include <cstddef>

namespace tapestry::detail {

/// A batch's place in arrays.
template <class Batch>
class WholeBatch {
 public:
  using T = typename Batch::value_type;
  explicit WholeBatch(std::size_t at) : at_(at) {}
  [[nodiscard]] Batch load(const T* p) const { return Batch::load_unaligned(p + at_); }
  void store(T* p, const Batch& batch) const { batch.store_unaligned(p + at_); }

 private:
  std::size_t at_;
};

/// The place of the last `count` elements, fewer than a batch. The rest reads as 0.
template <class Batch>
class PartOfBatch {
 public:
  using T = typename Batch::value_type;
  PartOfBatch(std::size_t at, std::size_t count) : at_(at), count_(count) {}
  [[nodiscard]] Batch load(const T* p) const {
    alignas(64) T padded[Batch::size] = {};
    for (std::size_t i = 0; i < count_; ++i) padded[i] = p[at_ + i];
    return Batch::load_aligned(padded);
  }
  void store(T* p, const Batch& batch) const {
    alignas(64) T padded[Batch::size];
    batch.store_aligned(padded);
    for (std::size_t i = 0; i < count_; ++i) p[at_ + i] = padded[i];
  }

 private:
  std::size_t at_;
  std::size_t count_;
};

/// Calls `body(place)` for each batch of arrays of `n` elements.
template <class Batch, class Body>
void for_each_batch(std::size_t n, const Body& body) {
  std::size_t at = 0;
  for (; at + Batch::size <= n; at += Batch::size) body(WholeBatch<Batch>(at));
  if (at < n) body(PartOfBatch<Batch>(at, n - at));
}

}  // namespace tapestry::detail
