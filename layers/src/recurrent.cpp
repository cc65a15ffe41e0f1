// SPDX-License-Identifier: MIT
// The loop over layers, directions and time steps that the recurrent layers have in common.
#include "tapestry/layers/recurrent.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

#include "check.hpp"
#include "lengths.hpp"
#include "recurrence.hpp"

namespace tapestry::layers {
namespace {

constexpr std::array<const char*, 2> state_names{"h", "c"};
constexpr std::array<const char*, 2> initial_names{"h0", "c0"};

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
std::array<std::size_t, 2> widths_of(const CellOptions& cell) {
  return {cell.state_size(), cell.hidden_size};
}

template <class T, std::size_t n>
void check_state(const CellOptions& cell, const Variable<T>& x, const StateParts<T, n>& state,
                 Shape expected) {
  for (std::size_t k = 0; k < n; ++k) {
    if (&state[k].state(cell.kind) != &x.state(cell.kind))
      x.state(cell.kind).throw_foreign(cell.kind);
    expected[expected.rank() - 1] = widths_of(cell)[k];
    if (!(state[k].shape() == expected))
      throw ShapeError(cell.kind, std::string("initial ") + state_names[k] + " " +
                                      state[k].shape().str() + " must have shape " +
                                      expected.str());
  }
}

template <class T>
Scope<T> step_scope(detail::TapeState<T>& tape, std::size_t t) {
  return {tape, "step", ScopeKind::step, static_cast<std::int64_t>(t)};
}

/// A carried array as a constant on the tape of x.
template <class T>
Variable<T> on_tape(const Variable<T>& x, const Array<T>& carried, const char* name) {
  detail::TapeState<T>& state = x.state("carry");
  const Shape shape(carried.shape());
  const Variable<T> constant(state, state.add_leaf(shape, Role::constant, false, name));
  std::copy_n(carried.data(), shape.size(), state.entries[constant.index()].data);
  return constant;
}

template <class T>
HiddenState<T> on_tape(const Variable<T>& x, const HiddenCarry<T>& carry) {
  return {on_tape(x, carry.h, "h0")};
}
template <class T>
CellState<T> on_tape(const Variable<T>& x, const CellCarry<T>& carry) {
  return {on_tape(x, carry.h, "h0"), on_tape(x, carry.c, "c0")};
}

/// Which sequences have not ended at each step.
template <class T>
class Running {
 public:
  Running(detail::TapeState<T>& tape, std::size_t steps, const Lengths& lengths) : at_(steps) {
    const std::size_t first_end =
        lengths.empty() ? steps : *std::min_element(lengths.begin(), lengths.end());
    for (std::size_t t = first_end; t < steps; ++t) {
      at_[t] = filled(tape, {lengths.size(), 1}, T{0}, "running");
      T* running = tape.entries[at_[t].index()].data;
      for (std::size_t b = 0; b < lengths.size(); ++b) running[b] = t < lengths[b] ? T{1} : T{0};
    }
  }

  /// `x` (B, *) where the sequence runs at step t, `otherwise` where it has ended.
  Variable<T> pick(std::size_t t, const Variable<T>& x, const auto& otherwise) const {
    return at_[t].valid() ? where(at_[t], x, otherwise) : x;
  }

 private:
  std::vector<Variable<T>> at_;  // (B, 1): 1 or 0; empty handles where all sequences run
};

}  // namespace

template <class T, class State>
class StackRun {
 public:
  using Layer = Recurrent<T, State>;
  using Parts = typename Layer::Parts;

  StackRun(Layer& layer, detail::TapeState<T>& tape, const Variable<T>& x, const State* initial,
           const Lengths& lengths)
      : layer_(layer),
        options_(layer.options()),
        cell_(layer.cell_options()),
        tape_(tape),
        batch_(x.shape()[1]),
        running_(tape, x.shape()[0], lengths) {
    if (initial) initial_ = parts_of(*initial);
    for (std::size_t t = 0; t < x.shape()[0]; ++t)
      sequence_.push_back(running_.pick(t, select(x, 0, static_cast<std::int64_t>(t)), T{0}));
  }

