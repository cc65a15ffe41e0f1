// SPDX-License-Identifier: MIT
#include "graph/node_products.hpp"

#include <algorithm>

#include "tape/gradient_ops.hpp"
#include "tape/gradients.hpp"
#include "tape/node_run.hpp"
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
Variable<T> lent(TapeState<T>& scratch, const T* data, const Shape& shape) {
  Entry<T> entry;
  entry.data = const_cast<T*>(data);  // never written: leaves are not
  entry.shape = shape;
  entry.generation = scratch.generation;
  entry.role = Role::constant;
  entry.borrowed = true;
  scratch.entries.push_back(entry);
  return {scratch, static_cast<std::uint32_t>(scratch.entries.size() - 1)};
}

template <class T>
Variable<T> zero_leaf(TapeState<T>& scratch, const Shape& shape, bool requires_grad) {
  const std::uint32_t index = scratch.add_leaf(shape, Role::constant, requires_grad, {});
  std::fill_n(scratch.entries[index].data, shape.size(), T{0});
  return {scratch, index};
}

template <class T>
Variable<T> leaf(TapeState<T>& scratch, const Numbers<T>& numbers, const Shape& shape) {
  return numbers.empty() ? zero_leaf(scratch, shape, false) : lent(scratch, numbers.data(), shape);
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
const Entry<T>& input_of(const TapeState<T>& tape, const Node<T>& node, std::size_t i) {
  return tape.entries[tape.edges[node.first_input + i]];
}

template <class T>
const Entry<T>& output_of(const TapeState<T>& tape, const Node<T>& node, std::size_t j) {
  return tape.entries[node.first_output + j];
}

template <class T>
void check_values(const TapeState<T>& tape, const Node<T>& node) {
  const OpInfo<T>& info = *node.info;
  for (std::uint32_t i = 0; i < node.input_count; ++i)
    if (info.saves(i)) tape.check_available(info.name, tape.edges[node.first_input + i]);
  for (std::uint32_t j = 0; info.saves_output && j < node.output_count; ++j)
    tape.check_available(info.name, node.first_output + j);
}

}  // namespace

/// Gradients of one node, in arrays for a kernel and on the scratch tape for rules.
template <class T>
class NodeProducts<T>::Pass {
 public:
  Pass(TapeState<T>& scratch, const TapeState<T>& tape, Cotangent y,
       std::span<const std::uint32_t> slots, std::span<Numbers<T>> x)
      : scratch_(scratch), tape_(tape), y_(y), slots_(slots), x_(x) {}

  /// Gradients are left unsummed over broadcast axes: one for each element of the output.
  bool keeps_broadcast = false;

  std::vector<Variable<T>> grads;    // of the outputs, for rules
  std::vector<Variable<T>> results;  // of rules, by slot; empty handles where there is none

  bool needs(const Node<T>&, std::size_t i) const {
    return std::ranges::binary_search(slots_, static_cast<std::uint32_t>(i));
  }
  const T* arrived(const Node<T>&, std::size_t j) const {
    return j == y_.output ? y_.numbers->data() : nullptr;
  }
  Out<T> target(const Node<T>& node, std::size_t i) {
    const Entry<T>& entry = keeps_broadcast ? output_of(tape_, node, 0) : input_of(tape_, node, i);
    Numbers<T>& x = x_[place_of(i)];
    x.resize(entry.shape.size());
    return {x.data(), &entry.shape, false};
  }
  Variable<T> grad(const Node<T>&, std::size_t j) { return grads[j]; }
  void add(const Node<T>& node, std::size_t i, const Variable<T>& gradient) {
    const Shape shape = input_of(tape_, node, i).shape;
    const Variable<T> fitted = gradient.shape() == shape ? gradient : sum_to(gradient, shape);
    Variable<T>& result = results[place_of(i)];
    result = result.valid() ? result + fitted : fitted;
  }
  Variable<T> variable(std::uint32_t entry) {
    return lent<T>(scratch_, tape_.entries[entry].data, tape_.entries[entry].shape);
  }

 private:
  [[nodiscard]] std::size_t place_of(std::size_t i) const {
    const auto found = std::ranges::lower_bound(slots_, static_cast<std::uint32_t>(i));
    return static_cast<std::size_t>(found - slots_.begin());
  }

  TapeState<T>& scratch_;
  const TapeState<T>& tape_;
  Cotangent y_;
  std::span<const std::uint32_t> slots_;
  std::span<Numbers<T>> x_;
};

