// SPDX-License-Identifier: MIT
#include "state_gaps.hpp"

#include <algorithm>
#include <unordered_map>

#include "graph/times.hpp"
#include "tapestry/study/time_table.hpp"

namespace tapestry::detail {
namespace {

template <class T>
class GapFinder {
 public:
  GapFinder(const TapeState<T>& tape, const std::vector<StateAt<T>>& states)
      : tape_(tape), states_(states), furthest_(tape.entries.size(), no_state) {
    for (std::size_t i = 0; i < states.size(); ++i)
      for (const Variable<T>& part : states[i].parts)
        state_of_[part.index()] = static_cast<std::int64_t>(i);
    find_furthest();
  }

  void visit_all(const std::function<void(const StateGap&)>& visit) const {
    for (std::size_t i = 0; i + 2 < states_.size(); ++i)
      for (const Variable<T>& part : states_[i].parts)
        if (furthest_[part.index()] > static_cast<std::int64_t>(i) + 1) {
          visit(follow(i, part.index()));
          break;
        }
  }

 private:
  static constexpr std::int64_t no_state = -1;

  /// The state that an entry is a part of.
  [[nodiscard]] std::int64_t state_of(std::uint32_t entry) const {
    const auto found = state_of_.find(entry);
    return found == state_of_.end() ? no_state : found->second;
  }

  template <class Visit>
  void for_each_input(std::uint32_t entry, const Visit& visit) const {
    if (tape_.entries[entry].node == none) return;
    const Node<T>& node = tape_.nodes[tape_.entries[entry].node];
    for (std::uint32_t slot = 0; slot < node.input_count; ++slot) {
      const std::uint32_t input = tape_.edges[node.first_input + slot];
      if (tape_.entries[input].requires_grad && node.info->differentiable(slot)) visit(input);
    }
  }

  /// The last state that comes next on some way from each entry.
  void find_furthest() {
    for (auto entry = static_cast<std::uint32_t>(tape_.entries.size()); entry-- > 0;) {
      const std::int64_t own = state_of(entry);
      const std::int64_t next = own == no_state ? furthest_[entry] : own;
      if (next == no_state) continue;
      for_each_input(
          entry, [&](std::uint32_t input) { furthest_[input] = std::max(furthest_[input], next); });
    }
  }

  /// The way from a part of state `from` to the first state after the next one.
  [[nodiscard]] StateGap follow(std::size_t from, std::uint32_t part) const {
    std::unordered_map<std::uint32_t, std::uint32_t> before{{part, part}};
    for (std::uint32_t entry = part + 1; entry < tape_.entries.size(); ++entry) {
      bool reached = false;
      for_each_input(entry, [&](std::uint32_t input) {
        const auto found = before.find(input);
        const bool passes = found != before.end() && (input == part || state_of(input) == no_state);
        if (passes && !reached) reached = before.try_emplace(entry, input).second;
      });
      if (reached && state_of(entry) > static_cast<std::int64_t>(from) + 1)
        return gap_along(from, entry, before);
    }
    return {from, from + 2, part, states_[from].time};
  }

  /// Where the way leaves the steps of the two first states.
  [[nodiscard]] StateGap gap_along(
      std::size_t from, std::uint32_t end,
      const std::unordered_map<std::uint32_t, std::uint32_t>& before) const {
    const auto time = [&](std::uint32_t e) { return time_of(tape_, tape_.entries[e].scope); };
    std::uint32_t value = end;
    for (std::uint32_t e = end; before.at(e) != e;) {
      const bool later = time(e) != states_[from].time && time(e) != states_[from + 1].time;
      e = before.at(e);
      if (later) value = e;
    }
    const bool own = state_of(value) == static_cast<std::int64_t>(from) || time(value) == no_step;
    return {from, static_cast<std::size_t>(state_of(end)), value,
            own ? states_[from].time : time(value)};
  }

  const TapeState<T>& tape_;
  const std::vector<StateAt<T>>& states_;
  std::unordered_map<std::uint32_t, std::int64_t> state_of_;
  std::vector<std::int64_t> furthest_;
};

}  // namespace

template <class T>
void for_each_gap(const TapeState<T>& tape, const std::vector<StateAt<T>>& states,
                  const std::function<void(const StateGap&)>& visit) {
  GapFinder<T>(tape, states).visit_all(visit);
}

template void for_each_gap(const TapeState<float>&, const std::vector<StateAt<float>>&,
                           const std::function<void(const StateGap&)>&);
template void for_each_gap(const TapeState<double>&, const std::vector<StateAt<double>>&,
                           const std::function<void(const StateGap&)>&);

}  // namespace tapestry::detail
