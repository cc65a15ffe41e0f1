// SPDX-License-Identifier: MIT
// Reading gates and states back from the tape.
#include "tapestry/layers/recurrent_state.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "tapestry/autodiff/detail/expansion.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::layers {
namespace {

using detail::ScopeEntry;

/// Whether `scope` is that of a layer and direction; `direction` is null when there is only one.
template <class T>
bool is_within(const detail::TapeState<T>& tape, const ScopeEntry& scope, std::size_t layer,
               const char* direction) {
  const ScopeEntry* around = &scope;
  if (direction) {
    if (around->name == detail::none || tape.names[around->name] != direction) return false;
    around = &tape.scopes[around->parent];
  }
  return around->kind == ScopeKind::layer && around->number == static_cast<std::int64_t>(layer);
}

/// Whether `scope` is a step of that layer and direction.
template <class T>
bool is_step_of(const detail::TapeState<T>& tape, const ScopeEntry& scope, std::size_t layer,
                const char* direction) {
  return scope.kind == ScopeKind::step &&
         is_within(tape, tape.scopes[scope.parent], layer, direction);
}

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

/// The values of the steps, (B, H) each, as (T, B, H); zeros past the end of a sequence.
template <class T>
Array<T> stacked(const detail::TapeState<T>& tape, const std::map<std::int64_t, std::uint32_t>& at,
                 const Lengths& lengths) {
  const Shape shape = tape.entries[at.begin()->second].shape;
  Array<T> values = Array<T>::from_shape({at.size(), shape[0], shape[1]});
  T* to = values.data();
  std::size_t t = 0;
  for (const auto& [step, index] : at) {
    tape.check_available("gate", index);
    if (!(tape.entries[index].shape == shape))
      throw ShapeError("gate", "shapes differ from step to step: " + shape.str() + " and " +
                                   tape.entries[index].shape.str());
    const T* from = tape.entries[index].data;
    for (std::size_t b = 0; b < shape[0]; ++b, from += shape[1], to += shape[1]) {
      if (lengths.empty() || t < lengths[b])
        std::copy_n(from, shape[1], to);
      else
        std::fill_n(to, shape[1], T{0});
    }
    ++t;
  }
  return values;
}

/// The values of one name within a layer and direction, and the names there are.
template <class T>
struct GateSearch {
  std::string_view name;
  std::size_t batch;
  std::size_t layer;
  const char* direction;                        // null when there is only one
  std::map<std::int64_t, std::uint32_t> found;  // by step
  std::set<std::string> names;

  /// Looks through the entries of a tape from `first` to before `last`.
  void look(const detail::TapeState<T>& tape, std::uint32_t first, std::uint32_t last) {
    for (std::uint32_t i = first; i < last; ++i) look_at(tape, i);
  }

  void look_at(const detail::TapeState<T>& tape, std::uint32_t i) {
    const detail::Entry<T>& entry = tape.entries[i];
    const ScopeEntry& scope = tape.scopes[entry.scope];
    if (entry.role != Role::op || entry.name == detail::none) return;
    if (entry.shape.rank() != 2 || entry.shape[0] != batch) return;
    if (!is_step_of(tape, scope, layer, direction)) return;
    names.insert(tape.names[entry.name]);
    if (tape.names[entry.name] == name) found[scope.number] = i;
  }
};

/// The fused op that computed the layer and direction: the number of its node. `none` if there is
/// no such op.
template <class T>
std::uint32_t fused_node(const detail::TapeState<T>& tape, std::uint32_t first, std::uint32_t last,
                         std::size_t layer, const char* direction) {
  for (std::uint32_t i = first; i < last; ++i) {
    const std::uint32_t node = tape.entries[i].node;
    if (node == detail::none || !tape.nodes[node].info->over_steps) continue;
    if (is_within(tape, tape.scopes[tape.nodes[node].scope], layer, direction)) return node;
  }
  return detail::none;
}

/// Throws when what an op computed cannot be computed again.
template <class T>
void check_repeatable(const detail::TapeState<T>& tape, const detail::Node<T>& node) {
  for (std::uint32_t i = 0; i < node.input_count; ++i)
    tape.check_available("gate", tape.edges[node.first_input + i]);
  if (tape.watched_are_unchanged()) return;
  throw GradientError(
      "gate",
      "a parameter has changed since the call, and gates of a fused op are computed "
      "again; read them before the optimizer's step, or call the layer on a tape "
      "with set_primitive(true)");
}

template <class T>
[[noreturn]] void throw_no_gate(const GateSearch<T>& search, bool unrecorded) {
  std::string text = "no '" + std::string(search.name) + "' in layer " +
                     std::to_string(search.layer) + "; there are: " + joined(search.names);
  if (search.names.empty() && unrecorded)
    text += " (a fused call is read from its record, and recording was off)";
  throw ArgumentError("gate", text);
}

}  // namespace

template <class T>
Array<T> StepRecord<T>::gate(std::string_view name, std::size_t layer, Direction direction) const {
  const detail::TapeState<T>& tape = last.state("gate");
  if (layer >= layers)
    throw IndexError(
        "gate", "there is no layer " + std::to_string(layer) + " among " + std::to_string(layers));
  if (direction == Direction::reverse && !bidirectional)
    throw IndexError("gate", "there is no reverse direction: bidirectional is false");
  const char* way = direction == Direction::forward ? "forward" : "reverse";
  if (!bidirectional) way = nullptr;
  GateSearch<T> search{name, batch, layer, way, {}, {}};
  const std::uint32_t end = last.index() + 1;
  const std::uint32_t fused = fused_node(tape, first, end, layer, way);
  std::optional<detail::Expansion<T>> inside;
  if (!values.empty()) {
    for (const Variable<T>& value : values) search.look_at(tape, value.index());
  } else if (fused == detail::none) {
    search.look(tape, first, end);
  } else {
    check_repeatable(tape, tape.nodes[fused]);
    inside.emplace(tape, fused);
    const auto size = static_cast<std::uint32_t>(inside->tape().entries.size());
    search.look(inside->tape(), inside->input_count(), size);
  }
  const bool unrecorded = tape.entries[last.index()].node == detail::none && steps > 0;
  if (search.found.empty()) throw_no_gate(search, unrecorded);
  return stacked(inside ? inside->tape() : tape, search.found, lengths);
}

template <class T>
Array<T> StepRecord<T>::gate(std::string_view name) const {
  const std::size_t directions = bidirectional ? 2 : 1;
  if (layers * directions == 1) return gate(name, 0, Direction::forward);
  std::vector<std::size_t> shape;
  Array<T> all;
  for (std::size_t k = 0; k < layers * directions; ++k) {
    const Array<T> one =
        gate(name, k / directions, k % directions == 0 ? Direction::forward : Direction::reverse);
    if (k == 0) {
      shape = {layers * directions, one.shape()[0], one.shape()[1], one.shape()[2]};
      all = Array<T>::from_shape(shape);
    }
    std::copy_n(one.data(), one.size(), all.data() + k * one.size());
  }
  return all;
}

template <class T>
void copy_value(const Variable<T>& v, Array<T>& into) {
  const View<T> value = v.value();
  const Shape shape(value.shape());
  if (!(shape == Shape(into.shape())))
    into.resize(std::vector<std::size_t>(shape.begin(), shape.end()));
  std::copy_n(value.data(), value.size(), into.data());
}

TAPESTRY_INSTANTIATE(copy_value)
TAPESTRY_INSTANTIATE_TYPES(struct StepRecord)

}  // namespace tapestry::layers
