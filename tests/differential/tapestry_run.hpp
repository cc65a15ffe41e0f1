// SPDX-License-Identifier: MIT
// Runs a program with the library, in each of the ways there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

#include "differential/naive.hpp"
#include "differential/program.hpp"
#include "tapestry/autodiff.hpp"

namespace differential {

namespace tp = tapestry;

/// How a program is run.
struct Way {
  const char* name;
  bool primitive = false;     // fused ops as their definition
  bool keep_handles = false;  // of all values; otherwise of those still needed
  bool retain = false;        // all values and gradients
  enum Gradient { none, backward, gradients, differentiable } gradient = backward;
};

template <class A>
Numbers numbers_of(const A& array) {
  return {array.data(), array.data() + array.size()};
}

template <class T>
tp::Array<T> array_of(const Extents& shape, const Numbers& data) {
  tp::Array<T> array(typename tp::Array<T>::shape_type(shape.begin(), shape.end()));
  std::copy(data.begin(), data.end(), array.data());
  return array;
}

inline tp::Axes axes_of(const Instruction& i) {
  static constexpr std::size_t most = 5;
  const auto& a = i.axes;
  if (a.size() > most) throw std::logic_error("more axes than expected");
  switch (a.size()) {
    case 0:
      return {};
    case 1:
      return {a[0]};
    case 2:
      return {a[0], a[1]};
    case 3:
      return {a[0], a[1], a[2]};
    case 4:
      return {a[0], a[1], a[2], a[3]};
    default:
      return {a[0], a[1], a[2], a[3], a[4]};
  }
}

inline tp::Indices tokens_of(const Instruction& i) {
  tp::Indices tokens(tp::Indices::shape_type(i.shape.begin(), i.shape.end()));
  std::copy(i.integers.begin(), i.integers.end(), tokens.data());
  return tokens;
}

template <class T>
class TapestryRun {
 public:
  explicit TapestryRun(const Program& program) : program_(program), values_(program.value_count) {
    for (const Leaf& leaf : program.leaves)
      parameters_.emplace_back(array_of<T>(leaf.shape, leaf.data), "v" + text_of(leaf.value));
  }

  /// Runs the program anew, on the tape of the run before.
  Outcome operator()(const Way& way);

 private:
  using Variable = tp::Variable<T>;

  void forward(const Way& way);
  void make_leaves(const Way& way);
  void store(std::size_t value, Variable variable);
  void run(const Instruction& i);
  Variable value_of(const Instruction& i);
  Variable function_of(const Instruction& i);
  Variable rearranged(const Instruction& i);
  Variable in(const Instruction& i, std::size_t k = 0);

  void backward();
  void collect(const std::vector<Variable>& gradients);
  std::vector<Variable> gradients(const Variable& y, bool differentiable);
  Variable constant(const Extents& shape, const Numbers& data) {
    return tape_.constant(array_of<T>(shape, data));
  }

