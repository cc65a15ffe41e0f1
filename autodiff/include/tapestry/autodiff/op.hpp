// SPDX-License-Identifier: MIT
// For those who write ops. An op is a struct with a name, a value and one gradient rule for each
// input; `apply` runs it. Three kinds:
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
// General: adds `infer(shapes...)`, which checks shapes and returns that of the result, and a
// `forward(Out<T> y, In<T> x...)` over whole arrays. The rules are written in variables.
//
// Fused: adds `expand(variables...)`, its definition in other ops, and has a kernel
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
// An input without a gradient is declared too, `static constexpr auto no_gradient = inputs(0);` or
// `all_inputs`. An op that has neither a rule nor says so does not compile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapestry/autodiff/detail/elementwise.hpp"
#include "tapestry/autodiff/detail/op_info.hpp"
#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/scalar.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {

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

inline constexpr std::size_t variadic = ~std::size_t{0};

template <class Op>
constexpr Saves saves_of() {
  if constexpr (requires { Op::saves; })
    return Op::saves;
  else
    return save_all;
}

/// Bit 0: rules read the output; bit i + 1: they read input i.
template <class Op>
struct SavedMask {
  static constexpr std::uint64_t mask =
      (saves_of<Op>().output ? 1u : 0u) | (saves_of<Op>().inputs << 1);
};

/// Whether rules read output (0) or input j - 1.
template <class Op>
constexpr bool rule_reads(std::size_t j) {
  return (SavedMask<Op>::mask >> j & 1) != 0;
}

template <class Op>
concept General = requires {
  &Op::infer;
};

/// Its `backward` takes a KernelBackward, and not just anything.
template <class Op, class T>
concept Fused = General<Op> && !requires(const Op op, const Variable<T> g) {
  op.backward(g);
}
&&requires(const Op op, KernelBackward<T>& call) { op.backward(call); };

/// What a rule gets for input or output `j` of SavedMask: a variable, or just its shape.
template <class Op, std::size_t j, class T>
auto rule_argument(RuleBackward<T>& call) {
  if constexpr (rule_reads<Op>(j)) {
    if constexpr (j == 0)
      return call.output(0);
    else
      return call.input(j - 1);
  } else {
    if constexpr (j == 0)
      return NotSaved{call.output_shape(0)};
    else
      return NotSaved{call.input_shape(j - 1)};
  }
}

/// As what rules see output or input `j` of SavedMask, when they compute with `G`.
template <class Op, std::size_t j, class G>
using RuleArgument = std::conditional_t<rule_reads<Op>(j), G, NotSaved>;

/// Whether `op` has a gradient rule for its input `i`, asked with arguments of type `G`.
template <class Op, std::size_t i, class G, std::size_t... k>
constexpr bool has_rule(std::index_sequence<k...>) {
  return HasRule<Op, i, G, RuleArgument<Op, 0, G>, RuleArgument<Op, k + 1, G>...>;
}

/// Whether an op of several outputs has one: it takes the whole call.
template <class Op, std::size_t i, class T, bool one_input>
concept RuleOfOutputs = requires(const Op op, RuleBackward<T>& call) {
  op.backward(Wrt<i>{}, call);
}
|| (one_input && requires(const Op op, RuleBackward<T>& call) { op.backward(call); });

template <class Op>
constexpr std::uint64_t no_gradient_of() {
  if constexpr (requires { Op::no_gradient; })
    return Op::no_gradient;
  else
    return 0;
}

/// Every op says of each of its inputs either how its gradient is computed or that it has none.
template <class Op, std::size_t input, bool has_rule>
struct GradientRule {
  static constexpr bool has_none = (no_gradient_of<Op>() & (std::uint64_t{1} << input)) != 0;
  static_assert(has_rule || has_none,
                "this op has no gradient rule for this input: its `backward` is missing or takes "
                "other arguments than (g, y, x...) or g and what it saves, with Wrt<input>{} "
                "before them unless there is one input; if it has no gradient, declare `static "
                "constexpr auto no_gradient = inputs(...)`");
  static_assert(!has_rule || !has_none,
                "this op declares that this input has no gradient, but has a rule for it");
  static constexpr bool value = has_rule;
};

/// The functions of one op, for numbers of type T, loops over `Lane` and `N` inputs.
template <class Op, class T, class Lane, std::size_t N>
struct OpFunctions {
  static constexpr bool stateless = std::is_empty_v<Op> && std::is_default_constructible_v<Op>;

