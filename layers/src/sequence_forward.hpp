// SPDX-License-Identifier: MIT
#pragma once

#include "sequence_base.hpp"

namespace tapestry::layers {

template <class T>
class SequenceForward : private SequenceBase<T> {
  using Base = SequenceBase<T>;
  using Base::p;
  using Base::rows;
  using Base::s;

 public:
  SequenceForward(const StepProgram<T>& program, const Schedule& schedule, bool initial,
                  Memory<T>& memory)
      : Base(program, schedule, initial, memory) {}

  /// y is the output (T, B, P) and the last states (B, *).
  void run(std::span<const Out<T>> y, std::span<const In<T>> in) {
    T* kept = this->memory.kept();
    if (!kept) kept = this->memory.temporary(Base::kept(p, s));
    this->find([&](std::size_t i) { return in[i]; }, kept, y[0].data);
    this->passing = this->memory.temporary(rows * p.passing_width);
    this->step = this->memory.temporary(this->batch * p.step_width);
    this->run_once();
    run_before();
    biases_ = room_for<const T*>(p.products.size(), this->memory);
    for (const StepProduct& product : p.products) multiply_early(product);
    pack();
    for (std::size_t k = 0; k < p.states.size(); ++k) last_[k] = y[1 + k].data;
    this->for_parts(p.block_width, [&](const detail::Range& part, RowBlocks<T>& blocks) {
      run_steps(part, blocks);
    });
    if (!s.full()) give_output(y[0]);
  }

 private:
  /// What depends on x alone, for all steps.
  void run_before() {
    if (!p.has_ops(stage::before)) return;
    this->for_parts(p.block_width, [&](const detail::Range& part, RowBlocks<T>& blocks) {
      for (std::size_t n = 0; n < s.steps(); ++n) {
        this->set_values(blocks, n, part.first);
        this->for_blocks(this->count_of(part, s.time(n)),
                         [&](std::size_t first, std::size_t count) {
                           blocks.forward(stage::before, first, count);
                         });
      }
    });
  }

  [[nodiscard]] const T* weight(const StepTerm& term) const {
    const std::size_t width = p.values[term.operand].width;
    return this->parameters[term.weight].data + term.first_row * width;
  }

  /// Where the results of a product are, all rows or those of a step.
  [[nodiscard]] T* result(const StepProduct& product) const {
    const StepValue& value = p.values[product.out];
    if (value.place == StepPlace::step) return this->step + value.offset * this->batch;
    if (value.place == StepPlace::passing) return this->passing + value.offset * rows;
    return this->all + value.offset * rows;
  }

  [[nodiscard]] const T* operand(const StepTerm& term) const {
    const StepValue& value = p.values[term.operand];
    if (value.source == StepSource::x) return this->x;
    return (value.place == StepPlace::passing ? this->passing : this->all) + value.offset * rows;
  }

  /// The sum of the biases of a product; null if there is none.
  const T* bias_of(const StepProduct& product) {
    if (product.biases.empty()) return nullptr;
    T* sum = this->memory.temporary(product.width);
    std::fill_n(sum, product.width, T{0});
    for (const StepBias& bias : product.biases) {
      const T* from = this->parameters[bias.parameter].data + bias.first_row;
      for (std::size_t i = 0; i < product.width; ++i) sum[i] += from[i];
    }
    return sum;
  }

  /// The terms of all steps that do not depend on the state, and the biases.
  void multiply_early(const StepProduct& product) {
    const T* bias = bias_of(product);
    if (product.early.empty()) {
      biases_[number_of(product)] = bias;
      return;
    }
    bool accumulate = false;
    for (const StepTerm& term : product.early) {
      multiply_all(product, term, result(product), accumulate, accumulate ? nullptr : bias);
      accumulate = true;
    }
  }

  void multiply_all(const StepProduct& product, const StepTerm& term, T* to, bool accumulate,
                    const T* bias) {
    const std::size_t width = p.values[term.operand].width;
    const detail::Rows<const T> weights{weight(term), width};
    const detail::Rows<T> target{to, product.width};
    const bool plain = p.values[term.operand].source == StepSource::x && !accumulate;
    const auto positions = plain ? this->positions() : std::span<const std::uint32_t>();
    if (positions.empty())
      return detail::gemm<T>(false, true, rows, product.width, width, {operand(term), width},
                             weights, target, accumulate, bias);
    if (rows < width / 4) {  // a table would cost more than it saves
      look_up_columns<T>(positions, product.width, weights, target);
    } else {
      T* table = this->memory.temporary(width * product.width);
      detail::transpose<T>(product.width, width, weights, {table, product.width});
      look_up<T>(positions, product.width, {table, product.width}, target);
    }
    if (!bias) return;
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t i = 0; i < product.width; ++i) to[row * product.width + i] += bias[i];
  }

