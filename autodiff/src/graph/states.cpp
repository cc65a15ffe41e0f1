// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/states.hpp"

#include <algorithm>
#include <map>
#include <string>

#include "graph/times.hpp"
#include "tapestry/autodiff/detail/expansion.hpp"
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

/// Collects the values with some names, by their time.
template <class T>
class StateSearch {
 public:
  StateSearch(const std::vector<std::string_view>& names, const StateFilter& filter)
      : names_(names), filter_(filter) {}

  /// Looks at the entries of a tape from `first` to before `end`, and at those within its fused ops
  /// over time steps.
  void look(TapeState<T>& tape, std::uint32_t first, std::uint32_t end) {
    for (std::uint32_t i = first; i < end; ++i) {
      const detail::Entry<T>& entry = tape.entries[i];
      if (entry.role != Role::op) continue;
      if (entry.node != detail::none && entry.output == 0 &&
          tape.nodes[entry.node].info->over_steps) {
        look_inside(tape, entry.node);
      } else if (entry.name != detail::none) {
        look_at(tape, i);
      }
    }
  }

  [[nodiscard]] std::vector<StateAt<T>> take() { return std::move(states_); }

 private:
  void look_inside(TapeState<T>& tape, std::uint32_t node) {
    if (!passes(tape, tape.nodes[node].scope, filter_)) return;
    detail::Expansion<T>& inside = detail::Expansion<T>::of(tape, node);
    inside.check_faithful("find_states");
    TapeState<T>& own = inside.tape();
    look(own, inside.input_count(), static_cast<std::uint32_t>(own.entries.size()));
  }

  void look_at(TapeState<T>& tape, std::uint32_t index) {
    const detail::Entry<T>& entry = tape.entries[index];
    const auto name = std::ranges::find(names_, tape.names[entry.name]);
    const std::int64_t time = detail::time_of(tape, entry.scope);
    if (name == names_.end() || time == no_step || !passes(tape, entry.scope, filter_)) return;
    const auto [place, added] = places_.try_emplace(time, states_.size());
    if (added) {
      states_.push_back({time, {}});
      orders_.emplace_back();
    }
    const auto order = static_cast<std::size_t>(name - names_.begin());
    std::vector<std::size_t>& own = orders_[place->second];
    const auto at = std::ranges::upper_bound(own, order) - own.begin();
    own.insert(own.begin() + at, order);
    std::vector<Variable<T>>& parts = states_[place->second].parts;
    parts.insert(parts.begin() + at, Variable<T>(tape, index));
  }

  const std::vector<std::string_view>& names_;
  const StateFilter& filter_;
  std::vector<StateAt<T>> states_;
  std::vector<std::vector<std::size_t>> orders_;  // by state and part, the place of its name
  std::map<std::int64_t, std::size_t> places_;    // of states, by time
};

}  // namespace

template <class T>
std::vector<StateAt<T>> find_states(const Variable<T>& y,
                                    const std::vector<std::string_view>& names,
                                    StateFilter filter) {
  const char* op = "find_states";
  StateSearch<T> search(names, filter);
  search.look(y.state(op), 0, y.index() + 1);
  std::vector<StateAt<T>> states = search.take();
  if (states.empty())
    throw ArgumentError(op, "no value with such a name was recorded in a time step");
  for (const StateAt<T>& state : states)
    if (state.parts.size() != states[0].parts.size())
      throw ArgumentError(op, "step " + std::to_string(states[0].time) + " has " +
                                  std::to_string(states[0].parts.size()) +
                                  " such values, but step " + std::to_string(state.time) + " has " +
                                  std::to_string(state.parts.size()));
  return states;
}

TAPESTRY_INSTANTIATE(find_states)

}  // namespace tapestry
