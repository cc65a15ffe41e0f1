// SPDX-License-Identifier: MIT
// What running a step's program over whole sequences has in common forward and backward: where the
// values are. Rows are numbered as a Schedule does.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "fused/one_hot.hpp"
#include "row_blocks.hpp"
#include "schedule.hpp"
#include "step_program.hpp"
#include "tapestry/kernels/gemm.hpp"
#include "tapestry/kernels/team.hpp"

namespace tapestry::layers {

/// The products of all steps with rows of a weight or, forward, their transpose; arranged once if
/// there are many.
template <class T>
class PackedProduct {
 public:
  /// The weight's rows are `width` wide: the forward product takes such rows to `outputs` numbers.
  PackedProduct(bool forward, std::size_t width, std::size_t outputs, const T* weight,
                std::size_t rows, Memory<T>& memory)
      : forward_(forward),
        k_(forward ? width : outputs),
        n_(forward ? outputs : width),
        weight_{weight, width} {
    if (rows > 8)
      packed_.emplace(forward, k_, n_, weight_,
                      memory.temporary(detail::PackedMatrix<T>::size(k_, n_)));
  }

  /// c = (or +=) a times the matrix.
  void operator()(std::size_t rows, const T* a, std::size_t a_stride, T* c, bool accumulate) const {
    const detail::Rows<const T> from{a, a_stride};
    const detail::Rows<T> to{c, n_};
    if (packed_) return packed_->multiply(rows, from, to, accumulate);
    detail::gemm<T>(false, forward_, rows, n_, k_, from, weight_, to, accumulate);
  }

 private:
  bool forward_;
  std::size_t k_;
  std::size_t n_;
  detail::Rows<const T> weight_;
  std::optional<detail::PackedMatrix<T>> packed_;
};

/// A call's inputs in their order: x, masks, the initial states if there are any, parameters.
struct SequenceInputs {
  std::size_t masks;
  std::size_t states;  // 0 when the initial states are zeros

  static constexpr std::size_t x = 0;
  [[nodiscard]] std::size_t mask(std::size_t k) const { return 1 + k; }
  [[nodiscard]] std::size_t state(std::size_t k) const { return 1 + masks + k; }
  [[nodiscard]] std::size_t parameter(std::size_t k) const { return 1 + masks + states + k; }
};

template <class T>
class SequenceBase {
 public:
  /// Numbers that forward keeps for backward.
  static std::size_t kept(const StepProgram<T>& program, const Schedule& schedule) {
    std::size_t width = program.kept_width;
    if (schedule.full()) return schedule.rows() * (width - program.cell.state_size());
    for (std::size_t k = 0; k < program.states.size(); ++k) width += program.cell.state_size(k);
    return schedule.rows() * width;
  }

 protected:
  SequenceBase(const StepProgram<T>& program, const Schedule& schedule, bool initial,
               Memory<T>& of_tape)
      : p(program),
        s(schedule),
        rows(schedule.rows()),
        batch(schedule.batch()),
        inputs{program.masks(), initial ? program.states.size() : 0},
        memory(of_tape),
        parameters(room_for<In<T>>(program.parameters.size(), memory)),
        packed(room_for<std::optional<PackedProduct<T>>>(program.late_terms, memory)) {}

  /// `input(i)` is input i as an In; `kept` memory as counted above; `y` the output, read or
  /// written only if all sequences are full.
  void find(const auto& input, T* kept, T* y) {
    x = arranged_steps(input(SequenceInputs::x).data, p.input_size);
    for (std::size_t k = 0; k < p.masks(); ++k)
      masks[k] = arranged(input(inputs.mask(k)).data, mask_width(k));
    for (std::size_t k = 0; k < p.states.size(); ++k) {
      const std::size_t width = p.cell.state_size(k);
      if (inputs.states > 0) {
        initial[k] = arranged(input(inputs.state(k)).data, width);
      } else {
        T* zeros = memory.temporary(batch * width);
        std::fill_n(zeros, batch * width, T{0});
        initial[k] = zeros;
      }
    }
    for (std::size_t k = 0; k < p.parameters.size(); ++k)
      parameters[k] = input(inputs.parameter(k));
    all = kept;
    T* end = kept + rows * (p.kept_width - p.cell.state_size());
    output = s.full() ? y : end;
    if (!s.full()) end += rows * p.cell.state_size();
    for (std::size_t k = 0; k < p.states.size() && !s.full(); ++k) {
      before[k] = end;
      end += rows * p.cell.state_size(k);
    }
    once = memory.temporary(std::max<std::size_t>(1, p.once_width));
  }

