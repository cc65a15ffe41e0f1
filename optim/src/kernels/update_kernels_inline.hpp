// SPDX-License-Identifier: MIT
// Included once for each architecture.
#pragma once

#include "kernels/update_kernels.hpp"
#include "tapestry/kernels/detail/simd.hpp"

namespace tapestry::optim::detail {

template <class T, tapestry::detail::Architecture architecture>
struct UpdateKernelsFor {
  template <class... Rules>
  static constexpr RuleKernels<T, Rules...> rules(const RuleKernels<T, Rules...>&) {
    using Pack = tapestry::detail::Pack<T, tapestry::detail::ArchitectureOf<architecture>>;
    return {{&apply_to_all<Pack, Rules>}...};
  }

  /// In double and in lanes, which always give the same result.
  static double sum_of_squares(const T* x, std::size_t n) {
    constexpr std::size_t lanes = 16;
    double sums[lanes] = {};
    const std::size_t whole = n - n % lanes;
    for (std::size_t i = 0; i < whole; i += lanes)
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        const auto value = static_cast<double>(x[i + lane]);
        sums[lane] += value * value;
      }
    for (std::size_t i = whole; i < n; ++i) {
      const auto value = static_cast<double>(x[i]);
      sums[i - whole] += value * value;
    }
    double total = 0;
    for (const double sum : sums) total += sum;
    return total;
  }

  static void scale(T* x, std::size_t n, T factor) {
    for (std::size_t i = 0; i < n; ++i) x[i] *= factor;
  }

  static constexpr UpdateKernels<T> table{rules(LibraryRules<T>{}), &sum_of_squares, &scale};
};

template <class T, tapestry::detail::Architecture architecture>
const UpdateKernels<T>& update_kernels_for() {
  return UpdateKernelsFor<T, architecture>::table;
}

}  // namespace tapestry::optim::detail
