// SPDX-License-Identifier: MIT
// Included once for each architecture.
#pragma once

#include <limits>

#include "tapestry/kernels/detail/batch_loop.hpp"
#include "tapestry/kernels/detail/batch_math.hpp"
#include "tapestry/kernels/detail/softmax_kernels.hpp"

namespace tapestry::detail {

template <class T, Architecture architecture>
struct SoftmaxKernelsFor {
  using Batch = BatchOf<T, architecture>;
  static constexpr std::size_t lanes = Batch::size;
  static constexpr std::size_t together = 4;  // batches whose results do not wait for each other

  static Batch larger(const Batch& x, const Batch& most) {
    return xsimd::select(x > most, x, most);
  }

  static T largest(const T* x, std::size_t n) {
    Batch most[together];
    for (Batch& batch : most) batch = Batch(-std::numeric_limits<T>::infinity());
    std::size_t i = 0;
    for (; i + together * lanes <= n; i += together * lanes)
      for (std::size_t k = 0; k < together; ++k)
        most[k] = larger(Batch::load_unaligned(x + i + k * lanes), most[k]);
    for (; i + lanes <= n; i += lanes) most[0] = larger(Batch::load_unaligned(x + i), most[0]);
    T found[lanes];
    larger(larger(most[0], most[1]), larger(most[2], most[3])).store_unaligned(found);
    for (std::size_t half = lanes / 2; half > 0; half /= 2)
      for (std::size_t k = 0; k < half; ++k)
        found[k] = found[k + half] > found[k] ? found[k + half] : found[k];
    T result = found[0];
    for (; i < n; ++i) result = x[i] > result ? x[i] : result;
    return result;
  }

  static double sum_exp(const T* x, std::size_t n, T shift) {
    constexpr std::size_t block = 64 * lanes;
    double total = 0;
    for (std::size_t first = 0; first < n; first += block)
      total += sum_of_block(x + first, n - first < block ? n - first : block, Batch(shift));
    return total;
  }

  static double sum_of_block(const T* x, std::size_t n, const Batch& shift) {
    Batch sums[together];
    for (Batch& batch : sums) batch = Batch(T(0));
    std::size_t i = 0;
    for (; i + together * lanes <= n; i += together * lanes)
      for (std::size_t k = 0; k < together; ++k)
        sums[k] = sums[k] + batch_exp(Batch::load_unaligned(x + i + k * lanes) - shift);
    double total = sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]), lanes);
    for (; i + lanes <= n; i += lanes)
      total += sum_of(batch_exp(Batch::load_unaligned(x + i) - shift), lanes);
    if (i < n) total += sum_of(batch_exp(PartOfBatch<Batch>(i, n - i).load(x) - shift), n - i);
    return total;
  }

  /// The first `count` numbers of a batch.
  static double sum_of(const Batch& batch, std::size_t count) {
    T numbers[lanes];
    batch.store_unaligned(numbers);
    double parts[2] = {};  // which need not wait for each other
    for (std::size_t i = 0; i < count; ++i) parts[i % 2] += static_cast<double>(numbers[i]);
    return parts[0] + parts[1];
  }

  static void scaled_exp(const ScaledExpTask<T>& t) {
    const Batch shift(t.shift);
    const Batch factor(t.factor);
    for_each_batch<Batch>(t.n, [&](const auto& at) {
      const Batch result = factor * batch_exp(at.load(t.x) - shift);
      at.store(t.y, t.accumulate ? at.load(t.y) + result : result);
    });
  }

  static constexpr SoftmaxKernels<T> table{&largest, &sum_exp, &scaled_exp};
};

template <class T, Architecture architecture>
const SoftmaxKernels<T>& softmax_kernels_for() {
  return SoftmaxKernelsFor<T, architecture>::table;
}

}  // namespace tapestry::detail
