// SPDX-License-Identifier: MIT
// A random program as plain data, so that one description is run by the library and by oracles
// that know nothing of it. Values are numbered; leaves and instructions define them.
//
// To add an op: a line in `Op` and in `op_texts`, a case in number_ops.hpp or naive.hpp, in
// tapestry_run.hpp and in ../oracle_libtorch.cpp, and a way to draw it in generate.hpp. The tests
// fail until it is drawn.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace differential {

using Extents = std::vector<std::size_t>;
using Numbers = std::vector<double>;

enum class Op : std::uint8_t {
  negative,
  exp,
  log,
  sqrt,
  square,
  tanh,
  sigmoid,
  relu,
  softplus,
  abs,
  sign,
  sin,
  cos,
  expm1,
  erf,
  gelu,
  silu,
  detach,
  add_number,
  subtract_from,
  multiply_number,
  divide_by,
  divide_number,
  pow_number,
  greater_number,
  less_equal_number,
  where_number,
  where_number_first,
  add,
  subtract,
  multiply,
  divide,
  pow,
  maximum,
  minimum,
  greater,
  less,
  greater_equal,
  less_equal,
  equal,
  where,
  sum,
  mean,
  max,
  min,
  prod,
  var,
  logsumexp,
  softmax,
  cumsum,
  flip,
  log_softmax,
  cross_entropy,
  reshape,
  expand_dims,
  squeeze,
  transpose,
  broadcast_to,
  slice,
  select,
  concatenate,
  stack,
  split,
  take,
  matmul,
  count
};  // clang-format keeps this list as it is

/// How an op is written: %0 %1 %2 inputs, %* all of them, %n number, %a axes, %x the first axis,
/// %f %g flags, %s shape, %i integers.
inline constexpr std::array<std::string_view, static_cast<std::size_t>(Op::count)> op_texts{
    "-%0",
    "exp(%0)",
    "log(%0)",
    "sqrt(%0)",
    "square(%0)",
    "tanh(%0)",
    "sigmoid(%0)",
    "relu(%0)",
    "softplus(%0)",
    "abs(%0)",
    "sign(%0)",
    "sin(%0)",
    "cos(%0)",
    "expm1(%0)",
    "erf(%0)",
    "gelu(%0)",
    "silu(%0)",
    "%0.detach()",
    "%0 + %n",
    "%n - %0",
    "%0 * %n",
    "%0 / %n",
    "%n / %0",
    "pow(%0, %n)",
    "%0 > %n",
    "%0 <= %n",
    "where(%0, %1, %n)",
    "where(%0, %n, %1)",
    "%0 + %1",
    "%0 - %1",
    "%0 * %1",
    "%0 / %1",
    "pow(%0, %1)",
    "maximum(%0, %1)",
    "minimum(%0, %1)",
    "%0 > %1",
    "%0 < %1",
    "%0 >= %1",
    "%0 <= %1",
    "equal(%0, %1)",
    "where(%0, %1, %2)",
    "sum(%0, %a, %f)",
    "mean(%0, %a, %f)",
    "max(%0, %a, %f)",
    "min(%0, %a, %f)",
    "prod(%0, %a, %f)",
    "var(%0, %a, {.keepdims = %f})",
    "logsumexp(%0, %a, %f)",
    "softmax(%0, %x)",
    "cumsum(%0, %x)",
    "flip(%0, {%x})",
    "log_softmax(%0, %x)",
    "softmax_cross_entropy(%0, tokens(%s, {%i}), {.reduction = Reduction(%x), "
    ".label_smoothing = %n})",
    "reshape(%0, %s)",
    "expand_dims(%0, %x)",
    "squeeze(%0, %x)",
    "transpose(%0, %a)",
    "broadcast_to(%0, %s)",
    "slice(%0, %x, %i)",
    "select(%0, %x, %i)",
    "concatenate({%*}, %x)",
    "stack({%*}, %x)",
    "split(%0, %i, %x)",
    "take(%0, tokens(%s, {%i}), %x)",
    "matmul(%0, %1, {%f, %g})"};

