// SPDX-License-Identifier: MIT
// Runs the ops of a step's program on blocks of rows, forward and backward.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "step_program.hpp"
#include "tapestry/autodiff/op.hpp"

namespace tapestry::layers {

/// Where rows of a value are: row r begins at data + r stride.
template <class T>
struct RowsAt {
  T* data = nullptr;
  std::size_t stride = 0;
};

/// Memory of the tape of which small pieces are cut from larger ones: asking the tape for each
/// would take longer than a step of a small layer.
template <class T>
class PiecesOfMemory final : public Memory<T> {
 public:
  explicit PiecesOfMemory(Memory<T>& memory) : memory_(memory) {}
  [[nodiscard]] T* kept() override { return memory_.kept(); }
  [[nodiscard]] T* temporary(std::size_t count) override {
    const std::size_t size = (count + unit - 1) / unit * unit;
    if (size > piece / 4) return memory_.temporary(count);
    if (size > left_) {
      next_ = memory_.temporary(piece);
      left_ = piece;
    }
    left_ -= size;
    return std::exchange(next_, next_ + size);
  }

 private:
  static constexpr std::size_t unit = 64 / sizeof(T);  // a cache line
  static constexpr std::size_t piece = 2048;

  Memory<T>& memory_;
  T* next_ = nullptr;
  std::size_t left_ = 0;
};

/// Memory of the tape for `count` objects that need no destructor.
template <class X, class T>
std::span<X> room_for(std::size_t count, Memory<T>& memory) {
  static_assert(std::is_trivially_destructible_v<X> && alignof(X) <= alignof(std::max_align_t));
  auto* place =
      reinterpret_cast<X*>(memory.temporary((count * sizeof(X) + sizeof(T) - 1) / sizeof(T)));
  std::uninitialized_value_construct_n(place, count);
  return {place, count};
}

/// The state of one thread's work.
template <class T>
class RowBlocks {
 public:
  std::span<RowsAt<T>> values;  // of the rows at work in this step
  std::span<RowsAt<T>> gradients;
  T* memory;  // of the blocks at work

  RowBlocks(const StepProgram<T>& program, T* block_memory, Memory<T>& of_tape)
      : values(room_for<RowsAt<T>>(program.values.size(), of_tape)),
        gradients(room_for<RowsAt<T>>(program.values.size(), of_tape)),
        memory(block_memory),
        program_(&program),
        shapes_(room_for<Shape>(program.values.size(), of_tape)),
        ins_(room_for<In<T>>(program.most_inputs, of_tape)) {
    for (std::size_t v = 0; v < shapes_.size(); ++v) shapes_[v] = program.values[v].shape;
  }

  void forward(std::size_t stage, std::size_t first, std::size_t rows) {
    set_rows(first, rows);
    for (const StepOp<T>& op : program_->ops) {
      if (op.stage != stage) continue;
      if (!op.runs.empty()) {
        move(op);
        continue;
      }
      if (op.kernel) {
        (*kernels_->forward[static_cast<std::size_t>(*op.kernel)])(call_of(op));
        continue;
      }
      for (std::size_t i = 0; i < op.in.size(); ++i) ins_[i] = value(op.in[i]);
      const Out<T> out{at(values, op.out[0]), &shapes_[op.out[0]]};
      op.info->forward(op.op, ins_.first(op.in.size()), {&out, 1});
    }
  }

  void backward(std::size_t stage, std::size_t first, std::size_t rows) {
    set_rows(first, rows);
    for (std::size_t k = program_->ops.size(); k-- > 0;) {
      const StepOp<T>& op = program_->ops[k];
      if (op.stage != stage || !op.runs_backward) continue;
      if (!op.runs.empty()) {
        move_back(op);
      } else if (op.kernel) {
        run_kernel_back(op);
      } else {
        Call call(*this, op);
        op.info->kernel(op.op, call);
      }
    }
  }

 private:
  /// What the kernel of an op sees in backward.
  class Call final : public KernelBackward<T>, private Memory<T> {
   public:
    Call(RowBlocks& blocks, const StepOp<T>& op) : blocks_(blocks), op_(op) {}
    [[nodiscard]] bool needs(std::size_t i) const override { return op_.reach[i] != Reach::none; }
    [[nodiscard]] In<T> grad(std::size_t j) const override {
      return {blocks_.at(blocks_.gradients, op_.out[j]), &blocks_.shapes_[op_.out[j]]};
    }
    [[nodiscard]] In<T> output(std::size_t j) const override { return blocks_.value(op_.out[j]); }
    [[nodiscard]] In<T> input(std::size_t i) const override { return blocks_.value(op_.in[i]); }
    [[nodiscard]] Out<T> target(std::size_t i) override {
      return {blocks_.at(blocks_.gradients, op_.in[i]), &blocks_.shapes_[op_.in[i]],
              op_.reach[i] == Reach::later};
    }
    [[nodiscard]] Memory<T>& memory() override { return *this; }

