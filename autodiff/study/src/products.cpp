// SPDX-License-Identifier: MIT
#include "products.hpp"

#include <algorithm>
#include <string>

#include "ops/library_op.hpp"
#include "tape/gradients.hpp"
#include "tape/kernel_memory.hpp"
#include "tapestry/autodiff/derivatives.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::detail {
namespace {

/// Empties the scratch tape, whatever happens on it.
template <class T>
struct Emptied {
  TapeState<T>& scratch;
  ~Emptied() { scratch.truncate({}, true); }
};

/// A leaf of the scratch tape that reads memory of others.
template <class T>
Variable<T> lent(TapeState<T>& scratch, const T* data, const Shape& shape, bool requires_grad) {
  Entry<T> entry;
  entry.data = const_cast<T*>(data);  // never written: leaves are not
  entry.shape = shape;
  entry.generation = scratch.generation;
  entry.role = Role::constant;
  entry.requires_grad = requires_grad;
  entry.borrowed = true;
  scratch.entries.push_back(entry);
  return {scratch, static_cast<std::uint32_t>(scratch.entries.size() - 1)};
}

template <class T>
Variable<T> zeros(TapeState<T>& scratch, const Shape& shape, bool requires_grad) {
  const std::uint32_t index = scratch.add_leaf(shape, Role::constant, requires_grad, {});
  std::fill_n(scratch.entries[index].data, shape.size(), T{0});
  return {scratch, index};
}

template <class T>
Variable<T> leaf(TapeState<T>& scratch, const Numbers<T>& numbers, const Shape& shape) {
  return numbers.empty() ? zeros(scratch, shape, false)
                         : lent(scratch, numbers.data(), shape, false);
}

/// to += from, both in row-major order, `from` broadcast to the shape of `to`.
template <class T>
void add_broadcast(const T* from, const Shape& from_shape, T* to, const Shape& to_shape) {
  const std::size_t offset = to_shape.rank() - from_shape.rank();
  const auto strides = strides_of(from_shape);
  for (std::size_t k = 0; k < to_shape.size(); ++k) {
    const Shape at = position_of(to_shape, k);
    std::size_t source = 0;
    for (std::size_t i = 0; i < from_shape.rank(); ++i)
      if (from_shape[i] != 1) source += at[offset + i] * strides[i];
    to[k] += from[source];
  }
}

template <class T>
void add(Numbers<T>& to, const T* from, std::size_t size) {
  if (to.empty()) {
    to.assign(from, from + size);
    return;
  }
  for (std::size_t k = 0; k < size; ++k) to[k] += from[k];
}

}  // namespace

/// A node as its kernel sees it.
template <class T>
class Products<T>::Kernel final : public KernelBackward<T> {
 public:
  Kernel(Products& products, const Node<T>& node, std::span<const Numbers<T>> y,
         const std::vector<bool>& wanted, std::vector<Numbers<T>>& x)
      : products_(products),
        node_(node),
        y_(y),
        wanted_(wanted),
        x_(x),
        memory_(products.arena_, products.kept_.data()) {}

  /// Gradients are left unsummed: one for each element of the output.
  void keep_broadcast() { broadcast_ = true; }

  [[nodiscard]] bool needs(std::size_t i) const override {
    return node_.info->differentiable(i) && wanted_[i];
  }
  [[nodiscard]] In<T> grad(std::size_t j) const override {
    return {y_[j].empty() ? nullptr : y_[j].data(), &products_.output(node_, j).shape};
  }
  [[nodiscard]] In<T> output(std::size_t j) const override {
    return {products_.output(node_, j).data, &products_.output(node_, j).shape};
  }
  [[nodiscard]] In<T> input(std::size_t i) const override {
    return {products_.input(node_, i).data, &products_.input(node_, i).shape};
  }
  [[nodiscard]] Out<T> target(std::size_t i) override {
    const Entry<T>& entry = broadcast_ ? products_.output(node_, 0) : products_.input(node_, i);
    x_[i].assign(entry.shape.size(), T{0});
    return {x_[i].data(), &entry.shape, false};
  }
  [[nodiscard]] Memory<T>& memory() override { return memory_; }

 private:
  Products& products_;
  const Node<T>& node_;
  std::span<const Numbers<T>> y_;
  const std::vector<bool>& wanted_;
  std::vector<Numbers<T>>& x_;
  KernelMemory<T> memory_;
  bool broadcast_ = false;
};

/// A node as its rules see it: on the scratch tape.
template <class T>
class Products<T>::Rule final : public RuleBackward<T> {
 public:
  Rule(Products& products, const Node<T>& node, std::vector<Variable<T>> grads,
       const std::vector<bool>& wanted)
      : products_(products), node_(node), grads_(std::move(grads)), wanted_(wanted) {
    results.resize(node.input_count);
  }

  std::vector<Variable<T>> results;  // by input; empty handles where there is none