  [[nodiscard]] std::size_t mask_width(std::size_t k) const {
    return k == 0 && p.input_mask ? p.input_size : p.cell.state_size();
  }

  /// Rows (B, width) in the order of the schedule.
  const T* arranged(const T* from, std::size_t width) const {
    if (s.full()) return from;
    T* to = memory.temporary(batch * width);
    for (std::size_t row = 0; row < batch; ++row)
      std::copy_n(from + s.sequence(row) * width, width, to + row * width);
    return to;
  }

  /// Rows (T, B, width) as those of the schedule.
  const T* arranged_steps(const T* from, std::size_t width) const {
    if (s.full() || !from) return from;
    T* to = memory.temporary(rows * width);
    s.for_each_row(width, [&](std::size_t row, std::size_t place) {
      std::copy_n(from + place, width, to + row);
    });
    return to;
  }

  /// Sets where the values are for the rows from `first` on: those whose place is the same in all
  /// steps, and those of the n-th step that is computed.
  void set_fixed_values(RowBlocks<T>& blocks, std::size_t first) const {
    for (std::size_t v = 0; v < p.values.size(); ++v) {
      const StepValue& value = p.values[v];
      RowsAt<T>& at = blocks.values[v];
      if (value.place == StepPlace::once) at = {once + value.offset, 0};
      if (value.place == StepPlace::block) at = {blocks.memory + value.offset * p.block_rows, 0};
      if (value.place == StepPlace::step) at = rows_from(step + value.offset * batch, first, value);
      if (value.source == StepSource::mask) at = rows_from(masks[value.number], first, value);
      if (value.source == StepSource::parameter)
        at = {const_cast<T*>(parameters[value.number].data), 0};
      if (value.source == StepSource::constant) at = {const_cast<T*>(p.constant(value)), 0};
    }
  }
  void set_values(RowBlocks<T>& blocks, std::size_t n, std::size_t first) const {
    const std::size_t row = s.start(s.time(n)) + first;
    for (const std::size_t v : p.moving) blocks.values[v] = rows_from(base_of(v), row, p.values[v]);
    for (std::size_t k = 0; k < p.states.size(); ++k)
      blocks.values[p.states[k]] = state_before(k, n, first);
    for (const std::size_t v : p.within) blocks.values[v] = part_of(blocks.values, p.values[v]);
  }
  /// Where the rows of all steps of a value begin.
  [[nodiscard]] const T* base_of(std::size_t v) const {
    const StepValue& value = p.values[v];
    if (value.place == StepPlace::passing) return passing + value.offset * rows;
    if (value.source == StepSource::x) return x;
    return v == p.next[0] ? output : all + value.offset * rows;
  }
  static RowsAt<T> rows_from(const T* base, std::size_t row, const StepValue& value) {
    return {const_cast<T*>(base) + row * value.width, value.width};
  }

  /// Where a part of a product is, by where the product is.
  static RowsAt<T> part_of(std::span<const RowsAt<T>> of, const StepValue& part) {
    const RowsAt<T>& whole = of[part.product];
    return {whole.data + part.column, whole.stride};
  }

  /// The state before the n-th step that is computed, from row `first` on.
  [[nodiscard]] RowsAt<T> state_before(std::size_t k, std::size_t n, std::size_t first) const {
    const std::size_t width = p.cell.state_size(k);
    if (!s.full()) return {before[k] + (s.start(s.time(n)) + first) * width, width};
    if (n == 0) return {const_cast<T*>(initial[k]) + first * width, width};
    return {state_after(k) + (s.start(s.time(n - 1)) + first) * width, width};
  }
  /// That after each step, all rows.
  [[nodiscard]] T* state_after(std::size_t k) const {
    return k == 0 ? output : all + p.values[p.next[k]].offset * rows;
  }

