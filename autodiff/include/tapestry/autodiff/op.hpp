// SPDX-License-Identifier: MIT
// For those who write ops. An op is a struct (not final) with a name, a value and one gradient rule
// for each input; `apply` runs it. There are three kinds, told apart by what they declare:
//
// Elementwise: `forward(x...)` and `backward(g, y, x...)` are formulas over anything that has
// arithmetic. On arrays they run number by number in one fused loop; on variables the same text
// records nodes, which gives the higher derivatives. Broadcasting is the engine's business.
//
//   struct Divide {
//     static constexpr auto name = "divide";
//     static constexpr auto formula = "y = a / b";  // for readers; so is `shapes` of other kinds
//     auto forward(const auto& a, const auto& b) const { return a / b; }
//     auto backward(Wrt<0>, const auto& g, const auto&, const auto&, const auto& b) const {
//       return g / b;
//     }
//     auto backward(Wrt<1>, const auto& g, const auto& y, const auto&, const auto& b) const {
//       return -(g * y / b);
//     }
//   };
//
// One that also has `forward_array(Out<T> y, In<T> x...)` computes its value by that instead; for
// ops of one input only.
//
// On arrays: declares `infer(shapes...)`, which checks shapes and returns that of the result, and
// has a `forward(Out<T> y, In<T> x...)` over whole arrays. The rules are written in variables.
//
// Fused: declares `expand(variables...)`, too, its definition in other ops, and has a kernel
// `backward(KernelBackward<T>&)` in place of rules; higher derivatives go through `expand`.
// One with several outputs or a varying number of inputs takes them as spans:
//
//   std::size_t outputs() const;
//   Shape infer(std::size_t output, std::span<const Shape* const> x) const;
//   void forward(std::span<const Out<T>> y, std::span<const In<T>> x, Memory<T>& memory) const;
//   std::vector<Variable<T>> expand(std::span<const Variable<T>> x) const;
//   std::size_t keeps(std::span<const Shape* const> x) const;
//
// and is run by `apply_fused`. `memory` may be left out, and so may `keeps`: how many numbers
// forward keeps for backward. `expand` may return fewer outputs than there are: the rest are for
// backward. One whose expansion opens scopes for time steps declares
// `static constexpr bool over_steps = true`: drawings then show it step by step.
//
// What rules may read is declared: `static constexpr Saves saves = ...`. A rule takes g, y and the
// inputs, where those that are not saved arrive as NotSaved, which has only a shape; or it takes g
// and those that are saved, in this order:
//
//   static constexpr Saves saves = save_output;
//   auto backward(const auto& g, const auto& y) const { return g * y; }
//
// What an op was given besides its inputs, for readers and drawings, is told by
// `OpAttributes attributes() const`, as {{"axis", 1}}, or by a text.
//
// An input without a gradient is declared too, `static constexpr auto no_gradient = inputs(0);` or
// `all_inputs`. An op that has neither a rule nor says so does not compile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tapestry/autodiff/detail/op_adapters.hpp"
#include "tapestry/autodiff/detail/op_info.hpp"
#include "tapestry/autodiff/detail/op_rules.hpp"
#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/scalar.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {
namespace detail {

/// What the op says about itself in `Op::formula` and, if it is not elementwise, in `Op::shapes`.
template <class Op>
bool describe_op() {
  constexpr bool fused = declares_expand<Op>;
  std::string_view formula;
  std::string_view shapes = fused || declares_infer<Op> ? "" : "elementwise";
  if constexpr (requires { Op::formula; }) formula = Op::formula;
  if constexpr (requires { Op::shapes; }) shapes = Op::shapes;
  return register_op(Op::name, formula, shapes, fused);
}

template <class Op>
inline const bool op_is_registered = describe_op<Op>();

/// The number of `v` on the tape, after checking that it can be an operand.
template <class T>
std::uint32_t operand(std::string_view op, const TapeState<T>& state, const Variable<T>& v) {
  if (&v.state(op) != &state) state.throw_foreign(op);
  state.check_available(op, v.index());
  return v.index();
}

/// The numbers of `x` on the tape, after checking that they can be operands.
template <class Op, class T>
std::span<const std::uint32_t> operands(TapeState<T>& state, std::span<const Variable<T>> x) {
  state.many_inputs.clear();
  for (const Variable<T>& v : x) state.many_inputs.push_back(operand(Op::name, state, v));
  return state.many_inputs;
}

/// Applies an op of `N` inputs and returns the index of its first output.
template <class Op, class Lane, std::size_t N, class T>
std::uint32_t apply_to(const Op& op, TapeState<T>& state, std::span<const std::uint32_t> inputs) {
  static_cast<void>(op_is_registered<Op>);
  return state.apply(op_info<Op, T, Lane, N>, &op, inputs);
}

/// Records a fused op as what `expand` returns, after the checks that the op itself would make.
template <class Op, std::size_t N, class T, class Expand>
auto apply_expanded(const Op& op, TapeState<T>& state, std::span<const std::uint32_t> inputs,
                    const Expand& expand) {
  return attempt(state, [&] {
    state.infer(op_info<Op, T, Scalar<T>, N>, &op, inputs);
    return expand();
  });
}

template <class Lane, class Op, class T, class... Rest>
Variable<T> apply_with(const Op& op, const Variable<T>& x, const Rest&... rest) {
  constexpr std::size_t n = 1 + sizeof...(Rest);
  TapeState<T>& state = x.state(Op::name);
  const std::array<std::uint32_t, n> inputs{operand(Op::name, state, x),
                                            operand(Op::name, state, rest)...};
  if constexpr (declares_expand<Op>)
    if (state.primitive)
      return apply_expanded<Op, n>(op, state, inputs,
                                   [&]() -> Variable<T> { return op.expand(x, rest...); });
  const Variable<T> result(state, apply_to<Op, Lane, n>(op, state, inputs));
  if constexpr (declares_outputs<Op>)
    if (!state.recording) state.drop_unused(result.index());  // those that are for backward only
  return result;
}

/// Applies an op that takes any number of inputs, at least one.
template <class Op, class T>
Variable<T> apply_variadic(const Op& op, std::span<const Variable<T>> x) {
  TapeState<T>& state = x[0].state(Op::name);
  return {state, apply_to<Op, Scalar<T>, variadic>(op, state, operands<Op>(state, x))};
}

/// Applies an op of several outputs.
template <class Op, class T>
std::vector<Variable<T>> apply_outputs(const Op& op, const Variable<T>& x) {
  TapeState<T>& state = x.state(Op::name);
  const std::array<std::uint32_t, 1> inputs{operand(Op::name, state, x)};
  const std::uint32_t first = apply_to<Op, Scalar<T>, 1>(op, state, inputs);
  std::vector<Variable<T>> outputs;
  for (std::uint32_t j = 0; j < op.outputs(); ++j) outputs.emplace_back(state, first + j);
  return outputs;
}

}  // namespace detail