  [[nodiscard]] std::size_t input_count() const override { return node_.input_count; }
  [[nodiscard]] bool needs(std::size_t i) const override {
    return node_.info->differentiable(i) && wanted_[i];
  }
  [[nodiscard]] Variable<T> grad(std::size_t j) override { return grads_[j]; }
  [[nodiscard]] Variable<T> output(std::size_t j) override {
    const Entry<T>& entry = products_.output(node_, j);
    return lent<T>(products_.scratch_, entry.data, entry.shape, false);
  }
  [[nodiscard]] Variable<T> input(std::size_t i) override {
    const Entry<T>& entry = products_.input(node_, i);
    return lent<T>(products_.scratch_, entry.data, entry.shape, false);
  }
  [[nodiscard]] Shape input_shape(std::size_t i) const override {
    return products_.input(node_, i).shape;
  }
  [[nodiscard]] Shape output_shape(std::size_t j) const override {
    return products_.output(node_, j).shape;
  }
  void add(std::size_t i, const Variable<T>& gradient) override {
    const Shape shape = input_shape(i);
    const Variable<T> fitted = gradient.shape() == shape ? gradient : sum_to(gradient, shape);
    results[i] = results[i].valid() ? results[i] + fitted : fitted;
  }

 private:
  Products& products_;
  const Node<T>& node_;
  std::vector<Variable<T>> grads_;
  const std::vector<bool>& wanted_;
};

/// A checkpoint can only be run again as a whole, on its own tape.
template <class T>
void Products<T>::check_open(const Node<T>& node) const {
  if (node.info->kernel || node.info->rule) return;
  GradientError error(node.info->name,
                      "the segment hides what it computes from the study tools: "
                      "record it with tape.set_primitive(true)");
  error.add_place(tape_.scopes.path(node.scope));
  throw error;
}

template <class T>
void Products<T>::check(const Node<T>& node) const {
  const OpInfo<T>& info = *node.info;
  check_open(node);
  for (std::uint32_t i = 0; i < node.input_count; ++i)
    if (info.saves(i) || info.expand)
      tape_.check_available(info.name, tape_.edges[node.first_input + i]);
  for (std::uint32_t j = 0; info.saves_output && j < node.output_count; ++j)
    tape_.check_available(info.name, node.first_output + j);
}

template <class T>
void Products<T>::vjp(std::uint32_t index, std::span<const Numbers<T>> y,
                      const std::vector<bool>& wanted, std::vector<Numbers<T>>& x) {
  const Node<T>& node = tape_.nodes[index];
  x.resize(node.input_count);
  for (Numbers<T>& numbers : x) numbers.clear();
  if (std::ranges::all_of(y, &Numbers<T>::empty)) return;
  check(node);
  if (node.info->kernel)
    run_kernel(node, y, wanted, x);
  else
    run_rule(node, y, wanted, x);
}

template <class T>
void Products<T>::run_kernel(const Node<T>& node, std::span<const Numbers<T>> y,
                             const std::vector<bool>& wanted, std::vector<Numbers<T>>& x) {
  restore_kept(node);
  Kernel kernel(*this, node, y, wanted, x);
  node.info->kernel(node.op, kernel);
}

/// Runs forward again for what the op keeps for its kernel, which may write over it.
template <class T>
void Products<T>::restore_kept(const Node<T>& node) {
  kept_.clear();
  if (!node.info->keeps) return;
  std::vector<In<T>> ins;
  std::vector<Out<T>> outs;
  kept_.resize(node.kept_size);
  KernelMemory<T> memory(arena_, kept_.data());
  for (std::uint32_t i = 0; i < node.input_count; ++i)
    ins.push_back({input(node, i).data, &input(node, i).shape});
  for (std::uint32_t j = 0; j < node.output_count; ++j) {
    const Shape& shape = output(node, j).shape;
    outs.push_back({memory.temporary(shape.size()), &shape, false});
  }
  node.info->forward_in(node.op, ins, outs, memory);
}

template <class T>
void Products<T>::run_rule(const Node<T>& node, std::span<const Numbers<T>> y,
                           const std::vector<bool>& wanted, std::vector<Numbers<T>>& x) {
  const Emptied<T> afterwards{scratch_};
  scratch_.recording = false;
  std::vector<Variable<T>> grads;
  for (std::uint32_t j = 0; j < node.output_count; ++j)
    grads.push_back(leaf(scratch_, y[j], output(node, j).shape));
  Rule rule(*this, node, std::move(grads), wanted);
  node.info->rule(node.op, rule);
  for (std::uint32_t i = 0; i < node.input_count; ++i)
    if (rule.results[i].valid()) {
      const Entry<T>& result = scratch_.entries[rule.results[i].index()];
      x[i].assign(result.data, result.data + result.shape.size());
    }
}

template <class T>
void Products<T>::jvp(std::uint32_t index, std::span<const Numbers<T>> x,
                      std::vector<Numbers<T>>& y) {
  const Node<T>& node = tape_.nodes[index];
  y.resize(node.output_count);
  for (Numbers<T>& numbers : y) numbers.clear();
  if (std::ranges::all_of(x, &Numbers<T>::empty)) return;
  check(node);
  if (node.info->expand)
    expanded_jvp(node, x, y);
  else if (node.info->kernel)
    elementwise_jvp(node, x, y[0]);
  else
    rule_jvp(node, x, y);
}