  void run_layers() {
    for (std::size_t l = 0; l < options_.num_layers; ++l) {
      const Scope<T> scope(tape_, "layer", ScopeKind::layer, static_cast<std::int64_t>(l));
      if (l > 0) drop_between_layers();
      run_layer(l);
    }
  }

  /// (T, B, D·H), or of the layer's own output.
  Variable<T> output() {
    const std::size_t own = layer_.output_size();
    if (own > 0) compute_output();
    const std::size_t width = own > 0 ? own : layer_.directions() * cell_.state_size();
    if (sequence_.empty()) return filled(tape_, {0, batch_, width}, T{0}, "output");
    for (std::size_t t = 0; t < sequence_.size(); ++t)
      sequence_[t] = running_.pick(t, sequence_[t], T{0});
    return stack(sequence_);
  }

  /// Each part (L·D, B, *).
  State state() const {
    Parts parts;
    for (std::size_t k = 0; k < State::parts; ++k) parts[k] = stack(last_[k]);
    return state_of<State>(parts);
  }

 private:
  void drop_between_layers() {
    for (std::size_t t = 0; t < sequence_.size(); ++t) {
      const Scope<T> scope = step_scope(tape_, t);
      sequence_[t] = dropout(sequence_[t], options_.dropout, layer_.training());
    }
  }

  void run_layer(std::size_t l) {
    if (!options_.bidirectional) return run_direction(l, Direction::forward, sequence_);
    std::vector<Variable<T>> forward = sequence_, reverse = sequence_;
    {
      const Scope<T> scope(tape_, "forward", ScopeKind::module, -1);
      run_direction(l, Direction::forward, forward);
    }
    {
      const Scope<T> scope(tape_, "reverse", ScopeKind::module, -1);
      run_direction(l, Direction::reverse, reverse);
    }
    for (std::size_t t = 0; t < sequence_.size(); ++t) {
      const Scope<T> scope = step_scope(tape_, t);
      sequence_[t] = concatenate(std::vector{forward[t], reverse[t]}, -1);
    }
  }

  /// Replaces the inputs in `sequence` by the hidden states, and keeps the last state.
  void run_direction(std::size_t l, Direction direction, std::vector<Variable<T>>& sequence) {
    RecurrentWeights<T>& parameters = layer_.weights(l, direction);
    Parts state = first_state(parameters);
    const StepWeights<T> weights(tape_, cell_, parameters, draw_masks(parameters));
    const std::size_t steps = sequence.size();
    for (std::size_t i = 0; i < steps; ++i) {
      const std::size_t t = direction == Direction::forward ? i : steps - 1 - i;
      const Scope<T> scope = step_scope(tape_, t);
      const Parts next = layer_.step(weights, sequence[t], state);
      for (std::size_t k = 0; k < State::parts; ++k) state[k] = running_.pick(t, next[k], state[k]);
      sequence[t] = state[0];
    }
    for (std::size_t k = 0; k < State::parts; ++k) last_[k].push_back(state[k]);
  }

  /// The given state of the next layer and direction, the learned one, or zeros.
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
      else
        state[k] = filled(tape_, shape, T{0}, initial_names[k]);
    }
    return state;
  }

  StepMasks<T> draw_masks(const RecurrentWeights<T>& parameters) {
    const auto draw = [&](double rate, const Parameter<T>& weight, const char* name) {
      if (!layer_.training() || rate == 0) return Variable<T>();
      const Shape shape{batch_, weight.shape()[1]};
      return dropout(filled(tape_, shape, T{1}, "ones"), rate).named(name);
    };
    const VariationalDropout& rates = options_.variational_dropout;
    return {draw(rates.input, parameters.weight_ih, "input mask"),
            draw(rates.state, parameters.weight_hh, "state mask")};
  }

  void compute_output() {
    const Scope<T> outer(tape_, "output", ScopeKind::module, -1);
    for (std::size_t t = 0; t < sequence_.size(); ++t) {
      const Scope<T> scope = step_scope(tape_, t);
      sequence_[t] = layer_.output(sequence_[t]).named("y");
    }
  }

  Layer& layer_;
  const RecurrentOptions& options_;
  const CellOptions& cell_;
  detail::TapeState<T>& tape_;
  std::size_t batch_;
  Running<T> running_;
  std::optional<Parts> initial_;
  std::vector<Variable<T>> sequence_;                        // what the last layer computed
  std::array<std::vector<Variable<T>>, State::parts> last_;  // of each layer and direction
};