  /// The op that a node keeps; one without members is not stored.
  static const Op& self(const void* op) {
    if constexpr (stateless) {
      static const Op nothing{};
      return nothing;
    } else {
      return *static_cast<const Op*>(op);
    }
  }

  static std::size_t output_count(const void* op) {
    if constexpr (requires(const Op o) { o.outputs(); })
      return self(op).outputs();
    else
      return 1;
  }

  static void infer(const void* op, std::span<const Shape* const> inputs, Shape* outputs) {
    if constexpr (N == variadic && requires(const Op o) { o.outputs(); }) {
      for (std::size_t j = 0; j < self(op).outputs(); ++j) outputs[j] = self(op).infer(j, inputs);
    } else if constexpr (N == variadic) {
      *outputs = self(op).infer(inputs);
    } else if constexpr (General<Op>) {
      [&]<std::size_t... k>(std::index_sequence<k...>) {
        if constexpr (requires(const Op o) { o.outputs(); }) {
          for (std::size_t j = 0; j < self(op).outputs(); ++j)
            outputs[j] = self(op).infer(j, *inputs[k]...);
        } else {
          *outputs = self(op).infer(*inputs[k]...);
        }
      }
      (std::make_index_sequence<N>{});
    } else {
      *outputs = *inputs[0];
      for (std::size_t k = 1; k < inputs.size(); ++k)
        *outputs = broadcast_shapes(Op::name, *outputs, *inputs[k]);
    }
  }

  static void forward(const void* op, std::span<const In<T>> x, std::span<const Out<T>> y) {
    if constexpr (N == variadic && Fused<Op, T>) {
      self(op).forward(y, x);
    } else if constexpr (N == variadic) {
      self(op).forward(y[0], x);
    } else {
      [&]<std::size_t... k>(std::index_sequence<k...> indices) {
        if constexpr (requires { self(op).forward_array(y[0], x[k]...); })
          self(op).forward_array(y[0], x[k]...);
        else if constexpr (!General<Op>)
          elementwise_forward<Lane>(self(op), y[0], x, indices);
        else if constexpr (requires(const Op o) { o.outputs(); })
          self(op).forward(y, x[k]...);
        else
          self(op).forward(y[0], x[k]...);
      }
      (std::make_index_sequence<N>{});
    }
  }

  static constexpr bool wants_memory() {
    if constexpr (N == variadic && Fused<Op, T>)
      return requires(const Op o, std::span<const Out<T>> y, std::span<const In<T>> x,
                      Memory<T>& memory) {
        o.forward(y, x, memory);
      };
    else
      return false;
  }

  static void forward_in(const void* op, std::span<const In<T>> x, std::span<const Out<T>> y,
                         Memory<T>& memory) {
    self(op).forward(y, x, memory);
  }

  static std::size_t keeps(const void* op, std::span<const Shape* const> inputs) {
    return self(op).keeps(inputs);
  }

  static void kernel(const void* op, KernelBackward<T>& call) {
    if constexpr (Fused<Op, T>) {
      self(op).backward(call);
    } else if constexpr (N != variadic) {
      [&]<std::size_t... i>(std::index_sequence<i...> indices) {
        const std::array<In<T>, N> x{call.input(i)...};
        (elementwise_input<i>(self(op), call, x, indices), ...);
      }
      (std::make_index_sequence<N>{});
    }
  }

  template <std::size_t i, std::size_t... k>
  static void elementwise_input(const Op& op, KernelBackward<T>& call,
                                const std::array<In<T>, N>& x, std::index_sequence<k...> indices) {
    if constexpr (has_rule<Op, i, Lane>(std::index_sequence<k...>{})) {
      if (!call.needs(i)) return;
      const Out<T> target = call.target(i);
      elementwise_gradient<Lane, i, SavedMask<Op>>(op, target, call.grad(0), call.output(0), x,
                                                   indices);
    }
  }

  static void rule(const void* op, RuleBackward<T>& call) {
    if constexpr (N == variadic) {
      for (std::size_t i = 0; i < call.input_count(); ++i)
        if (call.needs(i)) call.add(i, self(op).backward(i, call.grad(0), call));
    } else if constexpr (requires(const Op o) { o.outputs(); }) {
      [&]<std::size_t... i>(std::index_sequence<i...>) {
        (rule_of_outputs<i>(self(op), call), ...);
      }
      (std::make_index_sequence<N>{});
    } else {
      [&]<std::size_t... i>(std::index_sequence<i...> indices) {
        (rule_for_input<i>(self(op), call, indices), ...);
      }
      (std::make_index_sequence<N>{});
    }
  }

