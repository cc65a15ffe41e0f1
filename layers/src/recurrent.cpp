// SPDX-License-Identifier: MIT
// How recurrent layers and cells are called: checks, and which way they run.
#include "tapestry/layers/recurrent.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "fused_run.hpp"
#include "lengths.hpp"
#include "primitive_run.hpp"

namespace tapestry::layers {
namespace {

constexpr std::array<const char*, 2> state_names{"h", "c"};

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

/// Collects the values that are given names while nothing is recorded, for `gate` to find them.
template <class T>
class KeepingNamed {
 public:
  KeepingNamed(detail::TapeState<T>& tape, std::vector<Variable<T>>& values)
      : tape_(tape), before_(std::exchange(tape.named_values, &values)) {}
  KeepingNamed(const KeepingNamed&) = delete;
  KeepingNamed& operator=(const KeepingNamed&) = delete;
  ~KeepingNamed() { tape_.named_values = before_; }

 private:
  detail::TapeState<T>& tape_;
  std::vector<Variable<T>>* before_;
};

/// Whether all sequences go on to the last step.
bool are_full(const Lengths* lengths, std::size_t steps) {
  return !lengths || std::ranges::all_of(*lengths, [&](std::size_t n) { return n == steps; });
}

}  // namespace

template <class T, class StateType>
bool Recurrent<T, StateType>::fuses() const {
  const CellOptions& cell = this->cell_options();
  const VariationalDropout& rates = this->options().variational_dropout;
  const bool drops_within = this->training() && (rates.input > 0 || rates.state > 0);
  return !cell.layer_norm && !cell.peephole && cell.proj_size == 0 && !drops_within &&
         has_sequence();
}

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
    const auto result = [&](auto& run) {
      run.run_layers();
      const Variable<T> y = run.output();
      return Result(y, run.state(), {y, first, options.num_layers, options.bidirectional, ends});
    };
    if (fuses() && !tape.primitive && shape[0] > 0 && are_full(lengths, shape[0])) {
      FusedRun<T, State> run(*this, tape, x, initial);
      return result(run);
    }
    std::vector<Variable<T>> values;
    const KeepingNamed<T> keeping(tape, values);
    PrimitiveRun<T, State> run(*this, tape, x, initial, ends);
    Result all = result(run);
    all.keep(std::move(values));
    return all;
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
