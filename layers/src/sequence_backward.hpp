// SPDX-License-Identifier: MIT
#pragma once

#include "fused/step_kernels.hpp"
#include "sequence_base.hpp"

namespace tapestry::layers {

template <class T>
class SequenceBackward : private SequenceBase<T> {
  using Base = SequenceBase<T>;
  using Base::p;
  using Base::rows;
  using Base::s;
  using States = std::array<T*, most_states>;

 public:
  SequenceBackward(const StepProgram<T>& program, const Schedule& schedule, bool initial,
                   KernelBackward<T>& call)
      : Base(program, schedule, initial, call.memory()), call_(call) {}

  void run() {
    this->find([&](std::size_t i) { return call_.input(i); }, this->memory.kept(),
               const_cast<T*>(call_.output(0).data));
    this->passing = this->step = this->once;  // forward's; not read here
    this->run_once();
    make_room();
    pack();
    needs_initial_ = needs_initial();
    this->for_parts(
        p.block_gradient_width + p.block_width,
        [&](const detail::Range& part, RowBlocks<T>& blocks) { run_steps(part, blocks); });
    for (const StepProduct& product : p.products)
      if (p.reached[product.out])
        for (const StepTerm& term : product.early) multiply_early(product, term);
    run_before();
    run_once_back();
    for (std::size_t k = 0; k < p.parameters.size(); ++k) give_parameter(k);
    give_x();
    for (std::size_t k = 0; k < this->inputs.states; ++k) give_state(k);
  }

 private:
  [[nodiscard]] bool needs_x() const { return call_.needs(SequenceInputs::x); }
  [[nodiscard]] bool needs_initial() const {
    for (std::size_t k = 0; k < this->inputs.states; ++k)
      if (call_.needs(this->inputs.state(k))) return true;
    return false;
  }
  [[nodiscard]] bool are_all_reached(const StepProduct& product) const {
    return std::ranges::all_of(product.parts, [&](std::size_t v) { return p.reached[v]; });
  }
  /// Whether anything needs the gradients of what depends on x alone.
  [[nodiscard]] bool needs_before() const { return needs_x() || p.before_has_parameters; }
  /// Whether the products give the gradient of x right where it belongs.
  [[nodiscard]] bool gives_x_directly() const { return s.full() && !p.x_in_ops; }

  void make_room() {
    d_all_ = this->memory.temporary(rows * p.all_gradient_width);
    d_step_ = this->memory.temporary(this->batch * p.step_gradient_width);
    const std::size_t blocks = (this->batch + p.block_rows - 1) / p.block_rows;
    const std::size_t sums = (blocks + 1) * p.once_gradient_width;
    d_once_ = this->memory.temporary(sums);
    std::fill_n(d_once_, sums, T{0});
    if (gives_x_directly() && needs_x()) {
      x_target_ = call_.target(SequenceInputs::x);
      d_x_ = x_target_.data;
    } else {
      d_x_ = this->memory.temporary(rows * p.input_size);
    }
    if (!p.reached[p.x] && !x_target_.accumulate) std::fill_n(d_x_, rows * p.input_size, T{0});
    for (const StepProduct& product : p.products)
      if (p.reached[product.out] && !are_all_reached(product))
        std::fill_n(d_of(product), rows * product.width, T{0});
    d_output_ = call_.grad(0).data;
    for (std::size_t k = 0; k < p.states.size(); ++k) {
      const std::size_t size = this->batch * p.cell.state_size(k);
      d_state_[k] = this->memory.temporary(size);
      d_before_[k] = this->memory.temporary(size);
      if (const T* last = call_.grad(1 + k).data)
        std::copy_n(this->arranged(last, p.cell.state_size(k)), size, d_state_[k]);
      else
        std::fill_n(d_state_[k], size, T{0});
    }
  }

  [[nodiscard]] const T* weight(const StepTerm& term) const {
    const std::size_t width = p.values[term.operand].width;
    return this->parameters[term.weight].data + term.first_row * width;
  }

  /// The gradients with respect to a value or product, of all rows.
  [[nodiscard]] T* d_of(const StepValue& value) const {
    if (value.overwritten) return this->all + value.offset * rows;
    return d_all_ + value.gradient_offset * rows;
  }
  [[nodiscard]] T* d_of(const StepProduct& product) const { return d_of(p.values[product.out]); }

