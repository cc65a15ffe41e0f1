// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "step_program.hpp"

namespace tapestry::layers {

/// Finds out where the values of a program and their gradients live, and what can share memory.
template <class T>
class StepLayout {
 public:
  explicit StepLayout(StepProgram<T>& program) : p_(program) {}

  void find() {
    find_places();
    find_covered();
  }

 private:
  void find_places() {
    std::vector<std::size_t> last_use(p_.values.size(), 0);
    std::vector<bool> saved(p_.values.size(), false), operand(p_.values.size(), false);
    for (const StepOp<T>& op : p_.ops)
      for (std::size_t i = 0; i < op.in.size(); ++i) {
        last_use[op.in[i]] = std::max(last_use[op.in[i]], op.stage);
        if (backward_reads_input(op, i)) saved[op.in[i]] = true;
      }
    for (const StepOp<T>& op : p_.ops)
      if (backward_reads_output(op)) saved[op.out[0]] = true;
    for (const StepProduct& product : p_.products)
      for (const auto* terms : {&product.early, &product.late})
        for (const StepTerm& term : *terms) operand[term.operand] = true;
    std::vector<bool> saved_parts(p_.values.size(), false);
    for (std::size_t v = 0; v < p_.values.size(); ++v) {
      StepValue& value = p_.values[v];
      if (value.source == StepSource::part) {
        value.place = value.gradient = StepPlace::within;
        if (saved[v]) saved_parts[value.product] = true;
      } else if (value.source != StepSource::op && value.source != StepSource::product) {
        value.place = value.gradient = StepPlace::outside;
        if (value.source == StepSource::parameter) value.gradient = StepPlace::once;
      } else if (value.stage == stage::once) {
        value.place = value.gradient = StepPlace::once;
      } else {
        const bool crosses = last_use[v] > value.stage;
        place(value, crosses, saved[v] && !p_.accelerates(value.stage), operand[v]);
      }
    }
    for (const StepProduct& product : p_.products)
      if (p_.accelerator != StepAccelerator::none) saved_parts[product.out] = true;
    for (const std::size_t v : p_.next) {
      p_.values[v].place = StepPlace::all;
      p_.values[v].gradient = StepPlace::outside;
    }
    put_results_in_place(operand, saved, saved_parts);
    for (const StepProduct& product : p_.products)
      if (saved_parts[product.out]) overwrite(product);
    share_gradients();
    assign_offsets();
    for (std::size_t v = 0; v < p_.values.size(); ++v) {
      const StepValue& value = p_.values[v];
      if (value.place == StepPlace::within) p_.within.push_back(v);
      if (value.gradient == StepPlace::within) p_.gradients_within.push_back(v);
      if (value.same_gradient != StepValue::none) p_.sharing.push_back(v);
      const bool is_x = value.source == StepSource::x;
      if (value.place == StepPlace::all || value.place == StepPlace::passing || is_x)
        p_.moving.push_back(v);
      if (value.gradient == StepPlace::all || is_x) p_.moving_gradients.push_back(v);
    }
  }

  /// What the backward pass of an op reads: that of its kernel here, or of its own.
  [[nodiscard]] static bool backward_reads_input(const StepOp<T>& op, std::size_t i) {
    if (op.kernel) return op.kernel == StepKernel::multiply || op.kernel == StepKernel::standardise;
    return op.runs.empty() && op.info->saves(i);
  }
  [[nodiscard]] static bool backward_reads_output(const StepOp<T>& op) {
    if (op.kernel)
      return op.kernel == StepKernel::tanh || op.kernel == StepKernel::sigmoid ||
             op.kernel == StepKernel::relu || op.kernel == StepKernel::standardise;
    return op.runs.empty() && op.info->saves_output;
  }

