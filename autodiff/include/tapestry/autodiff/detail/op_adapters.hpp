// SPDX-License-Identifier: MIT
// How the engine's table of functions, OpInfo, is made from an op's struct: by one of three
// adapters. What the struct declares chooses: with `expand` it is fused, with `infer` alone it
// works on arrays, with neither it is elementwise.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "tapestry/autodiff/detail/elementwise.hpp"
#include "tapestry/autodiff/detail/op_info.hpp"
#include "tapestry/autodiff/detail/op_rules.hpp"
#include "tapestry/autodiff/shape.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

/// The number of inputs of an op that takes them as a span.
inline constexpr std::size_t variadic = ~std::size_t{0};

// Whether an op has a member of a name, be it a template: beside another one it is ambiguous.
struct NamesExpand {
  int expand;
};
struct NamesInfer {
  int infer;
};
template <class Op, class Names>
struct Beside : Op, Names {};

template <class Op>
inline constexpr bool declares_expand = !requires {
  &Beside<Op, NamesExpand>::expand;
};
template <class Op>
inline constexpr bool declares_infer = !requires {
  &Beside<Op, NamesInfer>::infer;
};
template <class Op>
inline constexpr bool declares_outputs = requires(const Op op) {
  op.outputs();
};

/// `f` called with the `N` elements of `x`, or with `x` itself for an op that takes spans.
template <std::size_t N, class F, class Element>
decltype(auto) call_on(const F& f, std::span<Element> x) {
  if constexpr (N == variadic)
    return f(x);
  else
    return with_indices<N>([&](auto... k) -> decltype(auto) { return f(x[k]...); });
}

inline const Shape& shapes_of(const Shape* x) { return *x; }
inline std::span<const Shape* const> shapes_of(std::span<const Shape* const> x) { return x; }

/// What a rule on variables gets for the output (0) or input j - 1: a variable, or just its shape.
template <class Op, std::size_t j, class T>
RuleArgument<Op, j, Variable<T>> rule_argument(RuleBackward<T>& call) {
  if constexpr (j == 0 && rule_reads<Op>(j))
    return call.output(0);
  else if constexpr (j == 0)
    return {call.output_shape(0)};
  else if constexpr (rule_reads<Op>(j))
    return call.input(j - 1);
  else
    return {call.input_shape(j - 1)};
}

/// The gradient with respect to input `i` of `N`, in variables. A rule of an op that has several
/// outputs asks `call` for what it needs.
template <std::size_t i, std::size_t N, class Op, class T>
auto rule_on_variables(const Op& op, RuleBackward<T>& call) {
  if constexpr (declares_outputs<Op>)
    return call_with<i, N == 1>(op, call);
  else
    return with_indices<N + 1>(
        [&](auto... j) { return call_rule<i>(op, call.grad(0), rule_argument<Op, j>(call)...); });
}

/// `f(i)` for those inputs of the set that `call` needs a gradient for.
template <std::uint64_t set, std::size_t N, class Call, class F>
void for_needed(const Call& call, const F& f) {
  const auto visit = [&](auto i) {
    if constexpr ((set >> i & 1) != 0)
      if (call.needs(i)) f(i);
  };
  with_indices<N>([&](auto... i) { (visit(i), ...); });
}

/// What all adapters share: where the op itself is kept, and what it says about itself.
template <class Op, class T>
struct OpAdapter {
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

  static OpAttributes attributes(const void* op) {
    if constexpr (requires { OpAttributes(self(op).attributes()); })
      return self(op).attributes();
    else
      return {{"", self(op).attributes()}};  // a text
  }
  static bool alias(const void* op, const Shape& input, std::size_t& offset) {
    return self(op).alias(input, offset);
  }
  static void copy(const void* op, void* storage) { new (storage) Op(self(op)); }
  static void destroy(void* op) noexcept { static_cast<Op*>(op)->~Op(); }

  static constexpr OpInfo<T> info() {
    OpInfo<T> info;
    info.name = Op::name;
    info.saved_inputs = saves_of<Op>().inputs;
    info.saves_output = saves_of<Op>().output;
    info.differentiable_inputs = ~no_gradient_of<Op>();
    if constexpr (requires(const Op op) { op.attributes(); }) info.attributes = &attributes;
    if constexpr (requires(const Op op, std::size_t n) { op.alias(Shape{}, n); })
      info.alias = &alias;
    if constexpr (!stateless) {
      info.size = sizeof(Op);
      info.copy = &copy;
      if constexpr (!std::is_trivially_destructible_v<Op>) info.destroy = &destroy;
    }
    return info;
  }
};

