// SPDX-License-Identifier: MIT
// The driver of the recurrent layers: a cell over layers, directions and steps.
#include "tapestry/layers/recurrent.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"

#include <algorithm>
#include <cstdint>
#include <memory_resource>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "lengths.hpp"
#include "make_weights.hpp"
#include "sequence.hpp"
#include "steps.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/layers/dropout.hpp"

namespace tapestry::layers {
namespace {

void check_rate(const std::string& kind, const char* what, double rate) {
  if (!(rate >= 0 && rate <= 1))
    throw ArgumentError(kind, std::string(what) + " must lie in [0, 1], not " + fixed_text(rate));
}

void check_options(const std::string& kind, const RecurrentOptions& options) {
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

/// Throws ShapeError when a parameter could not be stored.
void check_cell(const CellShape& cell, std::size_t input_size) {
  const std::size_t rows = cell.gates.size() * cell.hidden_size;
  tapestry::detail::check_size(cell.name, {rows, input_size});
  tapestry::detail::check_size(cell.name, {rows, cell.state_size()});
}

template <class T>
void check_state(const CellShape& cell, const Variable<T>& x, std::span<const Variable<T>> state,
                 Shape expected) {
  for (std::size_t k = 0; k < state.size(); ++k) {
    if (&state[k].state(cell.name) != &x.state(cell.name))
      x.state(cell.name).throw_foreign(cell.name);
    expected[expected.rank() - 1] = cell.state_size(k);
    if (!(state[k].shape() == expected))
      throw ShapeError(cell.name, "initial " + cell.states[k] + " " + state[k].shape().str() +
                                      " must have shape " + expected.str());
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

}  // namespace

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

/// One call of a layer.
template <class T>
class RecurrentLayer<T>::Run {
 public:
  Run(RecurrentLayer& layer, detail::TapeState<T>& tape, const Variable<T>& x,
      std::span<const Variable<T>> initial, const Lengths& lengths)
      : layer_(layer),
        o_(layer.options_),
        cell_(layer.cell_),
        tape_(tape),
        steps_(x.shape()[0]),
        batch_(x.shape()[1]),
        initial_(initial),
        lengths_(lengths) {}

  /// A fused op for each layer and direction.
  Variable<T> run_fused(Variable<T> x) {
    for (std::size_t l = 0; l < o_.num_layers; ++l) {
      const Scope<T> scope = layer_scope(l);
      if (l > 0) x = dropout(x, o_.dropout, layer_.training());
      if (!o_.bidirectional) {
        x = fused_direction(x, l, Direction::forward);
        continue;
      }
      std::array<Variable<T>, 2> both;
      for (const Direction direction : {Direction::forward, Direction::reverse}) {
        const Scope<T> inner = direction_scope(direction);
        both[direction == Direction::forward ? 0 : 1] = fused_direction(x, l, direction);
      }
      x = concatenate(std::span<const Variable<T>>(both), -1);
    }
    return x;
  }

  /// Step by step. The output is (T, B, D·H), or that of the layer's own.
  Variable<T> run_primitive(const Variable<T>& x) {
    const Running<T> running(tape_, steps_, lengths_);
    std::vector<Variable<T>> sequence;
    for (std::size_t t = 0; t < steps_; ++t)
      sequence.push_back(running.pick(t, select(x, 0, static_cast<std::int64_t>(t)), T{0}));
    for (std::size_t l = 0; l < o_.num_layers; ++l) {
      const Scope<T> scope = layer_scope(l);
      if (l > 0) drop_between_layers(sequence);
      primitive_layer(l, running, sequence);
    }
    const std::size_t own = layer_.output_size();
    if (own > 0) compute_output(sequence);
    const std::size_t width = own > 0 ? own : layer_.directions() * cell_.state_size();
    if (sequence.empty()) return filled(tape_, {0, batch_, width}, T{0}, "output");
    for (std::size_t t = 0; t < steps_; ++t) sequence[t] = running.pick(t, sequence[t], T{0});
    return stack(sequence);
  }

  /// After the last step, each state (L·D, B, *).
  [[nodiscard]] States<T> state() const {
    States<T> states;
    for (std::size_t k = 0; k < cell_.states.size(); ++k) states[k] = stack(last_[k].all());
    return states;
  }

 private:
  Scope<T> layer_scope(std::size_t l) {
    return {tape_, "layer", ScopeKind::layer, static_cast<std::int64_t>(l)};
  }
  Scope<T> direction_scope(Direction direction) {
    const char* name = direction == Direction::forward ? "forward" : "reverse";
    return {tape_, name, ScopeKind::module, -1};
  }

  /// The given state of the next layer and direction, or the learned one; empty handles if there is
  /// neither, which stands for zeros.
  States<T> first_state(RecurrentWeights<T>& parameters) {
    const auto place = static_cast<std::int64_t>(last_[0].size());
    States<T> state;
    for (std::size_t k = 0; k < cell_.states.size(); ++k) {
      if (!initial_.empty())
        state[k] = select(initial_[k], 0, place);
      else if (cell_.learned_initial_state)
        state[k] = broadcast_to(WatchedWeights<T>(tape_, parameters).use(initial_name(cell_, k)),
                                {batch_, cell_.state_size(k)});
    }
    return state;
  }

  void keep_last(std::span<const Variable<T>> state) {
    for (std::size_t k = 0; k < cell_.states.size(); ++k) last_[k].add(state[k]);
  }

  void draw_masks(WatchedWeights<T>& source, std::size_t input_size) {
    const auto draw = [&](double rate, std::size_t width, const char* name) {
      if (!layer_.training() || rate == 0) return Variable<T>();
      return dropout(filled(tape_, {batch_, width}, T{1}, "ones"), rate).named(name);
    };
    source.input_mask = draw(o_.variational_dropout.input, input_size, "input mask");
    source.state_mask = draw(o_.variational_dropout.state, cell_.state_size(), "state mask");
  }

  Variable<T> fused_direction(const Variable<T>& x, std::size_t l, Direction direction) {
    RecurrentWeights<T>& parameters = layer_.weights(l, direction);
    const auto& program = layer_.program(l);
    const States<T> initial = first_state(parameters);
    WatchedWeights<T> source(tape_, parameters);
    draw_masks(source, x.shape()[2]);
    ShortList<T> inputs;
    inputs.add(x);
    for (const Variable<T>& mask : {source.input_mask, source.state_mask})
      if (mask.valid()) inputs.add(mask);
    for (const Variable<T>& state : initial)
      if (state.valid()) inputs.add(state);
    for (const std::string& name : program->parameters) inputs.add(source.use(name));
    const auto results = apply_sequence(program, lengths_, initial[0].valid(),
                                        direction == Direction::reverse, inputs.all());
    keep_last(std::span(results).subspan(1));
    return results[0];
  }

  void drop_between_layers(std::vector<Variable<T>>& sequence) {
    for (std::size_t t = 0; t < steps_; ++t) {
      const Scope<T> scope = step_scope(tape_, t);
      sequence[t] = dropout(sequence[t], o_.dropout, layer_.training());
    }
  }

  void primitive_layer(std::size_t l, const Running<T>& running,
                       std::vector<Variable<T>>& sequence) {
    if (!o_.bidirectional) return primitive_direction(l, Direction::forward, running, sequence);
    std::vector<Variable<T>> forward = sequence, reverse = sequence;
    for (const Direction direction : {Direction::forward, Direction::reverse}) {
      const Scope<T> scope = direction_scope(direction);
      primitive_direction(l, direction, running,
                          direction == Direction::forward ? forward : reverse);
    }
    for (std::size_t t = 0; t < steps_; ++t) {
      const Scope<T> scope = step_scope(tape_, t);
      sequence[t] = concatenate({forward[t], reverse[t]}, -1);
    }
  }

  void primitive_direction(std::size_t l, Direction direction, const Running<T>& running,
                           std::vector<Variable<T>>& sequence) {
    RecurrentWeights<T>& parameters = layer_.weights(l, direction);
    States<T> state = first_state(parameters);
    for (std::size_t k = 0; k < cell_.states.size(); ++k)
      if (!state[k].valid())
        state[k] = filled(tape_, {batch_, cell_.state_size(k)}, T{0}, initial_names[k]);
    WatchedWeights<T> source(tape_, parameters);
    draw_masks(source, parameters.weight_ih.shape()[1]);
    run_steps(tape_, cell_, *layer_.equations_, source, running, direction == Direction::reverse,
              batch_, sequence, state);
    keep_last(state);
  }

  void compute_output(std::vector<Variable<T>>& sequence) {
    const Scope<T> outer(tape_, "output", ScopeKind::module, -1);
    for (std::size_t t = 0; t < steps_; ++t) {
      const Scope<T> scope = step_scope(tape_, t);
      sequence[t] = layer_.output(sequence[t]).named("y");
    }
  }

  RecurrentLayer& layer_;
  const RecurrentOptions& o_;
  const CellShape& cell_;
  detail::TapeState<T>& tape_;
  std::size_t steps_;
  std::size_t batch_;
  std::span<const Variable<T>> initial_;
  const Lengths& lengths_;
  std::array<ShortList<T>, most_states> last_;  // of each layer and direction
};

template <class T>
RecurrentLayer<T>::RecurrentLayer(CellShape cell, std::shared_ptr<const Equations<T>> equations,
                                  const RecurrentOptions& options)
    : Layer(cell.name),
      options_(options),
      cell_(std::move(cell)),
      equations_(std::move(equations)) {
  check_options(cell_.name, options);
  const std::size_t places = options.num_layers * directions();
  const std::size_t above = directions() * cell_.state_size();
  tapestry::detail::check_size(cell_.name, {places, cell_.gates.size() * cell_.hidden_size,
                                            std::max(options.input_size, above)});
  check_cell(cell_, std::max(options.input_size, above));
  const VariationalDropout& rates = options.variational_dropout;
  const auto record = [&](std::size_t inputs, bool masks) {
    return std::make_shared<StepProgram<T>>(cell_, equations_, inputs, masks && rates.input > 0,
                                            masks && rates.state > 0);
  };
  programs_[0] = record(options.input_size, false);
  programs_[1] = options.num_layers > 1 ? record(above, false) : programs_[0];
  const bool masks = rates.input > 0 || rates.state > 0;
  programs_[2] = masks ? record(options.input_size, true) : programs_[0];
  programs_[3] = masks && options.num_layers > 1 ? record(above, true) : programs_[1];
  for (std::size_t k = 0; k < places; ++k) {
    const bool lowest = k < directions();
    weights_.push_back(
        make_weights<T>(*programs_[0], lowest ? options.input_size : above, suffix(k)));
  }
}

template <class T>
RecurrentWeights<T>& RecurrentLayer<T>::weights(std::size_t layer, Direction direction) {
  check_there();
  if (layer >= options_.num_layers)
    throw IndexError(cell_.name, "there is no layer " + std::to_string(layer) + " among " +
                                     std::to_string(options_.num_layers));
  if (direction == Direction::reverse && !options_.bidirectional)
    throw IndexError(cell_.name, "there is no reverse direction: bidirectional is false");
  return weights_[layer * directions() + static_cast<std::size_t>(direction)];
}

template <class T>
void RecurrentLayer<T>::set_gate_bias(std::string_view gate, double value) {
  for (RecurrentWeights<T>& weights : weights_) set_bias(cell_, weights, gate, value);
}

template <class T>
std::vector<std::string> RecurrentLayer<T>::value_names() const {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    const auto& there = programs_[0]->names;
    const bool known = !programs_[0]->is_recorded() ||
                       std::ranges::find(there, name, &NamedValue::name) != there.end();
    if (known && std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  for (const std::string& gate : cell_.gates)
    if (gate != cell_.states[0]) add(gate);
  for (std::size_t k = cell_.states.size(); k-- > 0;) add(cell_.states[k]);
  for (const NamedValue& value : programs_[0]->names) add(value.name);
  return names;
}

template <class T>
bool RecurrentLayer<T>::is_sigmoid(std::string_view name) const {
  return std::ranges::any_of(programs_[0]->names, [&](const NamedValue& value) {
    return value.name == name && value.is_sigmoid;
  });
}

template <class T>
StepLayer<T>::StepLayer(CellShape cell, std::shared_ptr<const Equations<T>> equations,
                        std::size_t input_size)
    : Layer(cell.name),
      cell_(std::move(cell)),
      equations_(std::move(equations)),
      input_size_(input_size) {
  check_size(cell_.name, "input_size", input_size);
  check_size(cell_.name, "hidden_size", cell_.hidden_size);
  check_cell(cell_, input_size);
  weights_ =
      make_weights<T>(StepProgram<T>(cell_, equations_, input_size, false, false), input_size, "");
}

template <class T>
void StepLayer<T>::set_gate_bias(std::string_view gate, double value) {
  set_bias(cell_, weights_, gate, value);
}

template <class T>
const std::shared_ptr<const StepProgram<T>>& RecurrentLayer<T>::program(std::size_t layer) const {
  const VariationalDropout& rates = options_.variational_dropout;
  const bool masked = training() && (rates.input > 0 || rates.state > 0);
  return programs_[(layer > 0 ? 1 : 0) + (masked ? 2 : 0)];
}

template <class T>
std::string RecurrentLayer<T>::why_not_fused() const {
  if (output_size() > 0) return "the layer computes an output of its own from each state";
  for (std::size_t l = 0; l < std::min<std::size_t>(2, options_.num_layers); ++l)
    if (const std::string& obstacle = program(l)->obstacle(); !obstacle.empty()) return obstacle;
  return {};
}

template <class T>
LayerResult<T> RecurrentLayer<T>::run(const Variable<T>& x, std::span<const Variable<T>> initial,
                                      const Lengths* lengths) {
  detail::TapeState<T>& tape = x.state(cell_.name);
  const LayerScope<T> scope(tape, *this);
  return detail::attempt(tape, [&] {
    const Shape shape = x.shape();
    if (shape.rank() != 3 || shape[2] != options_.input_size)
      throw ShapeError(cell_.name, "input " + shape.str() + " must have shape " +
                                       (options_.batch_first ? "(B, T, " : "(T, B, ") +
                                       std::to_string(options_.input_size) + ")");
    const std::size_t steps = shape[options_.batch_first ? 1 : 0];
    const std::size_t batch = shape[options_.batch_first ? 0 : 1];
    check_state(cell_, x, initial, {options_.num_layers * directions(), batch, 0});
    if (lengths) check_lengths(cell_.name, *lengths, steps, batch);
    const bool full =
        !lengths || std::ranges::all_of(*lengths, [&](std::size_t n) { return n == steps; });
    const auto first = static_cast<std::uint32_t>(tape.entries.size());
    StepRecord<T> record{{},
                         first,
                         steps,
                         batch,
                         options_.num_layers,
                         options_.bidirectional,
                         full ? Lengths() : *lengths};
    const Variable<T> in = options_.batch_first ? swapaxes(x, 0, 1) : x;
    Run run(*this, tape, in, initial, record.lengths);
    Variable<T> y;
    if (fuses() && !tape.primitive && steps > 0) {
      y = run.run_fused(in);
    } else {
      const KeepingNamed<T> keeping(tape, record.values);
      y = run.run_primitive(in);
    }
    record.last = y;
    return LayerResult<T>{options_.batch_first ? swapaxes(y, 0, 1) : y, run.state(),
                          std::move(record)};
  });
}

template <class T>
LayerResult<T> RecurrentLayer<T>::run(const Variable<T>& x,
                                      std::span<const Array<T>* const> carried,
                                      const Lengths* lengths) {
  return detail::attempt(x.state(cell_.name), [&] {
    States<T> state;
    for (std::size_t k = 0; k < carried.size(); ++k)
      state[k] = on_tape(x, *carried[k], initial_names[k]);
    return run(x, std::span<const Variable<T>>(state).first(carried.size()), lengths);
  });
}

template <class T>
void StepLayer<T>::run(const Variable<T>& x, std::span<const Variable<T>> state,
                       std::span<Variable<T>> next) {
  detail::TapeState<T>& tape = x.state(cell_.name);
  const LayerScope<T> scope(tape, *this);
  detail::attempt(tape, [&] {
    const Shape shape = x.shape();
    if (shape.rank() != 2 || shape[1] != input_size_)
      throw ShapeError(cell_.name, "input " + shape.str() + " must have shape (B, " +
                                       std::to_string(input_size_) + ")");
    check_state(cell_, x, state, {shape[0], 0});
    States<T> from;
    for (std::size_t k = 0; k < cell_.states.size(); ++k)
      from[k] = !state.empty()
                    ? state[k]
                    : filled(tape, {shape[0], cell_.state_size(k)}, T{0}, initial_names[k]);
    const WatchedWeights<T> source(tape, weights_);
    equations_->step(StepWeights<T>(cell_, source), x,
                     std::span<const Variable<T>>(from).first(cell_.states.size()), next);
  });
}

TAPESTRY_INSTANTIATE_TYPES(class RecurrentLayer, class StepLayer)

}  // namespace tapestry::layers