  /// An op of several outputs asks `call` for what it needs.
  template <std::size_t i>
  static void rule_of_outputs(const Op& op, RuleBackward<T>& call) {
    if constexpr (requires { op.backward(Wrt<i>{}, call); }) {
      if (call.needs(i)) call.add(i, op.backward(Wrt<i>{}, call));
    } else if constexpr (RuleOfOutputs<Op, i, T, N == 1>) {
      if (call.needs(i)) call.add(i, op.backward(call));
    }
  }

  template <std::size_t i, std::size_t... k>
  static void rule_for_input(const Op& op, RuleBackward<T>& call, std::index_sequence<k...>) {
    if constexpr (has_rule<Op, i, Variable<T>>(std::index_sequence<k...>{})) {
      if (call.needs(i))
        call.add(i, call_rule<i>(op, call.grad(0), rule_argument<Op, 0>(call),
                                 rule_argument<Op, k + 1>(call)...));
    }
  }

  static std::vector<Variable<T>> expand(const void* op, std::span<const Variable<T>> x) {
    if constexpr (N == variadic) {
      return self(op).expand(x);
    } else {
      return [&]<std::size_t... k>(std::index_sequence<k...>) {
        return std::vector<Variable<T>>{self(op).expand(x[k]...)};
      }
      (std::make_index_sequence<N>{});
    }
  }

  static bool alias(const void* op, const Shape& input, std::size_t& offset) {
    return self(op).alias(input, offset);
  }

  static std::string attributes(const void* op) { return self(op).attributes(); }
  static void copy(const void* op, void* storage) { new (storage) Op(self(op)); }
  static void destroy(void* op) noexcept { static_cast<Op*>(op)->~Op(); }

  template <std::size_t i, bool has_rule>
  static constexpr std::uint64_t differentiable() {
    return std::uint64_t{GradientRule<Op, i, has_rule>::value} << i;
  }

  static constexpr std::uint64_t differentiable_inputs() {
    if constexpr (N == variadic || Fused<Op, T>) {
      return ~no_gradient_of<Op>();
    } else if constexpr (requires(const Op o) { o.outputs(); }) {
      return []<std::size_t... i>(std::index_sequence<i...>) {
        return (differentiable<i, RuleOfOutputs<Op, i, T, N == 1>>() | ...);
      }
      (std::make_index_sequence<N>{});
    } else {
      using G = std::conditional_t<General<Op>, Variable<T>, Lane>;
      return []<std::size_t... i>(std::index_sequence<i...> indices) {
        return (differentiable<i, has_rule<Op, i, G>(indices)>() | ...);
      }
      (std::make_index_sequence<N>{});
    }
  }

  static constexpr OpInfo<T> make() {
    OpInfo<T> info;
    info.name = Op::name;
    info.saved_inputs = saves_of<Op>().inputs;
    info.saves_output = saves_of<Op>().output;
    info.differentiable_inputs = differentiable_inputs();
    if constexpr (requires { Op::accumulates; }) info.accumulates = Op::accumulates;
    if constexpr (requires { Op::over_steps; }) info.over_steps = Op::over_steps;
    info.output_count = &output_count;
    info.infer = &infer;
    if constexpr (wants_memory())
      info.forward_in = &forward_in;
    else
      info.forward = &forward;
    if constexpr (requires(const Op o, std::span<const Shape* const> x) { o.keeps(x); })
      info.keeps = &keeps;
    if constexpr (Fused<Op, T> || !General<Op>) info.kernel = &kernel;
    if constexpr (!Fused<Op, T>) info.rule = &rule;
    if constexpr (Fused<Op, T>) info.expand = &expand;
    if constexpr (requires(const Op o, std::size_t n) { o.alias(Shape{}, n); }) info.alias = &alias;
    if constexpr (requires(const Op o) { o.attributes(); }) info.attributes = &attributes;
    if constexpr (!stateless) {
      info.size = sizeof(Op);
      info.copy = &copy;
      if constexpr (!std::is_trivially_destructible_v<Op>) info.destroy = &destroy;
    }
    return info;
  }
};

template <class Op, class T, class Lane, std::size_t N>
inline constexpr OpInfo<T> op_info = OpFunctions<Op, T, Lane, N>::make();