  /// The result of a function of a product's part takes its place.
  void put_results_in_place(const std::vector<bool>& operand, const std::vector<bool>& saved,
                            std::vector<bool>& saved_parts) {
    for (const StepOp<T>& op : p_.ops) {
      const StepValue& in = p_.values[op.in[0]];
      const std::size_t out = op.out[0];
      const bool is_function = op.kernel == StepKernel::tanh || op.kernel == StepKernel::sigmoid ||
                               op.kernel == StepKernel::relu;
      if (!is_function || in.source != StepSource::part || p_.uses_of(op.in[0]) > 1 ||
          operand[out] || !p_.is_read_by_kernels(out))
        continue;
      StepValue& result = p_.values[out];
      result.place = StepPlace::within;
      result.product = in.product;
      result.column = in.column;
      if (saved[out]) saved_parts[in.product] = true;
    }
  }

  /// The results of a product are kept. Where each part is read once, its gradient can be written
  /// over it.
  void overwrite(const StepProduct& product) {
    StepValue& whole = p_.values[product.out];
    whole.place = StepPlace::all;
    whole.overwritten = std::ranges::all_of(
        product.parts, [&](std::size_t v) { return p_.reached[v] && p_.uses_of(v) == 1; });
  }

  /// A sum passes its gradient on as it is: that needs no memory of its own.
  void share_gradients() {
    for (std::size_t k = p_.ops.size(); k-- > 0;) {
      StepOp<T>& op = p_.ops[k];
      if (op.kernel != StepKernel::add || op.repeats || !op.runs_backward) continue;
      for (std::size_t i = 0; i < 2; ++i) {
        StepValue& in = p_.values[op.in[i]];
        if (in.gradient != StepPlace::block || p_.uses_of(op.in[i]) != 1) continue;
        const std::size_t other = p_.values[op.out[0]].same_gradient;
        in.same_gradient = other == StepValue::none ? op.out[0] : other;
        op.reach[i] = Reach::none;
      }
    }
  }

  void find_covered() {
    for (std::size_t k = 0; k < p_.parameters.size(); ++k) {
      const bool projects = p_.parameters[k] == "weight_hr";
      std::vector<std::size_t> times(
          projects ? p_.cell.proj_size : p_.cell.gates.size() * p_.cell.hidden_size, 0);
      const auto cover = [&](std::size_t first, std::size_t width) {
        for (std::size_t row = first; row < first + width; ++row) ++times[row];
      };
      for (const StepProduct& product : p_.products) {
        if (!p_.reached[product.out]) continue;
        for (const auto* terms : {&product.early, &product.late})
          for (const StepTerm& term : *terms)
            if (term.weight == k) cover(term.first_row, product.width);
        for (const StepBias& bias : product.biases)
          if (bias.parameter == k) cover(bias.first_row, product.width);
      }
      const bool in_ops = std::ranges::any_of(p_.values, [&](const StepValue& value) {
        return value.source == StepSource::parameter && value.number == k;
      });
      p_.covered.push_back(!in_ops &&
                           std::ranges::all_of(times, [](std::size_t n) { return n == 1; }));
    }
    for (const StepOp<T>& op : p_.ops)
      for (const std::size_t v : op.in)
        if (op.stage == stage::before && p_.values[v].stage == stage::once && p_.values[v].active)
          p_.before_has_parameters = true;
  }

  void place(StepValue& value, bool crosses, bool saved, bool operand) {
    const bool product = value.source == StepSource::product;
    const bool in_loop = value.stage >= stage::first;
    if (saved || operand)
      value.place = StepPlace::all;
    else if (product && has_early_terms(value))
      value.place = StepPlace::passing;
    else if (product || crosses)
      value.place = in_loop ? StepPlace::step : StepPlace::passing;
    if (product || (!in_loop && (crosses || operand)))
      value.gradient = StepPlace::all;
    else if (crosses || operand)
      value.gradient = StepPlace::step;
  }
  [[nodiscard]] bool has_early_terms(const StepValue& value) const {
    return std::ranges::any_of(p_.products, [&](const StepProduct& product) {
      return &p_.values[product.out] == &value && !product.early.empty();
    });
  }

