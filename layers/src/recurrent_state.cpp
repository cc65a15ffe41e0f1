// SPDX-License-Identifier: MIT
// Reading gates and states back from the tape.
#include "tapestry/layers/recurrent_state.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "tapestry/autodiff/error.hpp"

namespace tapestry::layers {
namespace {

using detail::ScopeEntry;

/// Whether `scope` is a step of that layer and direction.
template <class T>
bool is_step_of(const detail::TapeState<T>& tape, const ScopeEntry& scope, std::size_t layer,
                const char* direction) {
  if (scope.kind != ScopeKind::step) return false;
  const ScopeEntry* around = &tape.scopes[scope.parent];
  if (direction) {
    if (around->name == detail::none || tape.names[around->name] != direction) return false;
    around = &tape.scopes[around->parent];
  }
  return around->kind == ScopeKind::layer && around->number == static_cast<std::int64_t>(layer);
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

}  // namespace

template <class T>
Array<T> StepRecord<T>::gate(std::string_view name, std::size_t layer, Direction direction) const {
  const detail::TapeState<T>& tape = last.state("gate");
  if (layer >= layers)
    throw IndexError(
        "gate", "there is no layer " + std::to_string(layer) + " among " + std::to_string(layers));
  if (direction == Direction::reverse && !bidirectional)
    throw IndexError("gate", "there is no reverse direction: bidirectional is false");
  const std::size_t batch = last.shape()[1];
  const char* way = direction == Direction::forward ? "forward" : "reverse";
  std::map<std::int64_t, std::uint32_t> found;  // by step
  std::set<std::string> names;
  for (std::uint32_t i = first; i < last.index(); ++i) {
    const detail::Entry<T>& entry = tape.entries[i];
    const ScopeEntry& scope = tape.scopes[entry.scope];
    if (entry.role != Role::op || entry.name == detail::none) continue;
    if (entry.shape.rank() != 2 || entry.shape[0] != batch) continue;
    if (!is_step_of(tape, scope, layer, bidirectional ? way : nullptr)) continue;
    names.insert(tape.names[entry.name]);
    if (tape.names[entry.name] == name) found[scope.number] = i;
  }
  if (found.empty())
    throw ArgumentError("gate", "no '" + std::string(name) + "' in layer " + std::to_string(layer) +
                                    "; there are: " + joined(names));
  return stacked(tape, found, lengths);
}

template struct StepRecord<float>;
template struct StepRecord<double>;

}  // namespace tapestry::layers