/// Formulas for one number: on arrays they run in loops over `Lane`, on variables they record.
template <class Op, class T, class Lane, std::size_t N>
struct ElementwiseOp : OpAdapter<Op, T> {
  using OpAdapter<Op, T>::self;
  static_assert(with_indices<N>([](auto... k) {
                  return requires(const Op op, const std::array<Lane, N> x) {
                    Lane(op.forward(x[k]...));
                  };
                }),
                "this elementwise op needs `auto forward(const auto& x...) const`, with one number "
                "for each input, that returns a number; one on whole arrays declares `infer`");

  static constexpr std::uint64_t with_rule = with_indices<N>(
      [](auto... i) { return (GradientRule<Op, i, ResultOfRule<Op, i, N, Lane>>::bit | ...); });

  static void infer(const void*, std::span<const Shape* const> x, Shape* y) {
    *y = *x[0];
    for (const Shape* shape : x.subspan(1))
      if (!(*shape == *y)) *y = broadcast_shapes(Op::name, *y, *shape);
  }

  static void forward(const void* op, std::span<const In<T>> x, std::span<const Out<T>> y) {
    if constexpr (requires { self(op).forward_array(y[0], x[0]); })
      self(op).forward_array(y[0], x[0]);
    else
      elementwise_forward<Lane, N>(self(op), y[0], x);
  }

  static void kernel(const void* op, KernelBackward<T>& call) {
    const auto operands = with_indices<N>([&](auto... k) {
      return std::array<In<T>, N + 2>{call.grad(0), call.output(0), call.input(k)...};
    });
    for_needed<with_rule, N>(
        call, [&](auto i) { elementwise_gradient<Lane, i>(self(op), call.target(i), operands); });
  }

  static void rule(const void* op, RuleBackward<T>& call) {
    for_needed<with_rule, N>(call,
                             [&](auto i) { call.add(i, rule_on_variables<i, N>(self(op), call)); });
  }

  static constexpr OpInfo<T> info() {
    OpInfo<T> info = OpAdapter<Op, T>::info();
    info.differentiable_inputs = with_rule;
    info.infer = &infer;
    info.forward = &forward;
    info.kernel = &kernel;
    info.rule = &rule;
    return info;
  }
};

/// The value of an op on whole arrays.
template <class Op, class T, std::size_t N>
struct ArrayValue : OpAdapter<Op, T> {
  using OpAdapter<Op, T>::self;
  using Outputs = std::conditional_t<declares_outputs<Op>, std::span<const Out<T>>, Out<T>>;

  /// Whether `forward` takes the outputs, the inputs and `More`.
  template <class... More>
  static constexpr bool forward_takes() {
    if constexpr (N == variadic)
      return requires(const Op op, const Outputs y, const std::span<const In<T>> x, More&... more) {
        op.forward(y, x, more...);
      };
    else
      return with_indices<N>([](auto... k) {
        return requires(const Op op, const Outputs y, const std::array<In<T>, N> x, More&... more) {
          op.forward(y, x[k]..., more...);
        };
      });
  }
  static constexpr bool wants_memory = forward_takes<Memory<T>>();
  static_assert(forward_takes<>() || wants_memory,
                "this op declares `infer` and so needs `void forward(Out<T> y, In<T> x...) const`; "
                "its outputs, if it declares `outputs`, and inputs, if their number varies, are "
                "spans");

  static std::size_t output_count(const void* op) { return self(op).outputs(); }

  static void infer(const void* op, std::span<const Shape* const> inputs, Shape* y) {
    call_on<N>(
        [&](const auto&... x) {
          if constexpr (declares_outputs<Op>)
            for (std::size_t j = 0; j < self(op).outputs(); ++j)
              y[j] = self(op).infer(j, shapes_of(x)...);
          else
            *y = self(op).infer(shapes_of(x)...);
        },
        inputs);
  }