  void assign_offsets() {
    std::size_t widest = 1;
    const auto put = [](std::size_t& offset, std::size_t& total, std::size_t width) {
      offset = total;
      total += width;
    };
    for (std::size_t v = 0; v < p_.values.size(); ++v) {
      StepValue& value = p_.values[v];
      if (!is_computed(value)) continue;
      if (v == p_.next[0]) continue;  // the last
      if (value.place == StepPlace::all) put(value.offset, p_.kept_width, value.width);
      if (value.place == StepPlace::passing) put(value.offset, p_.passing_width, value.width);
      if (value.place == StepPlace::step) put(value.offset, p_.step_width, value.width);
      if (value.place == StepPlace::once) put(value.offset, p_.once_width, value.width);
      if (value.gradient == StepPlace::all && !value.overwritten)
        put(value.gradient_offset, p_.all_gradient_width, value.width);
      if (value.gradient == StepPlace::step)
        put(value.gradient_offset, p_.step_gradient_width, value.width);
    }
    for (StepValue& value : p_.values)
      if (value.gradient == StepPlace::once)
        put(value.gradient_offset, p_.once_gradient_width, value.width);
    put(p_.values[p_.next[0]].offset, p_.kept_width, p_.values[p_.next[0]].width);
    for (const StepOp<T>& op : p_.ops) p_.most_inputs = std::max(p_.most_inputs, op.in.size());
    for (const StepOp<T>& op : p_.ops)
      for (const std::size_t v : op.out)
        if (op.stage != stage::once) widest = std::max(widest, p_.values[v].width);
    p_.block_rows = std::max<std::size_t>(1, 1024 / widest);
    reuse_block_memory();
  }
  [[nodiscard]] bool is_computed(const StepValue& value) const {
    return value.source == StepSource::op || value.source == StepSource::product;
  }

  /// Values of a block are put where others were that are not needed any more.
  void reuse_block_memory() {
    std::vector<std::size_t> last(p_.values.size(), 0), first_back(p_.values.size(), 0);
    for (std::size_t k = 0; k < p_.ops.size(); ++k) {
      for (const std::size_t v : p_.ops[k].in) last[v] = k;
      for (const std::size_t v : p_.ops[k].out) last[v] = std::max(last[v], k);
    }
    std::multimap<std::size_t, std::size_t> free;  // offsets by width
    const auto take = [&](std::size_t width, std::size_t& total) {
      if (const auto found = free.find(width); found != free.end()) {
        const std::size_t offset = found->second;
        free.erase(found);
        return offset;
      }
      total += width;
      return total - width;
    };
    for (std::size_t k = 0; k < p_.ops.size(); ++k) {
      for (const std::size_t v : p_.ops[k].out)
        if (p_.values[v].place == StepPlace::block)
          p_.values[v].offset = take(p_.values[v].width, p_.block_width);
      for (std::size_t v = 0; v < p_.values.size(); ++v)
        if (last[v] == k && p_.values[v].place == StepPlace::block && is_made_by_ops(v, k))
          free.emplace(p_.values[v].width, p_.values[v].offset);
    }
    for (std::size_t v = 0; v < p_.values.size(); ++v)
      if (is_computed(p_.values[v]) && p_.values[v].gradient == StepPlace::block &&
          p_.values[v].same_gradient == StepValue::none) {
        p_.values[v].gradient_offset = p_.block_gradient_width;
        p_.block_gradient_width += p_.values[v].width;
      }
  }
  /// Whether one of the ops up to number `k` makes the value.
  [[nodiscard]] bool is_made_by_ops(std::size_t v, std::size_t k) const {
    for (std::size_t j = 0; j <= k; ++j)
      if (std::ranges::find(p_.ops[j].out, v) != p_.ops[j].out.end()) return true;
    return false;
  }

  StepProgram<T>& p_;
};

}  // namespace tapestry::layers