template <class T>
void NodeProducts<T>::vjp(const TapeState<T>& tape, const Node<T>& node, Cotangent y,
                          std::span<const std::uint32_t> slots, std::span<Numbers<T>> x) {
  for (Numbers<T>& numbers : x) numbers.clear();
  if (y.numbers->empty()) return;
  check_values(tape, node);
  Pass pass(scratch_, tape, y, slots, x);
  if (node.info->kernel) {
    NodeKernel<T, Pass> kernel(tape, pass, node, scratch_.arena);
    return node.info->kernel(node.op, kernel);
  }
  const Emptied<T> afterwards{scratch_};
  scratch_.recording = false;
  const Numbers<T> zeros;
  for (std::uint32_t j = 0; j < node.output_count; ++j)
    pass.grads.push_back(
        leaf(scratch_, j == y.output ? *y.numbers : zeros, output_of(tape, node, j).shape));
  pass.results.resize(slots.size());
  NodeRule<T, Pass> rule(tape, pass, node);
  node.info->rule(node.op, rule);
  for (std::size_t k = 0; k < slots.size(); ++k)
    if (pass.results[k].valid()) {
      const Entry<T>& result = scratch_.entries[pass.results[k].index()];
      x[k].assign(result.data, result.data + result.shape.size());
    }
}

template <class T>
void NodeProducts<T>::jvp(const TapeState<T>& tape, const Node<T>& node,
                          std::span<const Numbers<T>> x, std::vector<Numbers<T>>& y) {
  y.resize(node.output_count);
  for (Numbers<T>& numbers : y) numbers.clear();
  if (std::ranges::all_of(x, &Numbers<T>::empty)) return;
  check_values(tape, node);
  if (node.info->kernel)
    elementwise_jvp(tape, node, x, y[0]);
  else
    rule_jvp(tape, node, x, y);
}

/// The Jacobian of an elementwise op is diagonal, so the product from the left, before it is summed
/// over broadcast axes, is that from the right.
template <class T>
void NodeProducts<T>::elementwise_jvp(const TapeState<T>& tape, const Node<T>& node,
                                      std::span<const Numbers<T>> x, Numbers<T>& y) {
  const Shape& shape = output_of(tape, node, 0).shape;
  Numbers<T> tangent;
  Numbers<T> result;
  for (std::uint32_t i = 0; i < node.input_count; ++i) {
    if (x[i].empty() || !node.info->differentiable(i)) continue;
    tangent.assign(shape.size(), T{0});
    add_broadcast(x[i].data(), input_of(tape, node, i).shape, tangent.data(), shape);
    Pass pass(scratch_, tape, {0, &tangent}, std::span(&i, 1), std::span(&result, 1));
    pass.keeps_broadcast = true;
    NodeKernel<T, Pass> kernel(tape, pass, node, scratch_.arena);
    node.info->kernel(node.op, kernel);
    y.resize(shape.size());
    for (std::size_t k = 0; k < y.size(); ++k) y[k] += result[k];
  }
}

/// Dᵀ u is linear in u, and D x the gradient of <Dᵀ u, x> with respect to u.
template <class T>
void NodeProducts<T>::rule_jvp(const TapeState<T>& tape, const Node<T>& node,
                               std::span<const Numbers<T>> x, std::vector<Numbers<T>>& y) {
  const Emptied<T> afterwards{scratch_};
  scratch_.recording = true;
  std::vector<std::uint32_t> slots;
  for (std::uint32_t i = 0; i < node.input_count; ++i)
    if (!x[i].empty()) slots.push_back(i);
  Pass pass(scratch_, tape, {}, slots, {});
  pass.results.resize(slots.size());
  for (std::uint32_t j = 0; j < node.output_count; ++j)
    pass.grads.push_back(zero_leaf(scratch_, output_of(tape, node, j).shape, true));
  NodeRule<T, Pass> rule(tape, pass, node);
  node.info->rule(node.op, rule);
  Roots<T> roots;
  for (std::size_t k = 0; k < slots.size(); ++k) {
    if (!pass.results[k].valid() || !pass.results[k].requires_grad()) continue;
    roots.variables.push_back(pass.results[k]);
    roots.seeds.push_back(leaf(scratch_, x[slots[k]], input_of(tape, node, slots[k]).shape));
  }
  if (roots.variables.empty()) return;
  const auto results = seeded_gradients<T>(scratch_, "jvp", roots, pass.grads, {});
  for (std::uint32_t j = 0; j < node.output_count; ++j) {
    const Entry<T>& result = scratch_.entries[results[j].index()];
    y[j].assign(result.data, result.data + result.shape.size());
  }
}

template <class T>
void NodeProducts<T>::forward(const TapeState<T>& tape, const Node<T>& node,
                              std::span<const Numbers<T>> x, std::vector<Numbers<T>>& y) {
  std::vector<In<T>> ins;
  std::vector<Out<T>> outs;
  for (std::uint32_t i = 0; i < node.input_count; ++i) {
    const Entry<T>& input = input_of(tape, node, i);
    if (x[i].empty()) tape.check_available(node.info->name, tape.edges[node.first_input + i]);
    ins.push_back({x[i].empty() ? input.data : x[i].data(), &input.shape});
  }
  y.resize(node.output_count);
  for (std::uint32_t j = 0; j < node.output_count; ++j) {
    const Shape& shape = output_of(tape, node, j).shape;
    y[j].assign(shape.size(), T{0});
    outs.push_back({y[j].data(), &shape, false});
  }
  node.info->forward(node.op, ins, outs);
}

TAPESTRY_INSTANTIATE_TYPES(class NodeProducts)

}  // namespace tapestry::detail
