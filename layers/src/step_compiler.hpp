// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "step_reading.hpp"

namespace tapestry::layers {

/// Makes ops and products of a recorded step, and joins and parts products so that as little as
/// possible is left to do beside them.
template <class T>
class StepCompiler {
 public:
  StepCompiler(StepProgram<T>& program, RecordedStep<T>& recorded)
      : p_(program), recorded_(recorded), r_(recorded.r), tape_(recorded.tape()) {}

  void compile() {
    find_needed();
    for (std::uint32_t n = 0; n < tape_.nodes.size(); ++n)
      if (any_output_needed(tape_.nodes[n])) add_node(n);
    p_.values = std::move(recorded_.values);
    p_.x = r_.x;
    p_.states.assign(r_.states.begin(), r_.states.end());
    p_.next.assign(r_.next.begin(), r_.next.end());
    for (int round = 0; round < 2; ++round) {  // a sum may be parted, and parts summed
      split_products();
      join_products();
    }
    group_products();
    join_rows();
    add_next_states();
  }

 private:
  [[nodiscard]] bool any_output_needed(const detail::Node<T>& node) const {
    for (std::uint32_t j = 0; j < node.output_count; ++j)
      if (needed_[node.first_output + j]) return true;
    return false;
  }

  void find_needed() {
    needed_.assign(tape_.entries.size(), false);
    for (const std::uint32_t e : r_.next) needed_[e] = true;
    for (std::size_t n = tape_.nodes.size(); n-- > 0;) {
      const detail::Node<T>& node = tape_.nodes[n];
      if (!any_output_needed(node)) continue;
      for (std::uint32_t i = 0; i < node.input_count; ++i)
        needed_[tape_.edges[node.first_input + i]] = true;
    }
  }

  void add_node(std::uint32_t number) {
    const detail::Node<T>& node = tape_.nodes[number];
    std::vector<StepValue>& values = recorded_.values;
    const std::size_t input = tape_.edges[node.first_input];
    if (const RecordedProduct* product = recorded_product(node)) {
      values[node.first_output].source = StepSource::product;
      StepProduct sum{.out = node.first_output, .width = product->rows};
      sum.late.push_back({input, product->weight, product->first_row});
      if (product->bias != RecordedProduct::none)
        sum.biases.push_back({product->bias, product->first_row});
      if (!values[input].has_rows)
        throw Obstacle{"a weight multiplies something that is the same for all sequences"};
      p_.products.push_back(std::move(sum));
      return;
    }
    StepOp<T> op{.info = node.info, .op = node.op};
    for (std::uint32_t i = 0; i < node.input_count; ++i)
      op.in.push_back(tape_.edges[node.first_input + i]);
    for (std::uint32_t j = 0; j < node.output_count; ++j) op.out.push_back(node.first_output + j);
    recorded_.classify(op);
    p_.ops.push_back(std::move(op));
  }

  /// The states after the step are results of ops in the loop, one for each.
  void add_next_states() {
    std::vector<std::size_t> taken;
    for (const std::size_t v : std::exchange(p_.next, {})) {
      const bool own = p_.values[v].source == StepSource::op;
      if (own && std::ranges::find(taken, v) == taken.end()) {
        taken.push_back(v);
        p_.next.push_back(v);
        continue;
      }
      StepValue copy = p_.values[v];
      copy.source = StepSource::op;
      p_.values.push_back(copy);
      p_.next.push_back(p_.values.size() - 1);
      StepOp<T> move;
      move.in = {v};
      move.out = {p_.next.back()};
      move.runs = {{0, 0, 0, 0, copy.width}};
      p_.ops.push_back(std::move(move));
    }
  }

  /// A product of which only parts are used, as by `split`, is computed in these parts: nothing has
  /// to be moved then.
  void split_products() {
    std::vector<StepProduct> products;
    for (const StepProduct& product : p_.products) {
      if (!is_only_parted(product.out)) {
        products.push_back(product);
        continue;
      }
      for (const StepOp<T>& op : p_.ops)
        for (const ColumnRun& run : op.runs)
          if (op.in[0] == product.out && p_.uses_of(op.out[run.to]) > 0)
            products.push_back(part_of(product, run, op.out[run.to]));
      std::erase_if(p_.ops, [&](const StepOp<T>& op) { return op.in[0] == product.out; });
    }
    p_.products = std::move(products);
  }

  /// Whether all uses of a value are moves whose results are neighbouring columns of it.
  [[nodiscard]] bool is_only_parted(std::size_t value) const {
    std::size_t moves = 0;
    for (const StepOp<T>& op : p_.ops) {
      if (std::ranges::find(op.in, value) == op.in.end()) continue;
      if (op.in.size() != 1 || op.runs.size() != op.out.size()) return false;
      for (const ColumnRun& run : op.runs)
        if (run.to_column != 0 || run.count != p_.values[op.out[run.to]].width) return false;
      ++moves;
    }
    return moves > 0 && moves == p_.uses_of(value);
  }