  template <class... More>
  static void forward(const void* op, std::span<const In<T>> inputs, std::span<const Out<T>> y,
                      More&... more) {
    call_on<N>(
        [&](const auto&... x) {
          if constexpr (declares_outputs<Op>)
            self(op).forward(y, x..., more...);
          else
            self(op).forward(y[0], x..., more...);
        },
        inputs);
  }

  static constexpr OpInfo<T> info() {
    OpInfo<T> info = OpAdapter<Op, T>::info();
    info.infer = &infer;
    if constexpr (declares_outputs<Op>) info.output_count = &output_count;
    if constexpr (wants_memory)
      info.forward_in = &forward<Memory<T>>;
    else
      info.forward = &forward<>;
    return info;
  }
};

/// A value on whole arrays, and rules in variables.
template <class Op, class T, std::size_t N>
struct ArrayOp : ArrayValue<Op, T, N> {
  using OpAdapter<Op, T>::self;

  static constexpr std::uint64_t with_rule() {
    if constexpr (N == variadic) {
      static_assert(
          requires(const Op op, const Variable<T> g, RuleBackward<T>& call) {
            op.backward(std::size_t{0}, g, call);
          },
          "this op takes any number of inputs and so needs `Variable<T> backward(std::size_t "
          "input, const Variable<T>& g, RuleBackward<T>&) const`");
      return all_inputs;
    } else {
      return with_indices<N>([](auto... i) {
        using Call = RuleBackward<T>;
        return (GradientRule<Op, i,
                             decltype(rule_on_variables<i, N>(std::declval<const Op&>(),
                                                              std::declval<Call&>()))>::bit |
                ...);
      });
    }
  }

  static void rule(const void* op, RuleBackward<T>& call) {
    if constexpr (N == variadic) {
      for (std::size_t i = 0; i < call.input_count(); ++i)
        if (call.needs(i)) call.add(i, self(op).backward(i, call.grad(0), call));
    } else {
      for_needed<with_rule(), N>(
          call, [&](auto i) { call.add(i, rule_on_variables<i, N>(self(op), call)); });
    }
  }

  static constexpr OpInfo<T> info() {
    OpInfo<T> info = ArrayValue<Op, T, N>::info();
    info.differentiable_inputs = with_rule();
    info.rule = &rule;
    if constexpr (requires { Op::accumulates; }) info.accumulates = Op::accumulates;
    return info;
  }
};

/// A value and a kernel on whole arrays, and a definition in other ops.
template <class Op, class T, std::size_t N>
struct FusedOp : ArrayValue<Op, T, N> {
  using OpAdapter<Op, T>::self;
  static_assert(
      requires(const Op op, KernelBackward<T>& call) { op.backward(call); },
      "this op declares `expand`, its definition in other ops, and so needs a kernel, "
      "`void backward(KernelBackward<T>&) const`");

  static void kernel(const void* op, KernelBackward<T>& call) { self(op).backward(call); }

  static std::size_t keeps(const void* op, std::span<const Shape* const> x) {
    return self(op).keeps(x);
  }

  static std::vector<Variable<T>> expand(const void* op, std::span<const Variable<T>> inputs) {
    return call_on<N>(
        [&](const auto&... x) -> std::vector<Variable<T>> { return {self(op).expand(x...)}; },
        inputs);
  }

  static constexpr OpInfo<T> info() {
    OpInfo<T> info = ArrayValue<Op, T, N>::info();
    info.kernel = &kernel;
    info.expand = &expand;
    if constexpr (requires { Op::over_steps; }) info.over_steps = Op::over_steps;
    if constexpr (requires(const Op op, std::span<const Shape* const> x) { op.keeps(x); })
      info.keeps = &keeps;
    return info;
  }
};

template <class Op, class T, class Lane, std::size_t N>
constexpr OpInfo<T> info_of() {
  if constexpr (declares_expand<Op>)
    return FusedOp<Op, T, N>::info();
  else if constexpr (declares_infer<Op>)
    return ArrayOp<Op, T, N>::info();
  else
    return ElementwiseOp<Op, T, Lane, N>::info();
}

/// The functions of an op for numbers of type T and `N` inputs; elementwise loops are over `Lane`.
template <class Op, class T, class Lane, std::size_t N>
inline constexpr OpInfo<T> op_info = info_of<Op, T, Lane, N>();

}  // namespace tapestry::detail
