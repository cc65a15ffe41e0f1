// SPDX-License-Identifier: MIT
// What the fused recurrent ops have in common: one op is one layer, in one direction, over all time
// steps. Inputs are x (T, B, I), W_ih (G·H, I), W_hh (G·H, H), b_ih and b_hh (G·H) if there are
// biases, and the initial state, (B, H) each, if it is not zeros. Outputs are h at each step
// (T, B, H) and the last state, (B, H) each.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fused/cell_kernels.hpp"
#include "fused/one_hot.hpp"
#include "recurrence.hpp"
#include "tapestry/autodiff/op.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/kernels/gemm.hpp"
#include "tapestry/kernels/team.hpp"

namespace tapestry::layers {

/// The weights of a layer in one direction as variables. Biases are both there or both empty.
template <class T>
struct SequenceWeights {
  Variable<T> w_ih;  ///< (G·H, I)
  Variable<T> w_hh;  ///< (G·H, H)
  Variable<T> b_ih;  ///< (G·H)
  Variable<T> b_hh;  ///< (G·H)
};

/// The order in which time steps are computed, by number.
class TimeOrder {
 public:
  TimeOrder(std::size_t steps, bool reverse) : steps_(steps), reverse_(reverse) {}
  [[nodiscard]] std::size_t operator()(std::size_t n) const {
    return reverse_ ? steps_ - 1 - n : n;
  }

 private:
  std::size_t steps_;
  bool reverse_;
};

/// Neighbouring gates that are multiplied as one: in the rows of the weights, and in the columns of
/// what the kernels compute. In units of H.
struct GateBlock {
  std::size_t weight_row;
  std::size_t column;
  std::size_t count;
};

/// Which inputs there are, and the extents. `Op` declares `name`, `gates` (G), `states`, `width`
/// (columns of the array of gates), `x_blocks` and `h_block` (gates that x and h have a part in).
template <class Op>
struct SequenceOp {
  bool bias;
  bool initial;
  bool reverse;

  static constexpr bool over_steps = true;
  static constexpr std::size_t x = 0;
  static constexpr std::size_t w_ih = 1;
  static constexpr std::size_t w_hh = 2;
  static constexpr std::size_t b_ih = 3;
  static constexpr std::size_t b_hh = 4;
  [[nodiscard]] std::size_t first_state() const { return bias ? 5 : 3; }
  [[nodiscard]] std::size_t inputs() const { return first_state() + (initial ? Op::states : 0); }

  struct Extents {
    std::size_t steps;   // T
    std::size_t batch;   // B
    std::size_t inputs;  // I
    std::size_t units;   // H
    [[nodiscard]] std::size_t rows() const { return steps * batch; }
    [[nodiscard]] std::size_t state() const { return batch * units; }
    [[nodiscard]] std::size_t width() const { return Op::width * units; }
  };
  static Extents extents(const Shape& x, const Shape& w_hh) { return {x[0], x[1], x[2], w_hh[1]}; }

  [[nodiscard]] static std::size_t outputs() { return 1 + Op::states; }

  /// Throws ShapeError when the shapes do not fit together.
  [[nodiscard]] Shape infer(std::size_t output, std::span<const Shape* const> in) const {
    if (in[x]->rank() != 3 || in[w_hh]->rank() != 2)
      throw ShapeError(Op::name, "x " + in[x]->str() + " must have shape (T, B, I), and w_hh " +
                                     in[w_hh]->str() + " (G·H, H)");
    const Extents n = extents(*in[x], *in[w_hh]);
    const std::size_t rows = Op::gates * n.units;
    expect("w_ih", *in[w_ih], {rows, n.inputs});
    expect("w_hh", *in[w_hh], {rows, n.units});
    for (std::size_t i = b_ih; i < first_state(); ++i)
      expect(i == b_ih ? "b_ih" : "b_hh", *in[i], {rows});
    for (std::size_t i = first_state(); i < inputs(); ++i)
      expect(i == first_state() ? "initial h" : "initial c", *in[i], {n.batch, n.units});
    return output == 0 ? Shape{n.steps, n.batch, n.units} : Shape{n.batch, n.units};
  }

  [[nodiscard]] std::string attributes() const { return reverse ? "reverse" : ""; }

