// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/states.hpp"

#include <algorithm>
#include <map>
#include <string>

#include "graph/times.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry {
namespace {

using detail::TapeState;

/// Whether a scope lies in what the filter asks for.
template <class T>
bool passes(const TapeState<T>& tape, std::uint32_t scope, const StateFilter& filter) {
  bool named = filter.scope.empty();
  bool layer = filter.layer < 0;
  for (; scope != 0; scope = tape.scopes[scope].parent) {
    const detail::ScopeEntry& entry = tape.scopes[scope];
    named |= entry.name != detail::none && tape.names[entry.name] == filter.scope;
    layer |= entry.kind == ScopeKind::layer && entry.number == filter.layer;
  }
  return named && layer;
}

}  // namespace

template <class T>
std::vector<StateAt<T>> find_states(const Variable<T>& y,
                                    const std::vector<std::string_view>& names,
                                    StateFilter filter) {
  const char* op = "find_states";
  TapeState<T>& tape = y.state(op);
  std::vector<StateAt<T>> states;
  std::vector<std::vector<std::size_t>> orders;  // by state and part, the place of its name
  std::map<std::int64_t, std::size_t> places;
  for (std::uint32_t i = 0; i <= y.index(); ++i) {
    const detail::Entry<T>& entry = tape.entries[i];
    if (entry.role != Role::op || entry.name == detail::none) continue;
    const auto name = std::ranges::find(names, tape.names[entry.name]);
    if (name == names.end()) continue;
    const std::int64_t time = detail::time_of(tape, entry.scope);
    if (time == no_step || !passes(tape, entry.scope, filter)) continue;
    const auto [place, added] = places.try_emplace(time, states.size());
    if (added) {
      states.push_back({time, {}});
      orders.emplace_back();
    }
    const auto order = static_cast<std::size_t>(name - names.begin());
    std::vector<std::size_t>& own = orders[place->second];
    const auto at = std::ranges::upper_bound(own, order) - own.begin();
    own.insert(own.begin() + at, order);
    std::vector<Variable<T>>& parts = states[place->second].parts;
    parts.insert(parts.begin() + at, Variable<T>(tape, i));
  }
  if (states.empty())
    throw ArgumentError(op,
                        "no value with such a name was recorded in a time step; fused layers "
                        "show theirs after tape.set_primitive(true)");
  for (const StateAt<T>& state : states)
    if (state.parts.size() != states[0].parts.size())
      throw ArgumentError(op, "step " + std::to_string(states[0].time) + " has " +
                                  std::to_string(states[0].parts.size()) +
                                  " such values, but step " + std::to_string(state.time) + " has " +
                                  std::to_string(state.parts.size()));
  return states;
}

template std::vector<StateAt<float>> find_states(const Variable<float>&,
                                                 const std::vector<std::string_view>&, StateFilter);
template std::vector<StateAt<double>> find_states(const Variable<double>&,
                                                  const std::vector<std::string_view>&,
                                                  StateFilter);

}  // namespace tapestry