/// Applies an op of your own to variables of one tape and returns its result. Throws what the op's
/// shape check throws, StaleVariable when a handle is not valid or the tapes differ.
template <class Op, class T, class... Rest>
Variable<T> apply(const Op& op, const Variable<T>& x, const Rest&... rest) {
  return detail::apply_with<Scalar<T>>(op, x, rest...);
}

/// Applies a fused op to any number of variables, at least one, and returns its first `n` outputs.
/// On a tape in primitive mode its expansion is recorded instead. Throws as `apply` does.
template <std::size_t n, class Op, class T>
std::array<Variable<T>, n> apply_fused(const Op& op, std::span<const Variable<T>> x) {
  detail::TapeState<T>& state = x[0].state(Op::name);
  const std::span<const std::uint32_t> inputs = detail::operands<Op>(state, x);
  std::array<Variable<T>, n> outputs;
  if (state.primitive) {
    const auto expanded = detail::apply_expanded<Op, detail::variadic>(
        op, state, inputs, [&] { return op.expand(x); });
    for (std::size_t j = 0; j < n; ++j) outputs[j] = expanded[j];
    return outputs;
  }
  const std::uint32_t first = detail::apply_to<Op, Scalar<T>, detail::variadic>(op, state, inputs);
  for (std::uint32_t j = 0; j < n; ++j) outputs[j] = Variable<T>(state, first + j);
  if (!state.recording) state.drop_unused(first);  // the outputs that are for backward only
  return outputs;
}

}  // namespace tapestry
