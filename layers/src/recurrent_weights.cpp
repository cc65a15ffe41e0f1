// SPDX-License-Identifier: MIT
// How the parameters of recurrent layers and cells are made and reached.
#include "tapestry/layers/recurrent_weights.hpp"

#include <algorithm>
#include <cmath>

#include "make_weights.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/layers/init.hpp"

namespace tapestry::layers {
namespace {

template <class T>
Array<T> constant(std::size_t size, T value) {
  Array<T> array = Array<T>::from_shape({size});
  array.fill(value);
  return array;
}

}  // namespace

template <class T>
RecurrentWeights<T> make_weights(const StepProgram<T>& program, std::size_t input_size,
                                 const std::string& suffix) {
  const CellShape& o = program.cell;
  const std::size_t rows = o.gates.size() * o.hidden_size;
  tapestry::detail::check_size(o.name, {rows, input_size});
  tapestry::detail::check_size(o.name, {rows, o.state_size()});
  const double bound = 1 / std::sqrt(static_cast<double>(o.hidden_size));
  std::vector<std::string> asked = program.parameters;
  if (!program.is_recorded()) asked = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
  const auto is_asked = [&](const std::string& name) {
    return std::ranges::find(asked, name) != asked.end();
  };
  const auto random = [&](Parameter<T>& parameter, const Shape& shape, const std::string& name) {
    if (is_asked(name)) parameter = Parameter<T>(uniform<T>(shape, bound), name + suffix);
  };
  const auto even = [&](Parameter<T>& parameter, std::size_t size, T value,
                        const std::string& name) {
    if (is_asked(name)) parameter = Parameter<T>(constant(size, value), name + suffix);
  };
  const auto norm = [&](Parameter<T>& gain, Parameter<T>& bias, std::size_t size,
                        const std::string& name) {
    even(gain, size, T{1}, name + "_gain");
    even(bias, size, T{0}, name + "_bias");
  };

  RecurrentWeights<T> w;
  random(w.weight_ih, {rows, input_size}, "weight_ih");
  random(w.weight_hh, {rows, o.state_size()}, "weight_hh");
  if (o.bias) random(w.bias_ih, {rows}, "bias_ih");
  if (o.bias) random(w.bias_hh, {rows}, "bias_hh");
  random(w.weight_hr, {o.proj_size, o.hidden_size}, "weight_hr");
  random(w.peephole, {3 * o.hidden_size}, "peephole");
  norm(w.norm_ih_gain, w.norm_ih_bias, rows, "norm_ih");
  norm(w.norm_hh_gain, w.norm_hh_bias, rows, "norm_hh");
  norm(w.norm_c_gain, w.norm_c_bias, o.hidden_size, "norm_c");
  for (const std::string& name : asked) {
    const bool known = name.starts_with("weight_") || name.starts_with("bias_") ||
                       name.starts_with("norm_") || name == "peephole";
    if (known) continue;
    w.vectors.emplace_back(name, Parameter<T>());
    random(w.vectors.back().second, {o.hidden_size}, name);
  }
  for (std::size_t k = 0; o.learned_initial_state && k < o.states.size(); ++k) {
    const std::string name = initial_name(o, k);
    Parameter<T> zeros(constant(o.state_size(k), T{0}), name + suffix);
    if (k == 0)
      w.h0 = std::move(zeros);
    else if (k == 1)
      w.c0 = std::move(zeros);
    else
      w.vectors.emplace_back(name, std::move(zeros));
  }
  return w;
}

template <class T>
void set_bias(const CellShape& cell, RecurrentWeights<T>& weights, std::string_view gate,
              double value) {
  const std::size_t first = cell.place_of(gate) * cell.hidden_size;
  std::fill_n(weights.bias_ih.storage().data() + first, cell.hidden_size, static_cast<T>(value));
  std::fill_n(weights.bias_hh.storage().data() + first, cell.hidden_size, T{0});
}

std::string initial_name(const CellShape& cell, std::size_t state) {
  if (state < 2) return state == 0 ? "h0" : "c0";
  return cell.states[state] + "0";
}

template <class T>
Parameter<T>& RecurrentWeights<T>::vector(std::string_view name) {
  for (auto& [other, parameter] : vectors)
    if (other == name) return parameter;
  throw ArgumentError("weights", "there is no vector '" + std::string(name) + "'");
}

TAPESTRY_INSTANTIATE(make_weights, set_bias)
TAPESTRY_INSTANTIATE_TYPES(struct RecurrentWeights)

}  // namespace tapestry::layers