  void pack() {
    std::size_t number = 0;
    for (const StepProduct& product : p.products)
      for (const StepTerm& term : product.late)
        this->packed[number++].emplace(true, p.values[term.operand].width, product.width,
                                       weight(term), rows, this->memory);
  }

  void run_steps(const detail::Range& part, RowBlocks<T>& blocks) {
    for (std::size_t k = 0; k < p.states.size(); ++k)
      copy_rows(k, this->initial[k], last_[k], part.first, part.last, 0);
    for (std::size_t n = 0; n < s.steps(); ++n) {
      const std::size_t t = s.time(n), count = this->count_of(part, t);
      if (count == 0) continue;
      if (!s.full()) keep_states_before(n, part.first, count);
      this->set_values(blocks, n, part.first);
      const bool no_state = n == 0 && s.full() && this->inputs.states == 0;
      std::size_t term = 0;
      for (std::size_t stage = stage::first; stage < p.stages; ++stage) {
        term = 0;
        for (const StepProduct& product : p.products) {
          if (product.stage == stage) multiply_late(product, term, count, blocks, no_state);
          term += product.late.size();
        }
        if (p.accelerates(stage))
          accelerate(blocks, count);
        else
          this->for_blocks(count, [&](std::size_t first, std::size_t block) {
            blocks.forward(stage, first, block);
          });
      }
      give_last(n, part.first, count);
    }
  }

  void accelerate(const RowBlocks<T>& blocks, std::size_t count) const {
    if (p.accelerator == StepAccelerator::lstm)
      step_kernels<T>().lstm(this->lstm_step(blocks, count));
    else
      step_kernels<T>().gru(this->gru_step(blocks, count));
  }

  /// The terms of one step.
  void multiply_late(const StepProduct& product, std::size_t number, std::size_t count,
                     const RowBlocks<T>& blocks, bool no_state) const {
    const RowsAt<T>& to = blocks.values[product.out];
    bool accumulate = !product.early.empty();
    const T* bias = biases_[number_of(product)];
    if (!accumulate && bias) {
      for (std::size_t row = 0; row < count; ++row)
        std::copy_n(bias, product.width, to.data + row * product.width);
      accumulate = true;
    }
    for (const StepTerm& term : product.late) {
      const std::size_t packed = number++;
      const bool is_state = p.values[term.operand].source == StepSource::state;
      if (is_state && no_state) {  // the product of zeros
        if (!accumulate) std::fill_n(to.data, count * product.width, T{0});
      } else {
        const RowsAt<T>& from = blocks.values[term.operand];
        (*this->packed[packed])(count, from.data, from.stride, to.data, accumulate);
      }
      accumulate = true;
    }
  }

  /// Copies rows of a state. `from` has its first row where row `from_first` is.
  void copy_rows(std::size_t k, const T* from, T* to, std::size_t first, std::size_t last,
                 std::size_t from_first) const {
    const std::size_t width = p.cell.state_size(k);
    for (std::size_t row = first; row < last; ++row)
      std::copy_n(from + (row - from_first) * width, width, to + s.sequence(row) * width);
  }

  /// `last_` holds the states of all sequences as they are now.
  void keep_states_before(std::size_t n, std::size_t first, std::size_t count) const {
    for (std::size_t k = 0; k < p.states.size(); ++k) {
      const std::size_t width = p.cell.state_size(k);
      T* to = this->state_before(k, n, first).data;
      for (std::size_t row = 0; row < count; ++row)
        std::copy_n(last_[k] + s.sequence(first + row) * width, width, to + row * width);
    }
  }

  void give_last(std::size_t n, std::size_t first, std::size_t count) const {
    if (s.full() && n + 1 < s.steps()) return;
    const std::size_t row = s.start(s.time(n));
    for (std::size_t k = 0; k < p.states.size(); ++k)
      copy_rows(k, this->state_after(k) + row * p.cell.state_size(k), last_[k], first,
                first + count, 0);
  }

  void give_output(const Out<T>& y) const {
    const std::size_t width = p.cell.state_size();
    std::fill_n(y.data, y.size(), T{0});
    s.for_each_row(width, [&](std::size_t row, std::size_t place) {
      std::copy_n(this->output + row, width, y.data + place);
    });
  }

  [[nodiscard]] std::size_t number_of(const StepProduct& product) const {
    return static_cast<std::size_t>(&product - p.products.data());
  }

  std::array<T*, most_states> last_{};  // (B, *), in the order of the batch
  std::span<const T*> biases_;          // of the products without early terms; else null
};

}  // namespace tapestry::layers
