// SPDX-License-Identifier: MIT
// How the parameters of recurrent layers and cells are made and reached.
#include "tapestry/layers/recurrent_weights.hpp"

#include <algorithm>
#include <cmath>

#include "check.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/layers/init.hpp"
#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {
namespace {

void check_rate(const char* kind, const char* what, double rate) {
  if (!(rate >= 0 && rate <= 1))
    throw ArgumentError(kind, std::string(what) + " must lie in [0, 1], not " + fixed_text(rate));
}

void check_options(const char* kind, const RecurrentOptions& options) {
  check_size(kind, "input_size", options.input_size);
  check_size(kind, "hidden_size", options.hidden_size);
  check_size(kind, "num_layers", options.num_layers);
  check_rate(kind, "dropout", options.dropout);
  if (options.dropout > 0 && options.num_layers == 1)
    throw ArgumentError(kind,
                        "dropout lies between layers and would do nothing in a single one: use "
                        "layers::Dropout after it, variational_dropout within it, or more layers");
  check_rate(kind, "variational_dropout.input", options.variational_dropout.input);
  check_rate(kind, "variational_dropout.state", options.variational_dropout.state);
}

template <class T>
Array<T> constant(std::size_t size, T value) {
  Array<T> array = Array<T>::from_shape({size});
  array.fill(value);
  return array;
}

}  // namespace

template <class T>
RecurrentWeights<T> make_weights(const CellOptions& o, std::size_t input_size,
                                 const std::string& suffix) {
  const std::size_t rows = o.gates * o.hidden_size;
  tapestry::detail::check_size(o.kind, {rows, input_size});
  tapestry::detail::check_size(o.kind, {rows, o.state_size()});
  const double bound = 1 / std::sqrt(static_cast<double>(o.hidden_size));
  const auto random = [&](Parameter<T>& parameter, const Shape& shape, const char* name) {
    parameter = Parameter<T>(uniform<T>(shape, bound), name + suffix);
  };
  const auto even = [&](Parameter<T>& parameter, std::size_t size, T value, const char* name) {
    parameter = Parameter<T>(constant(size, value), name + suffix);
  };
  const auto norm = [&](Parameter<T>& gain, Parameter<T>& bias, std::size_t size,
                        const std::string& name) {
    even(gain, size, T{1}, (name + "_gain").c_str());
    if (o.bias) even(bias, size, T{0}, (name + "_bias").c_str());
  };

  RecurrentWeights<T> w;
  random(w.weight_ih, {rows, input_size}, "weight_ih");
  random(w.weight_hh, {rows, o.state_size()}, "weight_hh");
  if (o.bias) random(w.bias_ih, {rows}, "bias_ih");
  if (o.bias) random(w.bias_hh, {rows}, "bias_hh");
  if (o.proj_size > 0) random(w.weight_hr, {o.proj_size, o.hidden_size}, "weight_hr");
  if (o.peephole) random(w.peephole, {3 * o.hidden_size}, "peephole");
  if (o.layer_norm) {
    norm(w.norm_ih_gain, w.norm_ih_bias, rows, "norm_ih");
    norm(w.norm_hh_gain, w.norm_hh_bias, rows, "norm_hh");
    if (o.has_cell) norm(w.norm_c_gain, w.norm_c_bias, o.hidden_size, "norm_c");
  }
  if (o.learned_initial_state) {
    even(w.h0, o.state_size(), T{0}, "h0");
    if (o.has_cell) even(w.c0, o.hidden_size, T{0}, "c0");
  }
  return w;
}

template <class T>
RecurrentLayer<T>::RecurrentLayer(CellOptions cell, const RecurrentOptions& options)
    : Layer(cell.kind), options_(options), cell_(cell) {
  check_options(cell.kind, options);
  cell_.learned_initial_state = options.learned_initial_state;
  const std::size_t places = options.num_layers * directions();
  tapestry::detail::check_size(cell.kind,
                               {places, cell.gates * cell.hidden_size,
                                std::max(options.input_size, directions() * cell.state_size())});
  for (std::size_t k = 0; k < places; ++k) {
    const bool lowest = k < directions();
    const std::size_t inputs = lowest ? options.input_size : directions() * cell_.state_size();
    weights_.push_back(make_weights<T>(cell_, inputs, suffix(k)));
  }
}

template <class T>
RecurrentWeights<T>& RecurrentLayer<T>::weights(std::size_t layer, Direction direction) {
  check_there();
  if (layer >= options_.num_layers)
    throw IndexError(cell_.kind, "there is no layer " + std::to_string(layer) + " among " +
                                     std::to_string(options_.num_layers));
  if (direction == Direction::reverse && !options_.bidirectional)
    throw IndexError(cell_.kind, "there is no reverse direction: bidirectional is false");
  return weights_[layer * directions() + static_cast<std::size_t>(direction)];
}

template struct RecurrentWeights<float>;
template struct RecurrentWeights<double>;
template RecurrentWeights<float> make_weights(const CellOptions&, std::size_t, const std::string&);
template RecurrentWeights<double> make_weights(const CellOptions&, std::size_t, const std::string&);
template class RecurrentLayer<float>;
template class RecurrentLayer<double>;

}  // namespace tapestry::layers