  /// Where the ones of x are, if its rows are one-hot vectors; else nothing. Found once for a call.
  std::span<const std::uint32_t> positions() {
    if (!looked_) positions_ = one_hot_positions(rows, p.input_size, x, memory);
    looked_ = true;
    return positions_;
  }

  void run_once() {
    if (p.once_width == 0) return;
    RowBlocks<T> blocks(p, once, memory);
    set_fixed_values(blocks, 0);
    blocks.forward(stage::once, 0, 1);
  }

  /// Calls `body(range, blocks)` for parts of the batch, which do not depend on each other. Each
  /// begins at a multiple of the rows of a block, whatever their number.
  void for_parts(std::size_t width, const auto& body) const {
    const std::size_t units = p.cell.hidden_size;
    const std::size_t work = rows * units * units * 4;
    const std::size_t parts = detail::parts_for(
        work, std::max<std::size_t>(1, (batch + p.block_rows - 1) / p.block_rows));
    const std::size_t each = std::max<std::size_t>(1, width * p.block_rows);
    T* block_memory = memory.temporary(parts * each);
    const std::span<std::optional<RowBlocks<T>>> workers =
        room_for<std::optional<RowBlocks<T>>>(parts, memory);
    for (std::size_t part = 0; part < parts; ++part)
      workers[part].emplace(p, block_memory + part * each, memory);
    detail::parallel(parts, [&](std::size_t part) {
      RowBlocks<T>& blocks = *workers[part];
      const detail::Range range = detail::part_of(batch, parts, part, p.block_rows);
      set_fixed_values(blocks, range.first);
      body(range, blocks);
    });
  }

  /// Calls `body(first, count)` for the blocks of `count` rows.
  void for_blocks(std::size_t count, const auto& body) const {
    for (std::size_t first = 0; first < count; first += p.block_rows)
      body(first, std::min(p.block_rows, count - first));
  }

  /// What an accelerator works on. Backward also has the gradients.
  [[nodiscard]] LstmStep<T> lstm_step(const RowBlocks<T>& at, std::size_t count) const {
    const auto gates = std::ranges::max_element(
        p.products, {}, [](const StepProduct& product) { return product.parts.size(); });
    return {count,
            p.cell.hidden_size,
            at.values[gates->out].data,
            at.values[p.states[1]].data,
            at.values[p.next[1]].data,
            at.values[p.accelerated_output].data,
            at.gradients[p.accelerated_output].data,
            at.gradients[p.next[1]].data,
            at.gradients[p.states[1]].data};
  }
  [[nodiscard]] GruStep<T> gru_step(const RowBlocks<T>& at, std::size_t count) const {
    GruStep<T> step{.rows = count, .units = p.cell.hidden_size};
    for (const StepProduct& product : p.products) {
      T*& part = product.parts.size() == 2 ? step.gates
                 : product.late.empty()    ? step.x_n
                                           : step.h_n;
      part = at.values[product.out].data;
    }
    step.h_before = at.values[p.states[0]].data;
    step.h = at.values[p.next[0]].data;
    step.d_h = at.gradients[p.next[0]].data;
    step.d_h_before = at.gradients[p.states[0]].data;
    return step;
  }

  /// How many rows of a part a step has.
  [[nodiscard]] std::size_t count_of(const detail::Range& part, std::size_t t) const {
    return std::min(part.last, std::max(part.first, s.count(t))) - part.first;
  }

  const StepProgram<T>& p;
  const Schedule& s;
  std::size_t rows;
  std::size_t batch;
  SequenceInputs inputs;
  mutable PiecesOfMemory<T> memory;
  std::span<In<T>> parameters;
  std::span<std::optional<PackedProduct<T>>> packed;  // of the late terms, product by product

  const T* x = nullptr;                         // (rows, I)
  std::array<const T*, 2> masks{};              // (B, *)
  std::array<const T*, most_states> initial{};  // (B, *)
  std::array<T*, most_states> before{};         // (rows, *), where sequences differ in length
  T* output = nullptr;                          // (rows, P)
  T* all = nullptr;
  T* once = nullptr;
  T* step = nullptr;
  T* passing = nullptr;

 private:
  std::span<const std::uint32_t> positions_;
  bool looked_ = false;
};

}  // namespace tapestry::layers
