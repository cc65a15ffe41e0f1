// SPDX-License-Identifier: MIT
// What optimizers and clipping do with arrays, compiled for each architecture. Products and sums
// are rounded one by one on all of them.
#pragma once

#include <cstddef>

#include "tapestry/kernels/detail/architecture.hpp"
#include "tapestry/optim/detail/apply_rule.hpp"
#include "tapestry/optim/rules.hpp"

namespace tapestry::optim::detail {

template <class T, class Rule>
struct RuleKernel {
  void (*apply)(Rule rule, NumbersOf<Rule, T> numbers);
};

template <class T, class... Rules>
struct RuleKernels : RuleKernel<T, Rules>... {};

/// The rules of the library.
template <class T>
using LibraryRules = RuleKernels<T, AdamRule, AdamWRule, SGDRule, RMSpropRule, AdagradRule>;

template <class T>
struct UpdateKernels {
  LibraryRules<T> rules;
  double (*sum_of_squares)(const T* x, std::size_t n);
  void (*scale)(T* x, std::size_t n, T factor);
};

/// Those compiled for an architecture, which must run on this machine.
template <class T>
const UpdateKernels<T>& update_kernels(
    tapestry::detail::Architecture architecture = tapestry::detail::best_architecture());

/// The same, for the files that are compiled for it.
template <class T, tapestry::detail::Architecture architecture>
const UpdateKernels<T>& update_kernels_for();

template <class Rule, class T>
void apply_compiled(const Rule& rule, const NumbersOf<Rule, T>& numbers) {
  const RuleKernel<T, Rule>& kernel = update_kernels<T>().rules;
  for_parts(numbers.size, [&](std::size_t first, std::size_t count) {
    kernel.apply(rule, numbers.part(first, count));
  });
}

}  // namespace tapestry::optim::detail
