// SPDX-License-Identifier: MIT
#include "step_recording.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <span>

#include "steps.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::layers {
namespace {

const RecordedProduct& product_at(const void* op) {
  return *static_cast<const RecordedProduct*>(op);
}

/// Not an op that one can apply: it only ever stands in a recording.
template <class T>
constexpr detail::OpInfo<T> make_info() {
  detail::OpInfo<T> info;
  info.name = "product";
  info.size = sizeof(RecordedProduct);
  info.output_count = [](const void*) { return std::size_t{1}; };
  info.infer = [](const void* op, std::span<const Shape* const> inputs, Shape* outputs) {
    if (inputs[0]->rank() != 2)
      throw ShapeError("product", "a weight multiplies rows (B, n), not " + inputs[0]->str());
    outputs[0] = Shape{(*inputs[0])[0], product_at(op).rows};
  };
  info.forward = [](const void*, std::span<const In<T>>, std::span<const Out<T>> outputs) {
    std::fill_n(outputs[0].data, outputs[0].size(), T(0.5));
  };
  info.copy = [](const void* op, void* storage) { new (storage) RecordedProduct(product_at(op)); };
  return info;
}

template <class T>
constexpr detail::OpInfo<T> product_info = make_info<T>();

}  // namespace

template <class T>
const RecordedProduct* recorded_product(const detail::Node<T>& node) {
  return node.info == &product_info<T> ? &product_at(node.op) : nullptr;
}

template <class T>
StepRecording<T>::StepRecording(const CellShape& cell, const Equations<T>& equations,
                                std::size_t batch, std::size_t input_size, bool input_mask,
                                bool state_mask)
    : cell_(cell) {
  detail::TapeState<T>& state = tape->state();
  x = add_leaf({batch, input_size}, "x");
  std::array<Variable<T>, most_states> before, after;
  for (std::size_t k = 0; k < cell.states.size(); ++k) {
    states.push_back(add_leaf({batch, cell.state_size(k)}, cell.states[k]));
    before[k] = Variable<T>(state, states.back());
  }
  const auto add_mask = [&](Variable<T>& mask, std::size_t width) {
    masks.push_back(add_leaf({batch, width}, "mask"));
    mask = Variable<T>(state, masks.back());
  };
  if (input_mask) add_mask(this->input_mask, input_size);
  if (state_mask) add_mask(this->state_mask, cell.state_size());
  const std::size_t n = cell.states.size();
  equations.step(StepWeights<T>(cell, *this), Variable<T>(state, x), std::span(before).first(n),
                 std::span(after).first(n));
  for (std::size_t k = 0; k < n; ++k)
    if (&after[k].state(cell.name) != &state) state.throw_foreign(cell.name);
  check_next<T>(cell, before, after);
  for (std::size_t k = 0; k < n; ++k) next.push_back(after[k].index());
  this->input_mask = this->state_mask = {};
}

template <class T>
std::uint32_t StepRecording<T>::add_leaf(const Shape& shape, std::string_view name) const {
  detail::TapeState<T>& state = tape->state();
  const std::uint32_t entry = state.add_leaf(shape, Role::input, true, name);
  T* data = state.entries[entry].data;
  for (std::size_t i = 0; i < shape.size(); ++i) data[i] = T(0.3) + T(0.4) * T(i % 7) / T(7);
  return entry;
}

template <class T>
std::size_t StepRecording<T>::place_of(std::string_view name) const {
  const auto found =
      std::ranges::find(parameters, name, [](const auto& p) { return std::string_view(p.first); });
  const auto place = static_cast<std::size_t>(found - parameters.begin());
  if (found == parameters.end()) parameters.emplace_back(name, detail::none);
  return place;
}

template <class T>
Shape StepRecording<T>::shape_of(std::string_view name, std::size_t input_size) const {
  const std::size_t rows = cell_.gates.size() * cell_.hidden_size;
  if (name == "weight_ih") return {rows, input_size};
  if (name == "weight_hh") return {rows, cell_.state_size()};
  if (name == "weight_hr") return {cell_.proj_size, cell_.hidden_size};
  if (name == "peephole") return {3 * cell_.hidden_size};
  const bool all_gates =
      name.starts_with("bias_") || name.starts_with("norm_ih") || name.starts_with("norm_hh");
  return {all_gates ? rows : cell_.hidden_size};
}

template <class T>
Variable<T> StepRecording<T>::use(std::string_view name) const {
  const std::size_t place = place_of(name);
  if (parameters[place].second == detail::none) {
    parameters[place].second = add_leaf(shape_of(name, 0), name);
  }
  return {tape->state(), parameters[place].second};
}

template <class T>
Variable<T> StepRecording<T>::affine(const Variable<T>& x, std::string_view weight,
                                     std::string_view bias, std::size_t first_row,
                                     std::size_t rows) const {
  detail::TapeState<T>& state = tape->state();
  if (&x.state(cell_.name) != &state) state.throw_foreign(cell_.name);
  const RecordedProduct product{
      place_of(weight), bias.empty() ? RecordedProduct::none : place_of(bias), first_row, rows};
  const std::array<std::uint32_t, 1> inputs{x.index()};
  return {state, state.apply(product_info<T>, &product, inputs)};
}

TAPESTRY_INSTANTIATE(recorded_product)
TAPESTRY_INSTANTIATE_TYPES(class StepRecording)

}  // namespace tapestry::layers