struct Instruction {
  Op op;
  std::vector<std::size_t> inputs{};     // numbers of values
  std::vector<std::size_t> results{};    // numbers of values: one, or several for split
  std::vector<int> axes{};               // as the op gets them; none stands for all
  bool flag = false;                     // keepdims; transpose_a
  bool flag_b = false;                   // transpose_b
  double number = 0;                     // constants; label smoothing
  Extents shape{};                       // of reshape, of broadcast_to; of tokens
  std::vector<std::int64_t> integers{};  // slice: start, stop, step; select: index; tokens

  [[nodiscard]] int axis() const { return axes.at(0); }
};

enum class LeafKind : std::uint8_t { variable, parameter, constant };

struct Leaf {
  std::size_t value;  // its number
  LeafKind kind;
  Extents shape;
  Numbers data;
  Numbers direction;  // in which the gradient is differentiated again
  [[nodiscard]] bool has_gradient() const { return kind != LeafKind::constant; }
};

/// A result that counts, with the weights of its elements in the loss.
struct Root {
  std::size_t value;
  Numbers weights;
};

struct Program {
  std::uint64_t seed = 0;
  std::vector<Leaf> leaves{};
  std::vector<Instruction> instructions{};
  std::vector<Root> roots{};
  std::size_t value_count = 0;
};

/// What a run gives: by value, by leaf. Empty where nothing was looked at.
struct Outcome {
  std::vector<Extents> shapes;
  std::vector<Numbers> values;
  std::vector<bool> differentiable;
  std::vector<Numbers> gradients;  // of the weighted sum of the roots
  std::vector<Numbers> second;     // of the inner product of the gradients and the directions
};

inline std::size_t count_of(const Extents& shape) {
  std::size_t n = 1;
  for (const std::size_t extent : shape) n *= extent;
  return n;
}

inline std::string text_of(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.17g", number);
  return text.data();
}
inline std::string text_of(std::size_t number) { return std::to_string(number); }
inline std::string text_of(std::int64_t number) { return std::to_string(number); }
inline std::string text_of(int number) { return std::to_string(number); }

template <class Items>
std::string list_of(const Items& items, const std::string& prefix = {}) {
  std::string text;
  for (const auto item : items) text += (text.empty() ? "" : ", ") + prefix + text_of(item);
  return text;
}

inline std::string text_of(const Instruction& i) {
  std::string line = i.results.size() == 1 ? "const auto v" + text_of(i.results[0])
                                           : "const auto [" + list_of(i.results, "v") + "]";
  line += " = ";
  const std::string_view pattern = op_texts[static_cast<std::size_t>(i.op)];
  for (std::size_t k = 0; k < pattern.size(); ++k) {
    if (pattern[k] != '%') {
      line += pattern[k];
      continue;
    }
    switch (const char what = pattern[++k]) {
      case '*':
        line += list_of(i.inputs, "v");
        break;
      case 'n':
        line += text_of(i.number);
        break;
      case 'a':
        line += "{" + list_of(i.axes) + "}";
        break;
      case 'x':
        line += text_of(i.axis());
        break;
      case 'f':
        line += i.flag ? "true" : "false";
        break;
      case 'g':
        line += i.flag_b ? "true" : "false";
        break;
      case 's':
        line += "{" + list_of(i.shape) + "}";
        break;
      case 'i':
        line += list_of(i.integers);
        break;
      default:
        line += "v" + text_of(i.inputs.at(static_cast<std::size_t>(what - '0')));
    }
  }
  return line + ";\n";
}

/// The program as C++, given `variable(shape, data)` and its like.
inline std::string text_of(const Program& program) {
  constexpr std::array<const char*, 3> kinds{"variable", "parameter", "constant"};
  std::string text;
  for (const Leaf& leaf : program.leaves)
    text += "const auto v" + text_of(leaf.value) + " = " +
            kinds[static_cast<std::size_t>(leaf.kind)] + "({" + list_of(leaf.shape) + "}, {" +
            list_of(leaf.data) + "});" +
            (leaf.has_gradient() ? "  // direction: " + list_of(leaf.direction) : "") + "\n";
  for (const Instruction& instruction : program.instructions) text += text_of(instruction);
  for (const Root& root : program.roots)
    text += "root(v" + text_of(root.value) + ", {" + list_of(root.weights) + "});\n";
  return text;
}

}  // namespace differential
