// SPDX-License-Identifier: MIT
// Truncated backpropagation through time, which is BPTT(h; h') of Williams and Peng 1990 with
// `window` for h and `stride` for h'. After every `stride` steps, the gradient of the losses of
// these steps is followed back over the last `window` steps. Only the gradient is cut, never the
// state itself.
//
//   steps     0 1 2 3 4 5 6 7 8 9      window 6, stride 4
//   pass 0    L L L L                  L: the loss counts in this pass, and in no other
//   pass 1        r r L L L L          r: the step runs again, so that the gradient reaches it
//   pass 2            r r r r L L
//
// The training loop:
//
//   const auto run = [&](Steps s, const auto& state) {
//     return model.lstm(model.embed(tape, s.of(tokens)), state);
//   };
//   const auto loss = [&](const auto& output, Steps s) {
//     return softmax_cross_entropy(model.head(output), s.of(targets));
//   };
//   const auto update = [&] { adam.step(); adam.zero_grad(); };
//   const TruncationOptions cut{.window = 40, .stride = 20};
//   while (...) carry = truncated_bptt(tape, T, carry, cut, run, loss, update).carry;
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/ops/shape.hpp"
#include "tapestry/autodiff/tape.hpp"

namespace tapestry {

/// The time steps first, first + 1, ..., last - 1.
struct Steps {
  std::size_t first = 0;
  std::size_t last = 0;

  [[nodiscard]] std::size_t size() const { return last - first; }

  /// These steps of an array (T, ...). Throws IndexError when the array does not have them.
  template <class T>
  [[nodiscard]] Array<T> of(const Array<T>& array) const;

  friend bool operator==(const Steps&, const Steps&) = default;
};

struct TruncationOptions {
  /// How many steps a gradient is followed back, counted from the end of a stride.
  std::size_t window = 0;
  /// How many steps lie between two backward passes, at most the window; 0 stands for the window.
  std::size_t stride = 0;
};

/// One backward pass of a truncated gradient.
struct TruncatedPass {
  std::size_t reach = 0;  ///< the earliest step that the gradient reaches
  Steps losses;           ///< the steps whose losses count in this pass

  friend bool operator==(const TruncatedPass&, const TruncatedPass&) = default;
};

/// The passes over a sequence of `steps` steps. Throws ArgumentError when the window is 0 or less
/// than the stride, since then the losses of some steps would not be followed back.
[[nodiscard]] std::vector<TruncatedPass> truncated_passes(std::size_t steps,
                                                          TruncationOptions options);

/// Describes the passes in words, one line for each.
[[nodiscard]] std::string explain(const std::vector<TruncatedPass>& passes);

/// The result of `truncated_bptt`.
template <class Carry>
struct TruncatedBptt {
  Carry carry;                        ///< the state after the last step
  double loss = 0;                    ///< the sum of the losses of the passes
  std::vector<TruncatedPass> passes;  ///< the passes that were made
};

namespace detail {

/// Runs one pass. `carry` moves from the state before the pass's reach to the state before
/// `next_reach`. Returns the output of `run` at the steps whose losses count, (steps, B, ...).
template <class T, class Carry, class Run>
Variable<T> run_pass(const TruncatedPass& pass, std::size_t next_reach, Carry& carry,
                     const Run& run) {
  using State = decltype(run(Steps{}, carry).state);
  std::vector<std::size_t> cuts{pass.losses.first, pass.losses.last};
  if (next_reach > pass.reach) cuts.push_back(next_reach);
  std::sort(cuts.begin(), cuts.end());
  std::vector<Variable<T>> outputs;
  std::optional<State> state;
  Carry next_carry = carry;
  Steps part{pass.reach, pass.reach};
  for (const std::size_t cut : cuts) {
    part = {part.last, cut};
    if (part.size() == 0) continue;
    const auto result = state ? run(part, *state) : run(part, std::as_const(carry));
    state = result.state;
    if (part.first >= pass.losses.first) outputs.push_back(result.output);
    if (cut == next_reach) next_carry = result.state.carry();
  }
  carry = std::move(next_carry);
  return outputs.size() == 1 ? outputs[0] : concatenate(outputs);
}

}  // namespace detail

/// Backpropagates through a sequence of `steps` steps in truncated passes. It starts from `carry`,
/// through which no gradient flows, and returns the state after the last step for the next call.
///
/// `run(Steps, state)` runs the model over some of the steps and returns a struct with `output`
/// (steps, B, ...) and `state`, as recurrent layers do. At the start of a pass `state` is a carry;
/// within the pass it is the state that `run` returned. A state may have any type with a function
/// `carry()`, which returns its values without the tape. `loss(output, Steps)` is the scalar loss
/// of some steps. `update()`, if there is one, is called after each backward pass; without it the
/// gradients of the parameters add up. If the window covers the sequence, the losses are sums over
/// steps and there is no `update`, the gradients are those of the whole sequence. For this, nothing
/// may be random: dropout draws again for steps that run again. `run` must be causal: its output at
/// a step may depend only on this step and earlier ones. A bidirectional layer is not causal; it
/// would start its reverse direction at each cut.
///
/// The tape forgets after each pass what the callbacks recorded, so it needs the memory of `window`
/// steps. Throws what `truncated_passes` and the callbacks throw. Then the tape is as it was
/// before, but updates and gradients of finished passes remain.
template <class T, class Carry, class Run, class Loss>
TruncatedBptt<Carry> truncated_bptt(Tape<T>& tape, std::size_t steps, const Carry& carry,
                                    TruncationOptions options, const Run& run, const Loss& loss,
                                    const std::function<void()>& update = {}) {
  TruncatedBptt<Carry> result{carry, 0, truncated_passes(steps, options)};
  const auto before = tape.mark();
  for (std::size_t p = 0; p < result.passes.size(); ++p) {
    const TruncatedPass& pass = result.passes[p];
    const bool last = p + 1 == result.passes.size();
    const std::size_t next_reach = last ? steps : result.passes[p + 1].reach;
    detail::attempt(tape.state(), [&] {
      const Variable<T> output = detail::run_pass<T>(pass, next_reach, result.carry, run);
      const Variable<T> total = loss(output, pass.losses);
      total.backward();
      result.loss += static_cast<double>(total.item());
    });
    tape.rewind(before);
    if (update) update();
  }
  return result;
}

}  // namespace tapestry
