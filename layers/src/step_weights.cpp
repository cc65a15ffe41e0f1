// SPDX-License-Identifier: MIT
// What a cell's equations are written in.
#include <algorithm>
#include <vector>

#include "standardise.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/layers/cell.hpp"

namespace tapestry::layers {

std::size_t CellShape::place_of(std::string_view gate) const {
  const auto found = std::ranges::find(gates, gate);
  if (found != gates.end()) return static_cast<std::size_t>(found - gates.begin());
  std::string names;
  for (const std::string& other : gates) names += (names.empty() ? "" : ", ") + other;
  throw ArgumentError(name, "there is no gate '" + std::string(gate) + "'; there are: " + names);
}

template <class T>
auto StepWeights<T>::range(std::string_view first, std::string_view last) const -> Rows {
  const std::size_t from = cell_.place_of(first), to = cell_.place_of(last);
  if (to < from)
    throw ArgumentError(cell_.name, "gate '" + std::string(last) + "' comes before '" +
                                        std::string(first) + "' in the rows of the weights");
  return {from * cell_.hidden_size, (to + 1 - from) * cell_.hidden_size};
}

template <class T>
Variable<T> StepWeights<T>::of_input(const Variable<T>& x, Rows rows) const {
  return affine(source_.input_mask.valid() ? x * source_.input_mask : x, "ih", rows);
}

template <class T>
Variable<T> StepWeights<T>::of_hidden(const Variable<T>& h, Rows rows) const {
  return affine(source_.state_mask.valid() ? h * source_.state_mask : h, "hh", rows);
}

/// Layer norm, where it is asked for, stands between the product and the bias.
template <class T>
Variable<T> StepWeights<T>::affine(const Variable<T>& x, std::string_view kind, Rows rows) const {
  const std::string weight = "weight_" + std::string(kind), bias = "bias_" + std::string(kind);
  const std::string_view own_bias = cell_.bias && !cell_.layer_norm ? bias : std::string_view();
  if (Variable<T> y = source_.affine(x, weight, own_bias, rows.first, rows.count); y.valid()) {
    if (!cell_.layer_norm) return y;
    y = norm(y, "norm_" + std::string(kind), rows);
    return cell_.bias ? y + part(source_.use(bias), rows) : y;
  }
  Variable<T> y = matmul(x, part(source_.use(weight), rows), {.transpose_b = true});
  if (cell_.layer_norm) y = norm(y, "norm_" + std::string(kind), rows);
  return cell_.bias ? y + part(source_.use(bias), rows) : y;
}

template <class T>
Variable<T> StepWeights<T>::part(const Variable<T>& whole, Rows rows) const {
  if (rows.count == whole.shape()[0]) return whole;
  const auto first = static_cast<std::int64_t>(rows.first);
  return slice(whole, 0, first, first + static_cast<std::int64_t>(rows.count));
}

template <class T>
Variable<T> StepWeights<T>::norm(const Variable<T>& x, std::string_view name, Rows rows) const {
  const Variable<T> y = standardised(x) * part(source_.use(std::string(name) + "_gain"), rows);
  return cell_.bias ? y + part(source_.use(std::string(name) + "_bias"), rows) : y;
}

/// Each row of x with mean 0 and variance 1, taken over as many gates as one norm spans.
template <class T>
Variable<T> StepWeights<T>::standardised(const Variable<T>& x) const {
  const auto end = static_cast<std::int64_t>(x.shape().back());
  const auto width = static_cast<std::int64_t>(cell_.norm_gates * cell_.hidden_size);
  std::vector<Variable<T>> blocks;
  for (std::int64_t start = 0; start < end; start += width)
    blocks.push_back(
        standardise(width < end ? slice(x, -1, start, std::min(start + width, end)) : x));
  return blocks.size() == 1 ? blocks[0] : concatenate(blocks, -1);
}

template <class T>
Variable<T> StepWeights<T>::peephole(std::size_t place) const {
  return part(source_.use("peephole"), {place * cell_.hidden_size, cell_.hidden_size});
}

template <class T>
Variable<T> StepWeights<T>::normed(const Variable<T>& c) const {
  return cell_.layer_norm ? norm(c, "norm_c", {0, cell_.hidden_size}) : c;
}

template <class T>
Variable<T> StepWeights<T>::projected(const Variable<T>& h) const {
  if (cell_.proj_size == 0) return h;
  const Variable<T> y = source_.affine(h, "weight_hr", {}, 0, cell_.proj_size);
  return y.valid() ? y : matmul(h, source_.use("weight_hr"), {.transpose_b = true});
}

TAPESTRY_INSTANTIATE_TYPES(class StepWeights)

}  // namespace tapestry::layers