  StepProduct part_of(const StepProduct& product, const ColumnRun& run, std::size_t out) {
    StepProduct part = product;
    part.out = out;
    part.width = run.count;
    for (StepTerm& term : part.late) term.first_row += run.from_column;
    for (StepBias& bias : part.biases) bias.first_row += run.from_column;
    p_.values[out].source = StepSource::product;
    return part;
  }

  /// A sum of two products is one product of several terms.
  void join_products() {
    for (std::size_t k = 0; k < p_.ops.size();) {
      const StepOp<T>& op = p_.ops[k];
      if (op.kernel == StepKernel::add && op.in[0] != op.in[1] && is_product(op.in[0]) &&
          is_product(op.in[1]) && p_.uses_of(op.in[0]) == 1 && p_.uses_of(op.in[1]) == 1 &&
          p_.values[op.in[0]].shape == p_.values[op.in[1]].shape) {
        const auto a = product_of(op.in[0]), b = product_of(op.in[1]);
        a->late.insert(a->late.end(), b->late.begin(), b->late.end());
        a->biases.insert(a->biases.end(), b->biases.begin(), b->biases.end());
        a->out = op.out[0];
        p_.values[a->out].source = StepSource::product;
        p_.products.erase(b);
        p_.ops.erase(p_.ops.begin() + static_cast<std::ptrdiff_t>(k));
      } else {
        ++k;
      }
    }
  }

  /// Neighbouring parts that multiply the same are one product again, whose parts ops read where
  /// they are.
  void group_products() {
    std::vector<StepProduct> groups;
    for (StepProduct& product : p_.products) {
      if (!p_.is_read_by_kernels(product.out)) {
        groups.push_back(std::move(product));
      } else if (!groups.empty() && !groups.back().parts.empty() &&
                 continues(groups.back(), product)) {
        add_part(groups.back(), product.out);
      } else {
        StepProduct group = std::move(product);
        const std::size_t part = group.out;
        StepValue whole = p_.values[part];
        whole.width = group.width = 0;
        group.out = p_.values.size();
        p_.values.push_back(whole);
        add_part(group, part);
        groups.push_back(std::move(group));
      }
    }
    p_.products = std::move(groups);
  }

  /// (v + r) + s for rows r and s that are the same for all sequences is v + (r + s), whose rows
  /// are added once: layer norm and biases.
  void join_rows() {
    for (std::size_t k = 0; k < p_.ops.size(); ++k) {
      if (!adds_row(p_.ops[k]) || p_.uses_of(p_.ops[k].out[0]) != 1) continue;
      const std::size_t sum = p_.ops[k].out[0];
      const auto later = std::ranges::find_if(p_.ops, [&](const StepOp<T>& op) {
        return adds_row(op) && op.in[op.swapped ? 1 : 0] == sum;
      });
      if (later == p_.ops.end()) continue;
      std::size_t& row = later->in[later->swapped ? 0 : 1];
      StepOp<T>& first = p_.ops[k];
      const std::size_t first_row = first.in[first.swapped ? 0 : 1];
      if (!(p_.values[row].shape == p_.values[first_row].shape)) continue;
      later->in[later->swapped ? 1 : 0] = first.in[first.swapped ? 1 : 0];
      StepValue both = p_.values[row];
      both.source = StepSource::op;
      first = StepOp<T>{.info = first.info, .op = first.op, .in = {first_row, row}};
      first.out = {p_.values.size()};
      row = p_.values.size();
      p_.values.push_back(both);
    }
  }

  [[nodiscard]] static bool adds_row(const StepOp<T>& op) {
    return op.kernel == StepKernel::add && op.repeats;
  }

  /// Whether a product's rows come next to those of a group.
  [[nodiscard]] static bool continues(const StepProduct& group, const StepProduct& product) {
    const auto next_term = [&](const StepTerm& a, const StepTerm& b) {
      return a.operand == b.operand && a.weight == b.weight &&
             a.first_row + group.width == b.first_row;
    };
    const auto next_bias = [&](const StepBias& a, const StepBias& b) {
      return a.parameter == b.parameter && a.first_row + group.width == b.first_row;
    };
    return std::ranges::equal(group.late, product.late, next_term) &&
           std::ranges::equal(group.biases, product.biases, next_bias);
  }

  void add_part(StepProduct& group, std::size_t value) {
    StepValue& part = p_.values[value];
    StepValue& whole = p_.values[group.out];
    part.source = StepSource::part;
    part.product = group.out;
    part.column = group.width;
    group.parts.push_back(value);
    group.width = whole.width += part.width;
  }

  [[nodiscard]] bool is_product(std::size_t v) const {
    return p_.values[v].source == StepSource::product;
  }
  auto product_of(std::size_t v) { return std::ranges::find(p_.products, v, &StepProduct::out); }

  StepProgram<T>& p_;
  RecordedStep<T>& recorded_;
  const StepRecording<T>& r_;
  const detail::TapeState<T>& tape_;
  std::vector<bool> needed_;
};

}  // namespace tapestry::layers
