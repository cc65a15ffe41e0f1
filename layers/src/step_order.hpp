// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <vector>

#include "step_program.hpp"

namespace tapestry::layers {

/// Finds out when the ops and products of a program run, and in which order gradients reach its
/// values.
template <class T>
class StepOrder {
 public:
  explicit StepOrder(StepProgram<T>& program) : p_(program) {}

  void find() {
    find_stages();
    find_reach();
  }

 private:
  /// Ops and products stand in the order in which they were recorded, but for those that were
  /// joined: what a product adds up comes before it all the same.
  void find_stages() {
    for (StepValue& v : p_.values) {
      v.active = v.source == StepSource::x || v.source == StepSource::state ||
                 v.source == StepSource::parameter || v.source == StepSource::product ||
                 v.source == StepSource::part;
      if (v.source == StepSource::x || v.source == StepSource::mask) v.stage = stage::before;
      if (v.source == StepSource::state) v.stage = stage::first;
    }
    std::vector<bool> known(p_.values.size(), true);
    for (const StepOp<T>& op : p_.ops)
      for (const std::size_t v : op.out) known[v] = false;
    for (const StepProduct& product : p_.products) {
      known[product.out] = false;
      for (const std::size_t part : product.parts) known[part] = false;
    }
    std::vector<StepOp<T>> sorted;
    for (bool settled = true; settled;) {
      const bool products = settle_products(known), ops = settle_ops(known, sorted);
      settled = products || ops;
    }
    p_.ops = std::move(sorted);
    std::ranges::stable_sort(p_.ops, {}, &StepOp<T>::stage);
    std::ranges::stable_sort(p_.products, {}, &StepProduct::stage);
    for (const StepOp<T>& op : p_.ops) p_.stages = std::max(p_.stages, op.stage + 1);
    for (const StepProduct& product : p_.products) {
      p_.stages = std::max(p_.stages, product.stage + 1);
      p_.late_terms += product.late.size();
    }
    for (const std::size_t v : p_.next)
      if (p_.values[v].stage < stage::first) move_into_loop(v);
  }

  bool settle_products(std::vector<bool>& known) {
    bool settled = false;
    for (StepProduct& product : p_.products) {
      if (known[product.out] ||
          !std::ranges::all_of(product.late, [&](const auto& t) { return known[t.operand]; }))
        continue;
      product.stage = stage::first;
      std::vector<StepTerm> late;
      for (const StepTerm& term : product.late) {
        const StepValue& operand = p_.values[term.operand];
        if (operand.stage < stage::first) {
          product.early.push_back(term);
          continue;
        }
        late.push_back(term);
        if (operand.source != StepSource::state)
          product.stage = std::max(product.stage, operand.stage + 1);
      }
      product.late = std::move(late);
      p_.values[product.out].stage = product.stage;
      settled = known[product.out] = true;
      for (const std::size_t part : product.parts) {
        p_.values[part].stage = product.stage;
        known[part] = true;
      }
    }
    return settled;
  }

  bool settle_ops(std::vector<bool>& known, std::vector<StepOp<T>>& sorted) {
    bool settled = false;
    for (StepOp<T>& op : p_.ops) {
      if (known[op.out[0]] || !std::ranges::all_of(op.in, [&](std::size_t v) { return known[v]; }))
        continue;
      for (std::size_t i = 0; i < op.in.size(); ++i)
        op.stage = std::max(op.stage, p_.values[op.in[i]].stage);
      for (const std::size_t v : op.out) {
        p_.values[v].stage = op.stage;
        for (std::size_t i = 0; i < op.in.size(); ++i)
          if (p_.values[op.in[i]].active && (!op.info || op.info->differentiable(i)))
            p_.values[v].active = true;
        known[v] = true;
      }
      sorted.push_back(op);
      settled = true;
    }
    return settled;
  }

  void move_into_loop(std::size_t value) {
    for (StepOp<T>& op : p_.ops)
      if (std::ranges::find(op.out, value) != op.out.end()) op.stage = stage::first;
    p_.values[value].stage = stage::first;
    std::ranges::stable_sort(p_.ops, {}, &StepOp<T>::stage);
  }

  /// Goes through a step backward and notes which gradients come first.
  void find_reach() {
    p_.reached.assign(p_.values.size(), false);
    for (const std::size_t v : p_.next) p_.reached[v] = true;
    for (std::size_t s = p_.stages; s-- > stage::first;) {
      reach_ops(s);
      for (StepProduct& product : p_.products)
        if (product.stage == s) reach_terms(product, product.late);
    }
    for (StepProduct& product : p_.products) reach_terms(product, product.early);
    reach_ops(stage::before);
    reach_ops(stage::once);
    for (const StepOp<T>& op : p_.ops)
      for (std::size_t i = 0; i < op.in.size(); ++i)
        if (op.in[i] == p_.x && op.reach[i] != Reach::none) p_.x_in_ops = true;
  }

  void reach_ops(std::size_t s) {
    for (std::size_t k = p_.ops.size(); k-- > 0;) {
      StepOp<T>& op = p_.ops[k];
      if (op.stage != s) continue;
      op.runs_backward = std::ranges::any_of(op.out, [&](std::size_t v) { return p_.reached[v]; });
      op.whole.assign(op.in.size(), false);
      for (const std::size_t v : op.out) op.reached.push_back(p_.reached[v]);
      for (std::size_t i = 0; i < op.in.size(); ++i) {
        const StepValue& v = p_.values[op.in[i]];
        const bool flows = op.runs_backward && v.active && (!op.info || op.info->differentiable(i));
        op.reach.push_back(flows ? reach(op.in[i]) : Reach::none);
        op.whole[i] = covers(op, i);
      }
      op.runs_backward =
          std::ranges::any_of(op.reach, [](Reach reach) { return reach != Reach::none; });
    }
  }

  /// Whether the gradients of a move's results reach each column of input `i` once.
  [[nodiscard]] bool covers(const StepOp<T>& op, std::size_t i) const {
    std::vector<std::size_t> times(p_.values[op.in[i]].width, 0);
    for (const ColumnRun& run : op.runs)
      if (run.from == i && p_.reached[op.out[run.to]])
        for (std::size_t c = 0; c < run.count; ++c) ++times[run.from_column + c];
    return std::ranges::all_of(times, [](std::size_t n) { return n == 1; });
  }

  void reach_terms(const StepProduct& product, std::vector<StepTerm>& terms) {
    for (const std::size_t part : product.parts)
      if (p_.reached[part]) p_.reached[product.out] = true;
    if (!p_.reached[product.out]) return;
    for (StepTerm& term : terms)
      if (p_.values[term.operand].active) term.reach = reach(term.operand);
  }

  Reach reach(std::size_t value) {
    const bool zeros = p_.values[value].stage == stage::once;  // there first
    const Reach reach = p_.reached[value] || zeros ? Reach::later : Reach::first;
    p_.reached[value] = true;
    return reach;
  }

  StepProgram<T>& p_;
};

}  // namespace tapestry::layers