 private:
  static void expect(const char* what, const Shape& shape, const Shape& expected) {
    if (!(shape == expected))
      throw ShapeError(
          Op::name, std::string(what) + " " + shape.str() + " must have shape " + expected.str());
  }
};

/// The sums of the two biases of each gate, zeros if there are none.
template <class Op, class T>
void sum_biases(const Op& op, std::span<const In<T>> in, std::span<T> sums) {
  for (std::size_t i = 0; i < sums.size(); ++i)
    sums[i] = op.bias ? in[Op::b_ih].data[i] + in[Op::b_hh].data[i] : T{0};
}

/// W_ih transposed, (I, width), in the order of the array of gates.
template <class Op, class T>
detail::Rows<T> input_table(const typename Op::Extents& n, const T* w_ih, T* table) {
  for (const GateBlock& block : Op::x_blocks)
    detail::transpose<T>(block.count * n.units, n.inputs,
                         {w_ih + block.weight_row * n.units * n.inputs, n.inputs},
                         {table + block.column * n.units, n.width()});
  return {table, n.width()};
}

/// The part of all gates (T·B, width) that comes from x. Columns it has no part in are left alone.
template <class Op, class T>
void project_inputs(const typename Op::Extents& n, const T* x, const T* w_ih, T* gates,
                    Memory<T>& memory) {
  const auto positions = one_hot_positions(n.rows(), n.inputs, x, memory);
  const bool few = n.rows() < n.inputs / 4;  // a table would cost more than it saves
  const detail::Rows<T> table =
      positions.empty() || few ? detail::Rows<T>{}
                               : input_table<Op>(n, w_ih, memory.temporary(n.inputs * n.width()));
  for (const GateBlock& block : Op::x_blocks) {
    const std::size_t column = block.column * n.units;
    const std::size_t width = block.count * n.units;
    const detail::Rows<const T> weights{w_ih + block.weight_row * n.units * n.inputs, n.inputs};
    const detail::Rows<T> to{gates + column, n.width()};
    if (positions.empty())
      detail::gemm<T>(false, true, n.rows(), width, n.inputs, {x, n.inputs}, weights, to, false);
    else if (few)
      look_up_columns<T>(positions, width, weights, to);
    else
      look_up<T>(positions, width, {table.data + column, n.width()}, to);
  }
}

/// The products of all steps with W_hh or, forward, its transpose; arranged once if there are many.
template <class Op, class T>
class StepProduct {
 public:
  StepProduct(const typename Op::Extents& n, bool forward, const T* w_hh, Memory<T>& memory)
      : forward_(forward),
        k_(forward ? n.units : Op::gates * n.units),
        n_(forward ? Op::gates * n.units : n.units),
        w_hh_{w_hh, n.units} {
    if (n.rows() > 8)
      packed_.emplace(forward, k_, n_, w_hh_,
                      memory.temporary(detail::PackedMatrix<T>::size(k_, n_)));
  }

  /// c = (or +=) a times the matrix.
  void operator()(std::size_t rows, detail::Rows<const T> a, detail::Rows<T> c,
                  bool accumulate) const {
    if (packed_) return packed_->multiply(rows, a, c, accumulate);
    detail::gemm<T>(false, forward_, rows, n_, k_, a, w_hh_, c, accumulate);
  }

 private:
  bool forward_;
  std::size_t k_;
  std::size_t n_;
  detail::Rows<const T> w_hh_;
  std::optional<detail::PackedMatrix<T>> packed_;
};

/// Neighbouring sequences of a batch, and where they are in arrays of it.
struct Sequences {
  std::size_t first;
  std::size_t count;
  std::size_t batch;  // B
  std::size_t units;  // H