  void pack() {
    std::size_t number = 0;
    for (const StepProduct& product : p.products)
      for (const StepTerm& term : product.late)
        this->packed[number++].emplace(false, p.values[term.operand].width, product.width,
                                       weight(term), rows, this->memory);
  }

  /// Sets where the gradients are, as `set_values` does for the values.
  void set_fixed_gradients(RowBlocks<T>& blocks, std::size_t first) const {
    T* block = blocks.memory + p.block_width * p.block_rows;
    for (std::size_t v = 0; v < p.values.size(); ++v) {
      const StepValue& value = p.values[v];
      if (value.gradient == StepPlace::block)
        blocks.gradients[v] = {block + value.gradient_offset * p.block_rows, 0};
      if (value.gradient == StepPlace::step)
        blocks.gradients[v] =
            this->rows_from(d_step_ + value.gradient_offset * this->batch, first, value);
    }
  }
  void set_gradients(RowBlocks<T>& blocks, std::size_t n, std::size_t first, const States& d_state,
                     const States& d_before) const {
    const std::size_t row = s.start(s.time(n)) + first;
    for (const std::size_t v : p.moving_gradients) {
      const StepValue& value = p.values[v];
      blocks.gradients[v] =
          this->rows_from(value.source == StepSource::x ? d_x_ : d_of(value), row, value);
    }
    for (std::size_t k = 0; k < p.states.size(); ++k) {
      const std::size_t width = p.cell.state_size(k);
      blocks.gradients[p.next[k]] = {d_state[k] + first * width, width};
      blocks.gradients[p.states[k]] = {d_before[k] + first * width, width};
    }
    for (const std::size_t v : p.gradients_within)
      blocks.gradients[v] = this->part_of(blocks.gradients, p.values[v]);
    for (const std::size_t v : p.sharing)
      blocks.gradients[v] = blocks.gradients[p.values[v].same_gradient];
  }

  /// What is the same for all rows has a sum of its own for each block of rows, so that the sums do
  /// not depend on how blocks are shared among threads.
  void backward(RowBlocks<T>& blocks, std::size_t stage, std::size_t part_first, std::size_t first,
                std::size_t count) const {
    const std::size_t block = 1 + (part_first + first) / p.block_rows;
    for (std::size_t v = 0; v < p.values.size() && p.once_gradient_width > 0; ++v)
      if (p.values[v].gradient == StepPlace::once)
        blocks.gradients[v] = {
            d_once_ + block * p.once_gradient_width + p.values[v].gradient_offset, 0};
    blocks.backward(stage, first, count);
  }

  void run_steps(const detail::Range& part, RowBlocks<T>& blocks) const {
    States d_state = d_state_, d_before = d_before_;
    set_fixed_gradients(blocks, part.first);
    for (std::size_t n = s.steps(); n-- > 0;) {
      const std::size_t t = s.time(n), count = this->count_of(part, t);
      if (count == 0) continue;
      add_output_gradient(t, part.first, count, d_state[0]);
      this->set_values(blocks, n, part.first);
      set_gradients(blocks, n, part.first, d_state, d_before);
      for (std::size_t k = 0; k < p.states.size(); ++k)
        if (!p.reached[p.states[k]])
          std::fill_n(d_before[k] + part.first * p.cell.state_size(k), count * p.cell.state_size(k),
                      T{0});
      const bool skip_state = n == 0 && s.full() && !needs_initial_;
      for (std::size_t stage = p.stages; stage-- > stage::first;) {
        if (p.accelerates(stage))
          accelerate(blocks, count);
        else
          this->for_blocks(count, [&](std::size_t first, std::size_t block) {
            backward(blocks, stage, part.first, first, block);
          });
        std::size_t term = 0;
        for (const StepProduct& product : p.products) {
          if (product.stage == stage && p.reached[product.out])
            multiply_late(product, term, count, blocks, skip_state);
          term += product.late.size();
        }
      }
      for (std::size_t k = 0; k < p.states.size(); ++k)
        pass_on(k, part, count, d_state[k], d_before[k]);
    }
    for (std::size_t k = 0; k < p.states.size(); ++k)
      if (d_state[k] != d_state_[k])
        std::copy_n(d_state[k] + part.first * p.cell.state_size(k),
                    part.size() * p.cell.state_size(k),
                    d_state_[k] + part.first * p.cell.state_size(k));
  }