   private:
    [[nodiscard]] T* kept() override { return nullptr; }
    [[nodiscard]] T* temporary(std::size_t count) override {
      temporaries_.push_back(std::make_unique_for_overwrite<T[]>(count));
      return temporaries_.back().get();
    }

    RowBlocks& blocks_;
    const StepOp<T>& op_;
    std::vector<std::unique_ptr<T[]>> temporaries_;
  };

  /// What the kernel of an op gets.
  [[nodiscard]] StepForward<T> call_of(const StepOp<T>& op) const {
    const std::size_t first = op.swapped ? 1 : 0;
    return {rows_,
            program_->values[op.out[0]].width,
            rows(values, op.in[first]),
            op.in.size() == 2 ? rows(values, op.in[1 - first]) : StepRows<T>{},
            op.repeats,
            op.p,
            op.q,
            rows(values, op.out[0])};
  }

  void run_kernel_back(const StepOp<T>& op) const {
    const std::size_t a = op.swapped ? 1 : 0, b = 1 - a;
    const auto wanted = [&](std::size_t i) {
      const bool is = i < op.in.size() && op.reach[i] != Reach::none;
      return is ? rows(gradients, op.in[i]) : StepRows<T>{};
    };
    const auto adds = [&](std::size_t i) {
      return i < op.in.size() && op.reach[i] == Reach::later;
    };
    (*kernels_->backward[static_cast<std::size_t>(*op.kernel)])(
        {call_of(op), rows(gradients, op.out[0]), wanted(a), adds(a), wanted(b), adds(b)});
  }

  /// The rows of a value at work, or its gradient's. Those of a block stand without gaps.
  [[nodiscard]] StepRows<T> rows(std::span<const RowsAt<T>> of, std::size_t v) const {
    const bool in_block = of[v].stride == 0 && program_->values[v].has_rows;
    return {at(of, v), in_block ? program_->values[v].width : of[v].stride};
  }

  void set_rows(std::size_t first, std::size_t rows) {
    first_ = first;
    if (rows == rows_) return;
    rows_ = rows;
    for (std::size_t v = 0; v < shapes_.size(); ++v)
      if (program_->values[v].has_rows) shapes_[v][0] = rows;
  }

  [[nodiscard]] T* at(std::span<const RowsAt<T>> of, std::size_t v) const {
    return of[v].data + first_ * of[v].stride;
  }
  [[nodiscard]] In<T> value(std::size_t v) const { return {at(values, v), &shapes_[v]}; }

  [[nodiscard]] std::size_t rows_of(std::size_t v) const {
    return program_->values[v].has_rows ? rows_ : 1;
  }

  void move(const StepOp<T>& op) const {
    for (const ColumnRun& run : op.runs) {
      const std::size_t from_width = program_->values[op.in[run.from]].width;
      const std::size_t to_width = program_->values[op.out[run.to]].width;
      const T* from = at(values, op.in[run.from]) + run.from_column;
      T* to = at(values, op.out[run.to]) + run.to_column;
      for (std::size_t r = rows_of(op.out[run.to]); r-- > 0; from += from_width, to += to_width)
        std::copy_n(from, run.count, to);
    }
  }

  void move_back(const StepOp<T>& op) const {
    for (std::size_t i = 0; i < op.in.size(); ++i) {
      if (op.reach[i] == Reach::none) continue;
      const std::size_t width = program_->values[op.in[i]].width, rows = rows_of(op.in[i]);
      T* target = at(gradients, op.in[i]);
      const bool copies = op.reach[i] == Reach::first && op.whole[i];
      if (op.reach[i] == Reach::first && !copies) std::fill_n(target, rows * width, T{0});
      for (const ColumnRun& run : op.runs) {
        if (run.from != i || !op.reached[run.to]) continue;
        const std::size_t from_width = program_->values[op.out[run.to]].width;
        const T* from = at(gradients, op.out[run.to]) + run.to_column;
        T* to = target + run.from_column;
        for (std::size_t r = 0; r < rows; ++r, from += from_width, to += width) {
          if (copies)
            std::copy_n(from, run.count, to);
          else
            for (std::size_t c = 0; c < run.count; ++c) to[c] += from[c];
        }
      }
    }
  }

  const StepProgram<T>* program_;
  const StepKernels<T>* kernels_ = &step_kernels<T>();
  std::span<Shape> shapes_;
  std::size_t rows_ = 0;
  std::size_t first_ = 0;
  std::span<In<T>> ins_;
};

}  // namespace tapestry::layers