template <class T, class StateType>
auto Recurrent<T, StateType>::run(const Variable<T>& x, const State* initial,
                                  const Lengths* lengths) -> Result {
  const CellOptions& cell = this->cell_options();
  const RecurrentOptions& options = this->options();
  detail::TapeState<T>& tape = x.state(cell.kind);
  const LayerScope<T> scope(tape, *this);
  return detail::attempt(tape, [&] {
    const Shape shape = x.shape();
    if (shape.rank() != 3 || shape[2] != options.input_size)
      throw ShapeError(cell.kind, "input " + shape.str() + " must have shape (T, B, " +
                                      std::to_string(options.input_size) + ")");
    if (initial)
      check_state(cell, x, parts_of(*initial),
                  {options.num_layers * this->directions(), shape[1], 0});
    if (lengths) check_lengths(cell.kind, *lengths, shape[0], shape[1]);
    const auto first = static_cast<std::uint32_t>(tape.entries.size());
    const Lengths ends = lengths ? *lengths : Lengths();
    StackRun<T, State> run(*this, tape, x, initial, ends);
    run.run_layers();
    const Variable<T> y = run.output();
    return Result(y, run.state(), {y, first, options.num_layers, options.bidirectional, ends});
  });
}

template <class T, class StateType>
auto Recurrent<T, StateType>::run(const Variable<T>& x, const Carry& carry, const Lengths* lengths)
    -> Result {
  if (carry.empty()) return run(x, nullptr, lengths);
  return detail::attempt(x.state(this->cell_options().kind), [&] {
    const State state = on_tape(x, carry);
    return run(x, &state, lengths);
  });
}

template <class T, class StateType>
RecurrentCell<T, StateType>::RecurrentCell(const CellOptions& cell, std::size_t input_size)
    : Layer(cell.kind), cell_(cell), input_size_(input_size) {
  check_size(cell.kind, "input_size", input_size);
  check_size(cell.kind, "hidden_size", cell.hidden_size);
  weights_ = make_weights<T>(cell, input_size, "");
}

template <class T, class StateType>
auto RecurrentCell<T, StateType>::run(const Variable<T>& x, const std::optional<Parts>& state)
    -> Parts {
  detail::TapeState<T>& tape = x.state(cell_.kind);
  const LayerScope<T> scope(tape, *this);
  return detail::attempt(tape, [&] {
    const Shape shape = x.shape();
    if (shape.rank() != 2 || shape[1] != input_size_)
      throw ShapeError(cell_.kind, "input " + shape.str() + " must have shape (B, " +
                                       std::to_string(input_size_) + ")");
    if (state) check_state(cell_, x, *state, {shape[0], 0});
    Parts from;
    for (std::size_t k = 0; k < from.size(); ++k)
      from[k] = state ? (*state)[k]
                      : filled(tape, {shape[0], widths_of(cell_)[k]}, T{0}, initial_names[k]);
    return step(StepWeights<T>(tape, cell_, weights_), x, from);
  });
}

template class Recurrent<float, HiddenState<float>>;
template class Recurrent<double, HiddenState<double>>;
template class Recurrent<float, CellState<float>>;
template class Recurrent<double, CellState<double>>;
template class RecurrentCell<float, HiddenState<float>>;
template class RecurrentCell<double, HiddenState<double>>;
template class RecurrentCell<float, CellState<float>>;
template class RecurrentCell<double, CellState<double>>;

}  // namespace tapestry::layers
