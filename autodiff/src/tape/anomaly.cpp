// SPDX-License-Identifier: MIT
#include "tape/anomaly.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "tapestry/autodiff/detail/expansion.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::detail {
namespace {

/// "element (1, 2) is nan": the first that is not finite.
template <class T>
std::string first_bad(const T* data, const Shape& shape) {
  const T* bad = std::find_if(data, data + shape.size(), [](T x) { return !std::isfinite(x); });
  const Shape position = position_of(shape, static_cast<std::size_t>(bad - data));
  const char* what = std::isnan(*bad) ? "nan" : *bad > 0 ? "inf" : "-inf";
  return "element " + position.str() + " is " + what;
}

/// "'x' (2, 3) finite".
template <class T>
std::string state_of(const TapeState<T>& state, std::uint32_t index, const T* data) {
  const Entry<T>& entry = state.entries[index];
  const char* how = !data                                  ? "no longer kept"
                    : all_finite(data, entry.shape.size()) ? "finite"
                                                           : "not finite";
  return "'" + state.display_name(index) + "' " + entry.shape.str() + " " + how;
}

template <class T>
std::string inputs_text(const TapeState<T>& state, std::span<const std::uint32_t> inputs) {
  std::string text = "; inputs: ";
  for (std::size_t i = 0; i < inputs.size(); ++i)
    text += (i ? ", " : "") + state_of<T>(state, inputs[i], state.entries[inputs[i]].data);
  return text;
}

/// An op over time steps is run again step by step, which throws where the trouble begins: in its
/// values, or in its gradients. Returns if no step of the definition has any.
template <class T>
void look_inside(const TapeState<T>& state, std::uint32_t node, bool gradients) {
  if (node == none || !state.nodes[node].info->over_steps) return;
  Expansion<T> inside(state, node, true);
  if (!gradients) return;
  std::vector<bool> reached;
  for (std::uint32_t j = 0; j < inside.outputs().size(); ++j)
    reached.push_back(state.has_grad(state.entries[state.nodes[node].first_output + j]));
  inside.compute_gradients(reached);
}

}  // namespace

template <class T>
bool all_finite(const T* data, std::size_t size) {
  return std::all_of(data, data + size, [](T x) { return std::isfinite(x); });
}

template <class T>
void check_results(const TapeState<T>& state, const OpInfo<T>& info,
                   std::span<const std::uint32_t> inputs, std::uint32_t first_output) {
  const std::uint32_t node = state.entries[first_output].node;
  const std::uint32_t count =
      node == none ? state.entries[first_output].group : state.nodes[node].output_count;
  for (std::uint32_t index = first_output; index < first_output + count; ++index) {
    const Entry<T>& entry = state.entries[index];
    if (all_finite(entry.data, entry.shape.size())) continue;
    look_inside(state, entry.node, false);
    throw AnomalyError(info.name, "the result " + entry.shape.str() +
                                      " is not finite: " + first_bad(entry.data, entry.shape) +
                                      inputs_text(state, inputs));
  }
}

template <class T>
void check_seed_finite(const TapeState<T>& state, std::string_view op, std::uint32_t root,
                       const Array<T>& seed) {
  const Shape& shape = state.entries[root].shape;
  if (!all_finite(seed.data(), shape.size()))
    throw AnomalyError(op, "the seed of '" + state.display_name(root) + "' " + shape.str() +
                               " is not finite: " + first_bad(seed.data(), shape));
}

template <class T>
void throw_bad_gradient(const TapeState<T>& state, const Node<T>& node, std::uint32_t slot,
                        const T* gradient, const T* result_gradient) {
  look_inside(state, state.entries[node.first_output].node, true);
  const std::uint32_t input = state.edges[node.first_input + slot];
  const Shape& shape = state.entries[input].shape;
  const std::string result = state_of<T>(state, node.first_output, result_gradient);
  AnomalyError error(
      node.info->name,
      "the gradient by input " + std::to_string(slot) + ", '" + state.display_name(input) + "' " +
          shape.str() + ", is not finite: " + first_bad(gradient, shape) +
          "; gradient of the result " + result +
          inputs_text<T>(state, {state.edges.data() + node.first_input, node.input_count}));
  error.add_place(state.scopes.path(node.scope));
  throw error;
}

TAPESTRY_INSTANTIATE(all_finite, check_results, check_seed_finite, throw_bad_gradient)

}  // namespace tapestry::detail
