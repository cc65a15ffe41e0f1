// SPDX-License-Identifier: MIT
// What an op declares about its gradients, and how its rules are found and called.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tapestry/autodiff/detail/op_info.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry {

/// Tells a gradient rule which input it is asked for: `backward(Wrt<1>, g, y, a, b)` is the rule
/// for `b`.
template <std::size_t i>
struct Wrt {};

/// Stands in for a value that the op does not save: only its shape is known.
struct NotSaved {
  Shape extents;
  [[nodiscard]] const Shape& shape() const { return extents; }
};

/// What the gradient rules of an op read: its output, some or all of its inputs.
struct Saves {
  bool output = true;
  std::uint64_t inputs = ~std::uint64_t{0};  // bit i: input i
};

inline constexpr Saves save_all{};
inline constexpr Saves save_nothing{false, 0};
inline constexpr Saves save_output{true, 0};
inline constexpr Saves save_inputs{false, ~std::uint64_t{0}};

/// Only input `i`.
[[nodiscard]] constexpr Saves save_input(std::size_t i) { return {false, std::uint64_t{1} << i}; }

/// A set of inputs, for `static constexpr auto no_gradient = inputs(0, 2);`.
template <class... Index>
[[nodiscard]] constexpr std::uint64_t inputs(Index... i) {
  return ((std::uint64_t{1} << i) | ... | std::uint64_t{0});
}
inline constexpr std::uint64_t all_inputs = ~std::uint64_t{0};

namespace detail {

/// `f(k...)` with the constants 0 to N - 1.
template <std::size_t N, class F>
constexpr decltype(auto) with_indices(const F& f) {
  return [&]<std::size_t... k>(std::index_sequence<k...>)->decltype(auto) {
    return f(std::integral_constant<std::size_t, k>{}...);
  }
  (std::make_index_sequence<N>{});
}

template <class Op>
constexpr Saves saves_of() {
  if constexpr (requires { Op::saves; })
    return Op::saves;
  else
    return save_all;
}

template <class Op>
constexpr std::uint64_t no_gradient_of() {
  if constexpr (requires { Op::no_gradient; })
    return Op::no_gradient;
  else
    return 0;
}

/// Whether rules read the output (0) or input j - 1.
template <class Op>
constexpr bool rule_reads(std::size_t j) {
  return j == 0 ? saves_of<Op>().output : (saves_of<Op>().inputs >> (j - 1) & 1) != 0;
}

/// What a call gives for which the op has no rule.
struct NoRule {};

/// The gradient with respect to input `i`, by a rule that takes these arguments; an op of one input
/// may leave out the tag.
template <std::size_t i, bool one_input, class Op, class... Args>
auto call_with(const Op& op, Args&... args) {
  if constexpr (requires { op.backward(Wrt<i>{}, args...); })
    return op.backward(Wrt<i>{}, args...);
  else if constexpr (one_input && requires { op.backward(args...); })
    return op.backward(args...);
  else
    return NoRule{};
}

/// The same by a rule that takes all of g, y and the inputs, or else g and what the op saves.
template <std::size_t i, class Op, class... Args>
auto call_rule(const Op& op, const Args&... args) {
  constexpr bool one_input = sizeof...(Args) == 3;
  if constexpr (!std::same_as<decltype(call_with<i, one_input>(op, args...)), NoRule>) {
    return call_with<i, one_input>(op, args...);
  } else {
    const auto saved = [](const auto& argument) {
      if constexpr (std::same_as<decltype(argument), const NotSaved&>)
        return std::tuple<>();
      else
        return std::tie(argument);
    };
    return std::apply([&](const auto&... kept) { return call_with<i, one_input>(op, kept...); },
                      std::tuple_cat(saved(args)...));
  }
}

/// Every op says of each of its inputs either how its gradient is computed, by a rule that returns
/// `Result`, or that it has none.
template <class Op, std::size_t input, class Result>
struct GradientRule {
  static constexpr bool exists = !std::same_as<Result, NoRule>;
  static constexpr bool has_none = (no_gradient_of<Op>() >> input & 1) != 0;
  static constexpr std::uint64_t bit = std::uint64_t{exists} << input;
  static_assert(exists || has_none,
                "this op has no gradient rule for this input: its `backward` is missing or takes "
                "other arguments than (g, y, x...) or g and what it saves, with Wrt<input>{} "
                "before them unless there is one input; if it has no gradient, declare `static "
                "constexpr auto no_gradient = inputs(...)`");
  static_assert(!exists || !has_none,
                "this op declares that this input has no gradient, but has a rule for it");
};

/// As what a rule sees the output (0) or input j - 1, when it computes with `G`.
template <class Op, std::size_t j, class G>
using RuleArgument = std::conditional_t<rule_reads<Op>(j), G, NotSaved>;

template <class Op, std::size_t i, class G, std::size_t... j>
auto result_of_rule(std::index_sequence<j...>)
    -> decltype(call_rule<i>(std::declval<const Op&>(), std::declval<const G&>(),
                             std::declval<const RuleArgument<Op, j, G>&>()...));

/// What the rule for input `i` of `N` returns when it computes with `G`.
template <class Op, std::size_t i, std::size_t N, class G>
using ResultOfRule = decltype(result_of_rule<Op, i, G>(std::make_index_sequence<N + 1>{}));

}  // namespace detail
}  // namespace tapestry