  const Program& program_;
  tp::Tape<T> tape_;
  std::deque<tp::Parameter<T>> parameters_;  // one for each leaf, used or not
  std::vector<Variable> values_;
  std::vector<Variable> leaves_;
  std::vector<std::size_t> uses_;
  bool watch_each_use_ = false;
  Outcome outcome_;
};

template <class T>
Outcome TapestryRun<T>::operator()(const Way& way) {
  outcome_ = {};
  outcome_.shapes.resize(program_.value_count);
  outcome_.values.resize(program_.value_count);
  outcome_.differentiable.resize(program_.value_count);
  outcome_.gradients.resize(program_.leaves.size());
  outcome_.second.resize(program_.leaves.size());
  tape_.clear();
  tape_.set_primitive(way.primitive);
  tape_.retain_all(way.retain);
  if (way.gradient == Way::none) {
    const auto off = tape_.no_grad();
    forward(way);
  } else {
    forward(way);
    if (way.gradient == Way::backward) {
      backward();
    } else {
      Variable loss = tape_.constant(T{0});
      for (const Root& root : program_.roots)
        if (const Variable& v = values_[root.value]; v.requires_grad())
          loss = loss + sum(v * constant(outcome_.shapes[root.value], root.weights));
      if (!way.keep_handles) values_.assign(values_.size(), {});
      if (loss.requires_grad()) collect(gradients(loss, way.gradient == Way::differentiable));
    }
  }
  values_.assign(values_.size(), {});
  leaves_.clear();
  return std::move(outcome_);
}

template <class T>
void TapestryRun<T>::forward(const Way& way) {
  uses_.assign(program_.value_count, way.keep_handles ? 1 : 0);
  for (const Instruction& i : program_.instructions)
    for (const std::size_t v : i.inputs) ++uses_[v];
  for (const Root& root : program_.roots) ++uses_[root.value];
  make_leaves(way);
  for (const Instruction& i : program_.instructions) {
    run(i);
    for (const std::size_t v : i.inputs)
      if (--uses_[v] == 0) values_[v] = {};
  }
}

/// A parameter becomes a variable at each use where that makes no difference to what is asked.
template <class T>
void TapestryRun<T>::make_leaves(const Way& way) {
  watch_each_use_ = way.gradient == Way::backward;
  leaves_.clear();
  for (std::size_t k = 0; k < program_.leaves.size(); ++k) {
    const Leaf& leaf = program_.leaves[k];
    parameters_[k].zero_grad();
    if (leaf.kind == LeafKind::parameter)
      leaves_.push_back(tape_.watch(parameters_[k]));
    else if (leaf.kind == LeafKind::variable)
      leaves_.push_back(tape_.variable(parameters_[k].value()));
    else
      leaves_.push_back(tape_.constant(parameters_[k].value()));
    store(leaf.value, leaves_.back());
  }
}

template <class T>
void TapestryRun<T>::store(std::size_t value, Variable variable) {
  outcome_.values[value] = numbers_of(variable.value());
  const tp::Shape shape = variable.shape();
  outcome_.shapes[value] = Extents(shape.begin(), shape.end());
  outcome_.differentiable[value] = variable.requires_grad();
  if (uses_[value] > 0) values_[value] = std::move(variable);
}

template <class T>
tp::Variable<T> TapestryRun<T>::in(const Instruction& i, std::size_t k) {
  const std::size_t value = i.inputs.at(k);
  if (watch_each_use_)
    for (std::size_t n = 0; n < program_.leaves.size(); ++n)
      if (program_.leaves[n].value == value && program_.leaves[n].kind == LeafKind::parameter)
        return tape_.watch(parameters_[n]);
  return values_[value];
}

template <class T>
void TapestryRun<T>::run(const Instruction& i) {
  if (i.op != Op::split) return store(i.results[0], value_of(i));
  const std::vector<Variable> parts =
      split(in(i), static_cast<std::size_t>(i.integers[0]), i.axis());
  for (std::size_t j = 0; j < parts.size(); ++j) store(i.results.at(j), parts[j]);
}

template <class T>
tp::Variable<T> TapestryRun<T>::value_of(const Instruction& i) {
  if (i.op <= Op::less_equal_number) return function_of(i);
  if (i.op >= Op::reshape) return rearranged(i);
  const T c = static_cast<T>(i.number);
  switch (i.op) {
    case Op::where_number:
      return where(in(i), in(i, 1), c);
    case Op::where_number_first:
      return where(in(i), c, in(i, 1));
    case Op::add:
      return in(i) + in(i, 1);
    case Op::subtract:
      return in(i)-in(i, 1);
    case Op::multiply:
      return in(i)*in(i, 1);
    case Op::divide:
      return in(i) / in(i, 1);
    case Op::pow:
      return pow(in(i), in(i, 1));
    case Op::maximum:
      return maximum(in(i), in(i, 1));
    case Op::minimum:
      return minimum(in(i), in(i, 1));
    case Op::greater:
      return in(i) > in(i, 1);
    case Op::less:
      return in(i) < in(i, 1);
    case Op::greater_equal:
      return in(i) >= in(i, 1);
    case Op::less_equal:
      return in(i) <= in(i, 1);
    case Op::equal:
      return equal(in(i), in(i, 1));
    case Op::where:
      return where(in(i), in(i, 1), in(i, 2));
    case Op::sum:
      return sum(in(i), axes_of(i), i.flag);
    case Op::mean:
      return mean(in(i), axes_of(i), i.flag);
    case Op::max:
      return max(in(i), axes_of(i), i.flag);
    case Op::min:
      return min(in(i), axes_of(i), i.flag);
    case Op::prod:
      return prod(in(i), axes_of(i), i.flag);
    case Op::var:
      return var(in(i), axes_of(i), {.keepdims = i.flag});
    case Op::cumsum:
      return cumsum(in(i), i.axis());
    case Op::flip:
      return flip(in(i), axes_of(i));
    case Op::logsumexp:
      return logsumexp(in(i), axes_of(i), i.flag);
    case Op::softmax:
      return softmax(in(i), i.axis());
    case Op::log_softmax:
      return log_softmax(in(i), i.axis());
    case Op::cross_entropy: {
      constexpr tp::Reduction reductions[] = {tp::Reduction::mean, tp::Reduction::sum,
                                              tp::Reduction::none};
      return softmax_cross_entropy(
          in(i), tokens_of(i), {.reduction = reductions[i.axis()], .label_smoothing = i.number});
    }
    default:
      throw std::logic_error("an op that the test does not know");
  }
}

template <class T>
tp::Variable<T> TapestryRun<T>::function_of(const Instruction& i) {
  const Variable x = in(i);
  const T c = static_cast<T>(i.number);
  switch (i.op) {
    case Op::negative:
      return -x;
    case Op::exp:
      return exp(x);
    case Op::log:
      return log(x);
    case Op::sqrt:
      return sqrt(x);
    case Op::square:
      return square(x);
    case Op::tanh:
      return tanh(x);
    case Op::sigmoid:
      return sigmoid(x);
    case Op::relu:
      return relu(x);
    case Op::softplus:
      return softplus(x);
    case Op::abs:
      return abs(x);
    case Op::sign:
      return sign(x);
    case Op::sin:
      return sin(x);
    case Op::cos:
      return cos(x);
    case Op::expm1:
      return expm1(x);
    case Op::erf:
      return erf(x);
    case Op::gelu:
      return gelu(x);
    case Op::silu:
      return silu(x);
    case Op::detach:
      return x.detach();
    case Op::add_number:
      return x + c;
    case Op::subtract_from:
      return c - x;
    case Op::multiply_number:
      return x * c;
    case Op::divide_by:
      return x / c;
    case Op::divide_number:
      return c / x;
    case Op::pow_number:
      return pow(x, c);
    case Op::greater_number:
      return x > c;
    case Op::less_equal_number:
      return x <= c;
    default:
      throw std::logic_error("an op that the test does not know");
  }
}

template <class T>
tp::Variable<T> TapestryRun<T>::rearranged(const Instruction& i) {
  std::vector<Variable> all;
  switch (i.op) {
    case Op::reshape:
      return reshape(in(i), tp::Shape(i.shape));
    case Op::expand_dims:
      return expand_dims(in(i), i.axis());
    case Op::squeeze:
      return squeeze(in(i), i.axis());
    case Op::transpose:
      return transpose(in(i), axes_of(i));
    case Op::broadcast_to:
      return broadcast_to(in(i), tp::Shape(i.shape));
    case Op::slice:
      return slice(in(i), i.axis(), i.integers[0], i.integers[1], i.integers[2]);
    case Op::select:
      return select(in(i), i.axis(), i.integers[0]);
    case Op::take:
      return take(in(i), tokens_of(i), i.axis());
    case Op::matmul:
      return matmul(in(i), in(i, 1), {.transpose_a = i.flag, .transpose_b = i.flag_b});
    default:
      break;
  }
  for (std::size_t k = 0; k < i.inputs.size(); ++k) all.push_back(in(i, k));
  return i.op == Op::stack ? stack(all, i.axis()) : concatenate(all, i.axis());
}

template <class T>
void TapestryRun<T>::backward() {
  std::vector<Variable> roots;
  std::vector<tp::Array<T>> weights;
  for (const Root& root : program_.roots) {
    if (!values_[root.value].requires_grad()) continue;
    roots.push_back(values_[root.value]);
    weights.push_back(array_of<T>(outcome_.shapes[root.value], root.weights));
  }
  values_.assign(values_.size(), {});
  if (roots.empty()) return;
  tape_.backward(roots, weights);
  for (std::size_t k = 0; k < program_.leaves.size(); ++k) {
    if (program_.leaves[k].kind == LeafKind::parameter)
      outcome_.gradients[k] = numbers_of(parameters_[k].grad());
    if (program_.leaves[k].kind == LeafKind::variable)
      outcome_.gradients[k] = numbers_of(leaves_[k].grad());
  }
}

template <class T>
std::vector<tp::Variable<T>> TapestryRun<T>::gradients(const Variable& y, bool differentiable) {
  std::vector<Variable> x;
  for (std::size_t k = 0; k < leaves_.size(); ++k)
    if (program_.leaves[k].has_gradient()) x.push_back(leaves_[k]);
  return tp::gradients(y, std::span<const Variable>(x), {.differentiable = differentiable});
}

/// The gradients; and where they can be differentiated, the derivatives of their inner product
/// with the directions.
template <class T>
void TapestryRun<T>::collect(const std::vector<Variable>& found) {
  std::size_t next = 0;
  Variable inner = tape_.constant(T{0});
  for (std::size_t k = 0; k < leaves_.size(); ++k) {
    const Leaf& leaf = program_.leaves[k];
    if (!leaf.has_gradient()) continue;
    const Variable& gradient = found.at(next++);
    outcome_.gradients[k] = numbers_of(gradient.value());
    inner = inner + sum(gradient * constant(leaf.shape, leaf.direction));
  }
  if (!inner.requires_grad()) return;
  const std::vector<Variable> second = gradients(inner, false);
  next = 0;
  for (std::size_t k = 0; k < leaves_.size(); ++k)
    if (program_.leaves[k].has_gradient()) outcome_.second[k] = numbers_of(second[next++].value());
}

}  // namespace differential