  /// In an array (T, B, width).
  template <class T>
  [[nodiscard]] T* at_step(T* array, std::size_t t, std::size_t width) const {
    return array + (t * batch + first) * width;
  }
  /// In an array (B, H).
  template <class T>
  [[nodiscard]] T* of_state(T* state) const {
    return state + first * units;
  }
  /// Copies the states of these sequences into an array (B, H): zeros if `from` is null.
  template <class T>
  void copy_state(T* target, const T* from) const {
    T* to = of_state(target);
    if (!from)
      std::fill_n(to, count * units, T{0});
    else if (from != to)
      std::copy_n(from, count * units, to);
  }
};

/// Calls `body(sequences)` for parts of the batch, which do not depend on each other.
template <class Extents, class Body>
void for_sequences(const Extents& n, const Body& body) {
  const std::size_t parts = detail::parts_for(n.rows() * n.width() * n.units, n.batch);
  detail::parallel(parts, [&](std::size_t part) {
    const detail::Range range = detail::part_of(n.batch, parts, part);
    body(Sequences{range.first, range.size(), n.batch, n.units});
  });
}

/// The gradient by the initial state, zeros if `gradient` is null.
template <class T>
void add_state(const Out<T>& target, const T* gradient) {
  for (std::size_t i = 0; i < target.size(); ++i) {
    const T value = gradient ? gradient[i] : T{0};
    target.data[i] = target.accumulate ? target.data[i] + value : value;
  }
}

/// The gradients that are sums over all steps: by x, the weights and the biases. `d` holds those by
/// the gates' arguments, (T·B, width).
template <class Op, class T>
class SequenceGradients {
 public:
  SequenceGradients(const Op& op, KernelBackward<T>& call, const T* d)
      : op_(op),
        call_(call),
        n_(Op::extents(call.input(Op::x).shape(), call.input(Op::w_hh).shape())),
        d_(d) {}

  void compute() {
    if (call_.needs(Op::x)) by_x(call_.target(Op::x));
    if (call_.needs(Op::w_ih)) by_w_ih(call_.target(Op::w_ih));
    if (call_.needs(Op::w_hh)) by_w_hh(call_.target(Op::w_hh));
    if (op_.bias && (call_.needs(Op::b_ih) || call_.needs(Op::b_hh))) by_biases();
  }

 private:
  [[nodiscard]] detail::Rows<const T> part(const GateBlock& block,
                                           std::size_t first_row = 0) const {
    return {d_ + first_row * n_.width() + block.column * n_.units, n_.width()};
  }

  void by_x(const Out<T>& target) {
    bool accumulate = target.accumulate;
    for (const GateBlock& block : Op::x_blocks) {
      const T* w = call_.input(Op::w_ih).data + block.weight_row * n_.units * n_.inputs;
      detail::gemm<T>(false, false, n_.rows(), n_.inputs, block.count * n_.units, part(block),
                      {w, n_.inputs}, {target.data, n_.inputs}, accumulate);
      accumulate = true;
    }
  }

  void by_w_ih(const Out<T>& target) {
    const T* x = call_.input(Op::x).data;
    if (!target.accumulate) {
      const auto positions = one_hot_positions(n_.rows(), n_.inputs, x, call_.memory());
      if (!positions.empty()) return by_table(positions, target.data);
    }
    for (const GateBlock& block : Op::x_blocks)
      detail::gemm<T>(
          true, false, block.count * n_.units, n_.inputs, n_.rows(), part(block), {x, n_.inputs},
          {target.data + block.weight_row * n_.units * n_.inputs, n_.inputs}, target.accumulate);
  }

  /// The same for one-hot inputs.
  void by_table(std::span<const std::uint32_t> positions, T* target) {
    T* table = call_.memory().temporary(n_.inputs * n_.width());
    std::fill_n(table, n_.inputs * n_.width(), T{0});
    for (const GateBlock& block : Op::x_blocks) {
      const detail::Rows<T> sums{table + block.column * n_.units, n_.width()};
      add_up<T>(positions, block.count * n_.units, part(block), sums);
      detail::transpose<T>(n_.inputs, block.count * n_.units, {sums.data, sums.stride},
                           {target + block.weight_row * n_.units * n_.inputs, n_.inputs});
    }
  }

  /// Each step with h of the step before: all of them as one product, but for the first.
  void by_w_hh(const Out<T>& target) {
    const std::size_t later = n_.steps > 0 ? n_.rows() - n_.batch : 0;
    const std::size_t h_first = op_.reverse ? n_.batch : 0;
    const std::size_t d_first = op_.reverse ? 0 : n_.batch;
    detail::gemm<T>(true, false, Op::gates * n_.units, n_.units, later, part(Op::h_block, d_first),
                    {call_.output(0).data + h_first * n_.units, n_.units}, {target.data, n_.units},
                    target.accumulate);
    if (!op_.initial || n_.steps == 0) return;
    detail::gemm<T>(true, false, Op::gates * n_.units, n_.units, n_.batch,
                    part(Op::h_block, op_.reverse ? later : 0),
                    {call_.input(op_.first_state()).data, n_.units}, {target.data, n_.units}, true);
  }