  void accelerate(const RowBlocks<T>& blocks, std::size_t count) const {
    if (p.accelerator == StepAccelerator::lstm)
      step_kernels<T>().lstm_back(this->lstm_step(blocks, count));
    else
      step_kernels<T>().gru_back(this->gru_step(blocks, count));
  }

  void add_output_gradient(std::size_t t, std::size_t first, std::size_t count, T* d) const {
    if (!d_output_) return;
    const std::size_t width = p.cell.state_size();
    for (std::size_t row = first; row < first + count; ++row) {
      const T* from = d_output_ + (t * this->batch + s.sequence(row)) * width;
      for (std::size_t i = 0; i < width; ++i) d[row * width + i] += from[i];
    }
  }

  void multiply_late(const StepProduct& product, std::size_t number, std::size_t count,
                     const RowBlocks<T>& blocks, bool skip_state) const {
    for (const StepTerm& term : product.late) {
      const std::size_t packed = number++;
      const bool is_state = p.values[term.operand].source == StepSource::state;
      if (term.reach == Reach::none || (is_state && skip_state)) continue;
      const RowsAt<T>& d = blocks.gradients[product.out];
      (*this->packed[packed])(count, d.data, d.stride, blocks.gradients[term.operand].data,
                              term.reach == Reach::later);
    }
  }

  /// The gradient with respect to the state before a step is that after the step before it.
  void pass_on(std::size_t k, const detail::Range& part, std::size_t count, T*& d_state,
               T*& d_before) const {
    if (count == part.size()) return std::swap(d_state, d_before);
    const std::size_t width = p.cell.state_size(k), first = part.first * width;
    std::copy_n(d_before + first, count * width, d_state + first);
  }

  void multiply_early(const StepProduct& product, const StepTerm& term) {
    const StepValue& operand = p.values[term.operand];
    const bool is_x = operand.source == StepSource::x;
    if (term.reach == Reach::none || !needs_before() || (is_x && !needs_x() && !p.x_in_ops)) return;
    T* to = is_x ? d_x_ : d_of(operand);
    const bool adds = term.reach == Reach::later || (is_x && x_target_.accumulate);
    detail::gemm<T>(false, false, rows, operand.width, product.width,
                    {d_of(product), product.width}, {weight(term), operand.width},
                    {to, operand.width}, adds);
  }

  void run_before() const {
    if (!p.has_ops(stage::before) || !needs_before()) return;
    this->for_parts(p.block_gradient_width + p.block_width,
                    [&](const detail::Range& part, RowBlocks<T>& blocks) {
                      set_fixed_gradients(blocks, part.first);
                      for (std::size_t n = 0; n < s.steps(); ++n) {
                        this->set_values(blocks, n, part.first);
                        set_gradients(blocks, n, part.first, d_state_, d_before_);
                        this->for_blocks(this->count_of(part, s.time(n)), [&](std::size_t first,
                                                                              std::size_t count) {
                          backward(blocks, stage::before, part.first, first, count);
                        });
                      }
                    });
  }

  /// Adds up what is the same for all rows, and goes on from there to the parameters.
  void run_once_back() {
    const std::size_t width = p.once_gradient_width;
    if (width == 0) return;
    const std::size_t blocks = (this->batch + p.block_rows - 1) / p.block_rows;
    for (std::size_t block = 1; block <= blocks; ++block)
      for (std::size_t i = 0; i < width; ++i) d_once_[i] += d_once_[block * width + i];
    RowBlocks<T> work(p, this->once, this->memory);
    this->set_fixed_values(work, 0);
    for (std::size_t v = 0; v < p.values.size(); ++v)
      if (p.values[v].gradient == StepPlace::once)
        work.gradients[v] = {d_once_ + p.values[v].gradient_offset, 0};
    work.backward(stage::once, 0, 1);
  }

  // Parameters -----------------------------------------------------------------------------------

  void give_parameter(std::size_t k) {
    const std::size_t input = this->inputs.parameter(k);
    if (!call_.needs(input)) return;
    Out<T> to = call_.target(input);
    if (!to.accumulate && !p.covered[k]) {
      std::fill_n(to.data, to.size(), T{0});
      to.accumulate = true;
    }
    for (const StepProduct& product : p.products) {
      if (!p.reached[product.out]) continue;
      for (const auto* terms : {&product.early, &product.late})
        for (const StepTerm& term : *terms)
          if (term.weight == k) add_weight(product, term, to);
      for (const StepBias& bias : product.biases)
        if (bias.parameter == k)
          sum_columns<T>({rows, product.width, d_of(product), product.width,
                          to.data + bias.first_row, to.accumulate});
    }
    for (const StepValue& value : p.values)
      if (value.source == StepSource::parameter && value.number == k)
        for (std::size_t i = 0; i < value.width; ++i)
          to.data[i] += d_once_[value.gradient_offset + i];
  }