/// What the op says about itself in `Op::formula` and, if it is general, in `Op::shapes`.
template <class Op>
bool describe_op() {
  std::string_view formula;
  std::string_view shapes = General<Op> ? "" : "elementwise";
  if constexpr (requires { Op::formula; }) formula = Op::formula;
  if constexpr (requires { Op::shapes; }) shapes = Op::shapes;
  return register_op(Op::name, formula, shapes, Fused<Op, float>);
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

/// Checks the handles and applies the op; returns the index of the first output.
template <class Op, class Lane, class T, class... Rest>
std::uint32_t apply_fixed(const Op& op, TapeState<T>& state, const Variable<T>& x,
                          const Rest&... rest) {
  static_cast<void>(op_is_registered<Op>);
  const std::array<std::uint32_t, 1 + sizeof...(Rest)> inputs{operand(Op::name, state, x),
                                                              operand(Op::name, state, rest)...};
  return state.apply(op_info<Op, T, Lane, 1 + sizeof...(Rest)>, &op, inputs);
}

/// Records a fused op as its definition, after the checks that the op itself would make.
template <class Op, class Lane, class T, class... Rest>
Variable<T> apply_expanded(const Op& op, TapeState<T>& state, const Variable<T>& x,
                           const Rest&... rest) {
  const std::array<std::uint32_t, 1 + sizeof...(Rest)> inputs{operand(Op::name, state, x),
                                                              operand(Op::name, state, rest)...};
  return attempt(state, [&]() -> Variable<T> {
    state.infer(op_info<Op, T, Lane, 1 + sizeof...(Rest)>, &op, inputs);
    return op.expand(x, rest...);
  });
}

template <class Lane, class Op, class T, class... Rest>
Variable<T> apply_with(const Op& op, const Variable<T>& x, const Rest&... rest) {
  TapeState<T>& state = x.state(Op::name);
  if constexpr (Fused<Op, T>)
    if (state.primitive) return apply_expanded<Op, Lane>(op, state, x, rest...);
  const Variable<T> result(state, apply_fixed<Op, Lane>(op, state, x, rest...));
  if constexpr (requires { op.outputs(); })
    if (!state.recording) state.drop_unused(result.index());  // those that are for backward only
  return result;
}

/// The numbers of `x` on the tape, after checking that they can be operands.
template <class Op, class T>
std::span<const std::uint32_t> operands(TapeState<T>& state, std::span<const Variable<T>> x) {
  state.many_inputs.clear();
  for (const Variable<T>& v : x) state.many_inputs.push_back(operand(Op::name, state, v));
  return state.many_inputs;
}

/// Applies an op that takes any number of inputs, at least one.
template <class Op, class T>
Variable<T> apply_variadic(const Op& op, std::span<const Variable<T>> x) {
  static_cast<void>(op_is_registered<Op>);
  TapeState<T>& state = x[0].state(Op::name);
  return Variable<T>(state,
                     state.apply(op_info<Op, T, Scalar<T>, variadic>, &op, operands<Op>(state, x)));
}

/// Applies an op of several outputs.
template <class Op, class T>
std::vector<Variable<T>> apply_outputs(const Op& op, const Variable<T>& x) {
  TapeState<T>& state = x.state(Op::name);
  const std::uint32_t first = apply_fixed<Op, Scalar<T>>(op, state, x);
  std::vector<Variable<T>> outputs;
  outputs.reserve(op.outputs());
  for (std::size_t j = 0; j < op.outputs(); ++j)
    outputs.emplace_back(state, first + static_cast<std::uint32_t>(j));
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
  static_cast<void>(detail::op_is_registered<Op>);
  constexpr const detail::OpInfo<T>& info = detail::op_info<Op, T, Scalar<T>, detail::variadic>;
  detail::TapeState<T>& state = x[0].state(Op::name);
  const std::span<const std::uint32_t> inputs = detail::operands<Op>(state, x);
  std::array<Variable<T>, n> outputs;
  if (!state.primitive) {
    const std::uint32_t first = state.apply(info, &op, inputs);
    for (std::uint32_t j = 0; j < n; ++j) outputs[j] = Variable<T>(state, first + j);
    if (!state.recording) state.drop_unused(first);  // the outputs that are for backward only
    return outputs;
  }
  return detail::attempt(state, [&] {
    state.infer(info, &op, inputs);
    const std::vector<Variable<T>> expanded = op.expand(x);
    for (std::size_t j = 0; j < n; ++j) outputs[j] = expanded[j];
    return outputs;
  });
}

}  // namespace tapestry