  void by_biases() {
    T* sums = call_.memory().temporary(n_.width());
    sum_columns<T>({n_.rows(), n_.width(), d_, n_.width(), sums, false});
    if (call_.needs(Op::b_ih)) {
      const Out<T> target = call_.target(Op::b_ih);
      for (const GateBlock& block : Op::x_blocks) add(target, sums, block);
    }
    if (call_.needs(Op::b_hh)) add(call_.target(Op::b_hh), sums, Op::h_block);
  }

  void add(const Out<T>& target, const T* sums, const GateBlock& block) const {
    T* to = target.data + block.weight_row * n_.units;
    const T* from = sums + block.column * n_.units;
    for (std::size_t i = 0; i < block.count * n_.units; ++i)
      to[i] = target.accumulate ? to[i] + from[i] : from[i];
  }

  const Op& op_;
  KernelBackward<T>& call_;
  typename Op::Extents n_;
  const T* d_;
};

/// Collects the inputs of an op and applies it.
template <std::size_t outputs, class Op, class T>
std::array<Variable<T>, outputs> apply_sequence(const Variable<T>& x, const SequenceWeights<T>& w,
                                                std::span<const Variable<T>> initial, Op op) {
  op.bias = w.b_ih.valid();
  op.initial = !initial.empty() && initial[0].valid();
  std::array<Variable<T>, 7> inputs{x, w.w_ih, w.w_hh};
  std::size_t count = 3;
  if (op.bias) {
    inputs[count++] = w.b_ih;
    inputs[count++] = w.b_hh;
  }
  for (std::size_t k = 0; op.initial && k < initial.size(); ++k) inputs[count++] = initial[k];
  return apply_fused<outputs>(op, std::span<const Variable<T>>(inputs.data(), count));
}

// The definitions in primitive ops ---------------------------------------------------------------

/// The weights among the inputs of an op, for the equations; without options.
template <class Op, class T>
class InputWeights {
 public:
  InputWeights(const Op& op, std::span<const Variable<T>> in) : op_(op), in_(in) {}

  [[nodiscard]] Variable<T> input(const Variable<T>& x) const {
    return affine(x, Op::w_ih, Op::b_ih);
  }
  [[nodiscard]] Variable<T> hidden(const Variable<T>& h) const {
    return affine(h, Op::w_hh, Op::b_hh);
  }
  [[nodiscard]] Variable<T> peep(const Variable<T>& a, const Variable<T>&, std::size_t) const {
    return a;
  }
  [[nodiscard]] Variable<T> normed_cell(const Variable<T>& c) const { return c; }
  [[nodiscard]] Variable<T> projected(const Variable<T>& h) const { return h; }

 private:
  [[nodiscard]] Variable<T> affine(const Variable<T>& v, std::size_t weight,
                                   std::size_t bias) const {
    const Variable<T> product = matmul(v, in_[weight], {.transpose_b = true});
    return op_.bias ? product + in_[bias] : product;
  }

  const Op& op_;
  std::span<const Variable<T>> in_;
};

/// Runs `step(weights, x, state)`, an equation, over the steps. Returns the outputs of the op.
template <class Op, class T, class Step>
std::vector<Variable<T>> expand_sequence(const Op& op, std::span<const Variable<T>> in,
                                         const Step& step) {
  constexpr std::size_t n = Op::states;
  const auto e = Op::extents(in[Op::x].shape(), in[Op::w_hh].shape());
  detail::TapeState<T>& tape = in[0].state(Op::name);
  StateParts<T, n> state;
  for (std::size_t k = 0; k < n; ++k)
    state[k] = op.initial ? in[op.first_state() + k]
                          : filled(tape, {e.batch, e.units}, T{0}, k == 0 ? "h0" : "c0");
  const InputWeights<Op, T> weights(op, in);
  const TimeOrder time(e.steps, op.reverse);
  std::vector<Variable<T>> h(e.steps);
  for (std::size_t s = 0; s < e.steps; ++s) {
    const std::size_t t = time(s);
    const Scope<T> scope(tape, "step", ScopeKind::step, static_cast<std::int64_t>(t));
    state = step(weights, select(in[Op::x], 0, static_cast<int>(t)), state);
    h[t] = state[0];
  }
  std::vector<Variable<T>> results;
  results.push_back(e.steps > 0 ? stack(h) : filled(tape, {0, e.batch, e.units}, T{0}, "output"));
  results.insert(results.end(), state.begin(), state.end());
  return results;
}

}  // namespace tapestry::layers