  void add_weight(const StepProduct& product, const StepTerm& term, const Out<T>& parameter) {
    const StepValue& operand = p.values[term.operand];
    const std::size_t width = operand.width;
    const detail::Rows<T> to{parameter.data + term.first_row * width, width};
    if (operand.source == StepSource::state)
      return add_state_weight(product, operand.number, to, parameter.accumulate);
    if (operand.source != StepSource::x)
      return multiply(product, 0, rows, value_of(operand, term.operand), width, to,
                      parameter.accumulate);
    if (!parameter.accumulate) {
      const auto positions = this->positions();
      if (!positions.empty()) return add_table(product, positions, to);
    }
    multiply(product, 0, rows, this->x, width, to, parameter.accumulate);
  }

  [[nodiscard]] const T* value_of(const StepValue& value, std::size_t v) const {
    return v == p.next[0] ? this->output : this->all + value.offset * rows;
  }

  /// to = (or +=) the product of gradients with `count` rows of an operand.
  void multiply(const StepProduct& product, std::size_t first, std::size_t count, const T* operand,
                std::size_t width, detail::Rows<T> to, bool accumulate) const {
    detail::gemm<T>(true, false, product.width, width, count,
                    {d_of(product) + first * product.width, product.width}, {operand, width}, to,
                    accumulate);
  }

  /// The same for one-hot rows of x.
  void add_table(const StepProduct& product, std::span<const std::uint32_t> positions,
                 detail::Rows<T> to) const {
    T* table = this->memory.temporary(p.input_size * product.width);
    std::fill_n(table, p.input_size * product.width, T{0});
    add_up<T>(positions, product.width, {d_of(product), product.width}, {table, product.width});
    detail::transpose<T>(p.input_size, product.width, {table, product.width}, to);
  }

  /// Each step with the state of the step before: all of them as one product, but for the first.
  void add_state_weight(const StepProduct& product, std::size_t k, detail::Rows<T> to,
                        bool accumulate) const {
    const std::size_t width = p.cell.state_size(k);
    if (!s.full()) return multiply(product, 0, rows, this->before[k], width, to, accumulate);
    const std::size_t later = rows - std::min(rows, this->batch);
    const std::size_t skipped = rows - later;
    multiply(product, s.reverse() ? 0 : skipped, later,
             this->state_after(k) + (s.reverse() ? skipped * width : 0), width, to, accumulate);
    if (this->inputs.states > 0 && rows > 0)
      multiply(product, s.reverse() ? later : 0, skipped, this->initial[k], width, to, true);
  }

  // What flows out of the layer --------------------------------------------------------------

  void give_x() const {
    if (!needs_x() || gives_x_directly()) return;
    const Out<T> to = call_.target(SequenceInputs::x);
    if (!to.accumulate) std::fill_n(to.data, to.size(), T{0});
    s.for_each_row(p.input_size, [&](std::size_t row, std::size_t place) {
      for (std::size_t i = 0; i < p.input_size; ++i) to.data[place + i] += d_x_[row + i];
    });
  }

  void give_state(std::size_t k) const {
    if (!call_.needs(this->inputs.state(k))) return;
    const Out<T> to = call_.target(this->inputs.state(k));
    const std::size_t width = p.cell.state_size(k);
    for (std::size_t row = 0; row < this->batch; ++row)
      for (std::size_t i = 0; i < width; ++i) {
        T& target = to.data[s.sequence(row) * width + i];
        const T value = d_state_[k][row * width + i];
        target = to.accumulate ? target + value : value;
      }
  }

  KernelBackward<T>& call_;
  bool needs_initial_ = false;
  Out<T> x_target_{};
  T* d_all_ = nullptr;
  T* d_step_ = nullptr;
  T* d_once_ = nullptr;  // the whole sum, and then that of each block of rows
  T* d_x_ = nullptr;
  const T* d_output_ = nullptr;
  States d_state_{};   // (B, *): with respect to the state after a step
  States d_before_{};  // with respect to the state before it
};

}  // namespace tapestry::layers
