// SPDX-License-Identifier: MIT
#include "sequence.hpp"

#include <string>

#include "sequence_backward.hpp"
#include "sequence_forward.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/op.hpp"

namespace tapestry::layers {
namespace {

struct RecurrentSequence {
  static constexpr auto name = "recurrent_sequence";
  static constexpr auto formula = "h, ... = step(x, h, ...), the equations of a cell, at each step";
  static constexpr auto shapes = "(T, B, I), (B, H), ..., parameters -> (T, B, H), (B, H), ...";
  static constexpr bool over_steps = true;

  std::shared_ptr<const StepProgram<float>> single;  // one of the two
  std::shared_ptr<const StepProgram<double>> twice;
  Lengths lengths;  // empty: all sequences go on to the last step
  bool initial;
  bool reverse;

  template <class T>
  [[nodiscard]] const StepProgram<T>& program() const {
    if constexpr (std::is_same_v<T, float>)
      return *single;
    else
      return *twice;
  }
  [[nodiscard]] const CellShape& cell() const { return single ? single->cell : twice->cell; }
  [[nodiscard]] Schedule schedule(const Shape& x) const {
    if (lengths.empty()) return {x[0], x[1], reverse};
    return {x[0], lengths, reverse};
  }

  [[nodiscard]] std::size_t outputs() const { return 1 + cell().states.size(); }

  /// Throws ShapeError when the shapes do not fit together.
  [[nodiscard]] Shape infer(std::size_t output, std::span<const Shape* const> in) const {
    if (output == 0) single ? check(*single, in) : check(*twice, in);
    const Shape& x = *in[0];
    if (output == 0) return {x[0], x[1], cell().state_size()};
    return {x[1], cell().state_size(output - 1)};
  }

  template <class T>
  void check(const StepProgram<T>& p, std::span<const Shape* const> in) const {
    const auto expect = [&](const std::string& what, const Shape& shape, const Shape& expected) {
      if (!(shape == expected))
        throw ShapeError(p.cell.name,
                         what + " " + shape.str() + " must have shape " + expected.str());
    };
    const Shape& x = *in[0];
    if (x.rank() != 3 || x[2] != p.input_size)
      throw ShapeError(p.cell.name, "x " + x.str() + " must have shape (T, B, " +
                                        std::to_string(p.input_size) + ")");
    const SequenceInputs at{p.masks(), initial ? p.states.size() : 0};
    for (std::size_t k = 0; k < at.states; ++k)
      expect("initial " + p.cell.states[k], *in[at.state(k)], {x[1], p.cell.state_size(k)});
    for (std::size_t k = 0; k < p.parameters.size(); ++k)
      expect(p.parameters[k], *in[at.parameter(k)], p.parameter_shapes[k]);
  }

  [[nodiscard]] std::size_t keeps(std::span<const Shape* const> in) const {
    if (single) return SequenceBase<float>::kept(*single, schedule(*in[0]));
    return SequenceBase<double>::kept(*twice, schedule(*in[0]));
  }

  template <class T>
  void forward(std::span<const Out<T>> y, std::span<const In<T>> in, Memory<T>& memory) const {
    SequenceForward<T>(program<T>(), schedule(in[0].shape()), initial, memory).run(y, in);
  }

  template <class T>
  void backward(KernelBackward<T>& call) const {
    SequenceBackward<T>(program<T>(), schedule(call.input(0).shape()), initial, call).run();
  }

  template <class T>
  std::vector<Variable<T>> expand(std::span<const Variable<T>> in) const {
    const StepProgram<T>& p = program<T>();
    const Shape shape = in[0].shape();
    detail::TapeState<T>& tape = in[0].state(name);
    const SequenceInputs at{p.masks(), initial ? p.states.size() : 0};
    GivenWeights<T> source(p.parameters, in.subspan(at.parameter(0)));
    if (p.input_mask) source.input_mask = in[at.mask(0)];
    if (p.state_mask) source.state_mask = in[at.mask(p.masks() - 1)];
    States<T> state;
    for (std::size_t k = 0; k < at.states; ++k) state[k] = in[at.state(k)];
    const Running<T> running(tape, shape[0], lengths);
    std::vector<Variable<T>> sequence;
    for (std::size_t t = 0; t < shape[0]; ++t) {
      const Scope<T> scope = step_scope(tape, t);
      sequence.push_back(running.pick(t, select(in[0], 0, static_cast<std::int64_t>(t)), T{0}));
    }
    run_steps(tape, p.cell, *p.equations, source, running, reverse, shape[1], sequence, state);
    for (std::size_t t = 0; t < shape[0]; ++t) sequence[t] = running.pick(t, sequence[t], T{0});
    std::vector<Variable<T>> results;
    results.push_back(sequence.empty()
                          ? filled(tape, {0, shape[1], p.cell.state_size()}, T{0}, "output")
                          : stack(sequence));
    results.insert(results.end(), state.begin(),
                   state.begin() + static_cast<std::ptrdiff_t>(p.states.size()));
    return results;
  }

  [[nodiscard]] std::string attributes() const { return cell().name + (reverse ? " reverse" : ""); }
};

template <std::size_t states, class T>
std::array<Variable<T>, 1 + most_states> apply_with(const RecurrentSequence& op,
                                                    std::span<const Variable<T>> inputs) {
  const auto results = apply_fused<1 + states>(op, inputs);
  std::array<Variable<T>, 1 + most_states> all;
  std::ranges::copy(results, all.begin());
  return all;
}

}  // namespace

template <class T>
std::array<Variable<T>, 1 + most_states> apply_sequence(
    const std::shared_ptr<const StepProgram<T>>& program, const Lengths& lengths, bool initial,
    bool reverse, std::span<const Variable<T>> inputs) {
  RecurrentSequence op{{}, {}, lengths, initial, reverse};
  if constexpr (std::is_same_v<T, float>)
    op.single = program;
  else
    op.twice = program;
  switch (program->states.size()) {
    case 1:
      return apply_with<1>(op, inputs);
    case 2:
      return apply_with<2>(op, inputs);
    case 3:
      return apply_with<3>(op, inputs);
    default:
      return apply_with<most_states>(op, inputs);
  }
}

TAPESTRY_INSTANTIATE(apply_sequence)

}  // namespace tapestry::layers
