// SPDX-License-Identifier: MIT
// How the rule of an optimizer is applied to the numbers of a parameter: see `Optimizer`.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "tapestry/autodiff/scalar.hpp"
#include "tapestry/optim/detail/for_parts.hpp"

namespace tapestry::optim::detail {

/// The numbers of one parameter, or some of them, and what is remembered of each.
template <class T, std::size_t memories>
struct Numbers {
  std::size_t size;
  T* value;
  const T* grad;
  T* memory[memories > 0 ? memories : 1];  // null for one that the optimizer does without

  [[nodiscard]] Numbers part(std::size_t first, std::size_t count) const {
    Numbers n = *this;
    n.size = count;
    n.value += first, n.grad += first;
    for (T*& memory : n.memory)
      if (memory) memory += first;
    return n;
  }
};

template <class Rule, class T>
using NumbersOf = Numbers<T, Rule::memories.size()>;

/// What a rule can take by reference alone.
struct Changed {
  Changed(const Changed&) = delete;
};
template <std::size_t>
using ChangedAt = Changed&;

template <class Rule, class Number, std::size_t... i>
constexpr bool is_rule(std::index_sequence<i...>) {
  return std::is_invocable_v<const Rule&, Changed&, const Number&, ChangedAt<i>...>;
}

/// The rule, at the numbers from `at` on: one, or as many as `Number` is a pack of.
template <class Number, class Rule, class T, std::size_t count, std::size_t... i>
[[gnu::always_inline]] inline void apply_at(std::size_t at, const Rule& rule,
                                            const Numbers<T, count>& n, std::index_sequence<i...>) {
  Number value = Number::load(n.value + at);
  const Number grad = Number::load(n.grad + at);
  [&](auto... memory) {
    rule(value, grad, memory...);
    ((n.memory[i] ? memory.store(n.memory[i] + at) : void()), ...);
  }(n.memory[i] ? Number::load(n.memory[i] + at) : Number()...);
  value.store(n.value + at);
}

/// The rule, at fewer numbers than a pack has: those from `at` on.
template <class Number, class Rule, class T, std::size_t count>
[[gnu::noinline]] void apply_to_rest(std::size_t at, const Rule& rule, const Numbers<T, count>& n) {
  T padded[2 + count][Number::width] = {};
  Numbers<T, count> whole{Number::width, padded[0], padded[1], {}};
  const auto copy = [size = n.size - at](const T* from, T* to) {
    for (std::size_t k = 0; k < size; ++k) to[k] = from[k];
  };
  copy(n.value + at, padded[0]);
  copy(n.grad + at, padded[1]);
  for (std::size_t m = 0; m < count; ++m)
    if (n.memory[m]) copy(n.memory[m] + at, whole.memory[m] = padded[2 + m]);
  apply_at<Number>(0, rule, whole, std::make_index_sequence<count>{});
  copy(padded[0], n.value + at);
  for (std::size_t m = 0; m < count; ++m)
    if (n.memory[m]) copy(padded[2 + m], n.memory[m] + at);
}

/// The rule, at all numbers. Rule and numbers are copies, which no store of theirs can change.
template <class Number, class Rule, class T, std::size_t count>
void apply_to_all(Rule rule, Numbers<T, count> n) {
  constexpr std::make_index_sequence<count> memories;
  constexpr std::size_t width = Number::width;
  std::size_t at = 0;
  for (; at + width <= n.size; at += width) apply_at<Number>(at, rule, n, memories);
  if constexpr (width > 1)
    if (at < n.size) apply_to_rest<Number>(at, rule, n);
}

/// A rule of the library, by what was compiled for the processor that this runs on.
template <class Rule, class T>
void apply_compiled(const Rule& rule, const NumbersOf<Rule, T>& numbers);

/// Any rule, compiled with the program that it is in; by several threads if there is much to do.
template <class Rule, class T>
void apply(const Rule& rule, const NumbersOf<Rule, T>& numbers) {
  static_assert(is_rule<Rule, Scalar<T>>(std::make_index_sequence<Rule::memories.size()>{}),
                "a rule is void operator()(auto& value, auto grad, auto&... memories) const, with "
                "as many memories as it names");
  if constexpr (requires { Rule::in_library; })
    apply_compiled<Rule, T>(rule, numbers);
  else
    for_parts(numbers.size, [&](std::size_t first, std::size_t count) {
      apply_to_all<Scalar<T>>(rule, numbers.part(first, count));
    });
}

}  // namespace tapestry::optim::detail
