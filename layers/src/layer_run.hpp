// SPDX-License-Identifier: MIT
// What the two ways of running a stack of recurrent layers have in common: step by step in
// primitive ops, and a fused op for each layer and direction.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "recurrence.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/layers/recurrent.hpp"

namespace tapestry::layers {

inline constexpr std::array<const char*, 2> initial_names{"h0", "c0"};

template <class T>
StateParts<T, 1> parts_of(const HiddenState<T>& state) {
  return {state.h};
}
template <class T>
StateParts<T, 2> parts_of(const CellState<T>& state) {
  return {state.h, state.c};
}

template <class State, class Parts>
State state_of(const Parts& parts) {
  return std::apply([](const auto&... part) { return State{part...}; }, parts);
}

/// How wide the parts of a state are: h and c.
inline std::array<std::size_t, 2> widths_of(const CellOptions& cell) {
  return {cell.state_size(), cell.hidden_size};
}

/// A list of variables that needs no memory from the heap while it is short.
template <class T>
class ShortList {
 public:
  ShortList() : list_(&memory_) {}
  ShortList(const ShortList&) = delete;
  ShortList& operator=(const ShortList&) = delete;
  void add(const Variable<T>& v) { list_.push_back(v); }
  [[nodiscard]] std::size_t size() const { return list_.size(); }
  [[nodiscard]] std::span<const Variable<T>> all() const { return list_; }

 private:
  alignas(std::max_align_t) std::array<std::byte, 1024> buffer_;
  std::pmr::monotonic_buffer_resource memory_{buffer_.data(), buffer_.size()};
  std::pmr::vector<Variable<T>> list_;
};

template <class T, class State>
class LayerRun {
 public:
  using Layer = Recurrent<T, State>;
  using Parts = StateParts<T, State::parts>;

  LayerRun(Layer& layer, detail::TapeState<T>& tape, std::size_t batch, const State* initial)
      : layer_(layer),
        options_(layer.options()),
        cell_(layer.cell_options()),
        tape_(tape),
        batch_(batch) {
    if (initial) initial_ = parts_of(*initial);
  }

  /// After the last step, each part (L·D, B, *).
  [[nodiscard]] State state() const {
    Parts parts;
    for (std::size_t k = 0; k < State::parts; ++k) parts[k] = stack(last_[k].all());
    return state_of<State>(parts);
  }

 protected:
  /// Opens the scope of each layer in turn and calls `run(l)`.
  template <class Run>
  void for_each_layer(const Run& run) {
    for (std::size_t l = 0; l < options_.num_layers; ++l) {
      const Scope<T> scope(tape_, "layer", ScopeKind::layer, static_cast<std::int64_t>(l));
      run(l);
    }
  }

  Scope<T> direction_scope(Direction direction) {
    const char* name = direction == Direction::forward ? "forward" : "reverse";
    return {tape_, name, ScopeKind::module, -1};
  }

  /// The given state of the next layer and direction, or the learned one; empty handles if there is
  /// neither, which stands for zeros.
  Parts first_state(RecurrentWeights<T>& parameters) {
    const std::array<Parameter<T>*, 2> learned{&parameters.h0, &parameters.c0};
    const auto place = static_cast<std::int64_t>(last_[0].size());
    Parts state;
    for (std::size_t k = 0; k < State::parts; ++k) {
      const Shape shape{batch_, widths_of(cell_)[k]};
      if (initial_)
        state[k] = select((*initial_)[k], 0, place);
      else if (present(*learned[k]))
        state[k] = broadcast_to(Variable<T>(tape_, tape_.watch(*learned[k])), shape);
    }
    return state;
  }

  void keep_last(const Parts& state) {
    for (std::size_t k = 0; k < State::parts; ++k) last_[k].add(state[k]);
  }

  Layer& layer_;
  const RecurrentOptions& options_;
  const CellOptions& cell_;
  detail::TapeState<T>& tape_;
  std::size_t batch_;

 private:
  std::optional<Parts> initial_;
  std::array<ShortList<T>, State::parts> last_;  // of each layer and direction
};

}  // namespace tapestry::layers