/// The Jacobian of an elementwise op is diagonal, so the product from the left, before it is summed
/// over broadcast axes, is that from the right.
template <class T>
void Products<T>::elementwise_jvp(const Node<T>& node, std::span<const Numbers<T>> x,
                                  Numbers<T>& y) {
  const Shape& shape = output(node, 0).shape;
  std::vector<Numbers<T>> tangent(1);
  std::vector<Numbers<T>> results(node.input_count);
  std::vector<bool> wanted(node.input_count);
  for (std::uint32_t i = 0; i < node.input_count; ++i) {
    if (x[i].empty() || !node.info->differentiable(i)) continue;
    tangent[0].assign(shape.size(), T{0});
    add_broadcast(x[i].data(), input(node, i).shape, tangent[0].data(), shape);
    wanted[i] = true;
    Kernel kernel(*this, node, tangent, wanted, results);
    kernel.keep_broadcast();
    node.info->kernel(node.op, kernel);
    add(y, results[i].data(), shape.size());
    wanted[i] = false;
  }
}

/// Dᵀ u is linear in u, and D x the gradient of <Dᵀ u, x> by u.
template <class T>
void Products<T>::rule_jvp(const Node<T>& node, std::span<const Numbers<T>> x,
                           std::vector<Numbers<T>>& y) {
  const Emptied<T> afterwards{scratch_};
  scratch_.recording = true;
  std::vector<Variable<T>> u;
  for (std::uint32_t j = 0; j < node.output_count; ++j)
    u.push_back(zeros(scratch_, output(node, j).shape, true));
  std::vector<bool> wanted(node.input_count);
  for (std::uint32_t i = 0; i < node.input_count; ++i) wanted[i] = !x[i].empty();
  Rule rule(*this, node, u, wanted);
  node.info->rule(node.op, rule);
  Roots<T> roots;
  for (std::uint32_t i = 0; i < node.input_count; ++i) {
    if (!rule.results[i].valid() || !rule.results[i].requires_grad()) continue;
    roots.variables.push_back(rule.results[i]);
    roots.seeds.push_back(leaf(scratch_, x[i], input(node, i).shape));
  }
  if (roots.variables.empty()) return;
  const auto results = seeded_gradients<T>(scratch_, "jvp", roots, u, {});
  for (std::uint32_t j = 0; j < node.output_count; ++j) {
    const Entry<T>& result = scratch_.entries[results[j].index()];
    y[j].assign(result.data, result.data + result.shape.size());
  }
}

/// A fused op has no rules to differentiate again, but a definition.
template <class T>
void Products<T>::expanded_jvp(const Node<T>& node, std::span<const Numbers<T>> x,
                               std::vector<Numbers<T>>& y) {
  const Emptied<T> afterwards{scratch_};
  scratch_.recording = true;
  std::vector<Variable<T>> inputs;
  std::vector<Variable<T>> moving;
  std::vector<Variable<T>> along;
  for (std::uint32_t i = 0; i < node.input_count; ++i) {
    const Entry<T>& entry = input(node, i);
    inputs.push_back(lent<T>(scratch_, entry.data, entry.shape, !x[i].empty()));
    if (x[i].empty()) continue;
    moving.push_back(inputs.back());
    along.push_back(leaf(scratch_, x[i], entry.shape));
  }
  const std::vector<Variable<T>> outputs = node.info->expand(node.op, inputs);
  for (std::size_t j = 0; j < outputs.size(); ++j) {
    if (!outputs[j].requires_grad()) continue;
    const Variable<T> tangent = tapestry::jvp(outputs[j], std::span<const Variable<T>>(moving),
                                              std::span<const Variable<T>>(along));
    const Entry<T>& result = scratch_.entries[tangent.index()];
    y[j].assign(result.data, result.data + result.shape.size());
  }
}

template <class T>
void Products<T>::forward(std::uint32_t index, std::span<const Numbers<T>> x,
                          std::vector<Numbers<T>>& y) {
  const Node<T>& node = tape_.nodes[index];
  check_open(node);
  std::vector<In<T>> ins;
  std::vector<Out<T>> outs;
  for (std::uint32_t i = 0; i < node.input_count; ++i) {
    if (x[i].empty()) tape_.check_available(node.info->name, tape_.edges[node.first_input + i]);
    ins.push_back({x[i].empty() ? input(node, i).data : x[i].data(), &input(node, i).shape});
  }
  y.resize(node.output_count);
  for (std::uint32_t j = 0; j < node.output_count; ++j) {
    const Shape& shape = output(node, j).shape;
    y[j].assign(shape.size(), T{0});
    outs.push_back({y[j].data(), &shape, false});
  }
  KernelMemory<T> memory(arena_, nullptr);
  if (node.info->forward_in)
    node.info->forward_in(node.op, ins, outs, memory);
  else
    node.info->forward(node.op, ins, outs);
}

template class Products<float>;
template class Products<double>;

}  // namespace tapestry::detail
