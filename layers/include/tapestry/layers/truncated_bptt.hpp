// SPDX-License-Identifier: MIT
// Truncated backpropagation through time, BPTT(h; h') of Williams and Peng 1990, with `window` for
// h and `stride` for h': after every `stride` steps, the gradient of their losses is followed back
// over the last `window` steps. The state itself is never cut, only its gradient.
//
//   steps     0 1 2 3 4 5 6 7 8 9      window 6, stride 4
//   pass 0    L L L L                  L: its loss counts in this pass, once in all
//   pass 1        r r L L L L          r: run again, for the gradient to reach back here
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

/// The time steps first, first + 1, ... before last.
struct Steps {
  std::size_t first = 0;
  std::size_t last = 0;

  [[nodiscard]] std::size_t size() const { return last - first; }

  /// These steps of an array (T, ...). IndexError when it does not have them.
  template <class T>
  [[nodiscard]] Array<T> of(const Array<T>& array) const;

  friend bool operator==(const Steps&, const Steps&) = default;
};

struct TruncationOptions {
  /// The number of steps that a gradient is followed back, counted from the end of a stride.
  std::size_t window = 0;
  /// The number of steps from one backward pass to the next, at most the window; 0: the window.
  std::size_t stride = 0;
};

/// One backward pass of a truncated gradient.
struct TruncatedPass {
  std::size_t reach = 0;  ///< the earliest step that the gradient gets to
  Steps losses;           ///< the steps whose losses it is of

  friend bool operator==(const TruncatedPass&, const TruncatedPass&) = default;
};

/// The passes over a sequence of `steps` steps. ArgumentError when the window is 0 or less than the
/// stride, since the losses of the steps between would not be followed back to any.
[[nodiscard]] std::vector<TruncatedPass> truncated_passes(std::size_t steps,
                                                          TruncationOptions options);

/// The passes in words, one line for each.
[[nodiscard]] std::string explain(const std::vector<TruncatedPass>& passes);

/// What `truncated_bptt` returns.
template <class Carry>
struct TruncatedBptt {
  Carry carry;                        ///< the state after the last step
  double loss = 0;                    ///< the sum of the losses of the passes
  std::vector<TruncatedPass> passes;  ///< what was done
};

namespace detail {

/// Runs one pass; `carry` goes from the state before its reach to that before `next_reach`.
/// Returns what `run` put out at the steps whose losses count, (steps, B, ...).
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

/// Backpropagates through a sequence of `steps` steps in truncated passes, starting from `carry`
/// (through which no gradient flows), and returns the state after the last step for the next call.
///
/// `run(Steps, state)` runs the model over some of the steps and returns a struct with `output`
/// (steps, B, ...) and `state`, as recurrent layers do; `state` is a carry at the start of a pass
/// and what `run` returned within it. Any state will do that has `carry()`, its values without the
/// tape. `loss(output, Steps)` is the scalar loss of some steps; `update()`, if there is one, is
/// called after each backward pass, without it the gradients of the parameters add up. Where the
/// window covers the sequence, the losses are sums over steps and there is no `update`, they are
/// those of the whole sequence, provided that nothing is random: dropout draws again where steps
/// are run again. `run` must be causal, that is, what it puts out at a step depends on that step
/// and earlier ones only: a bidirectional layer would start its reverse direction at each cut.
///
/// What the callbacks record is forgotten after each pass, so memory is that of `window` steps.
/// Throws what `truncated_passes` and the callbacks throw; the tape is then as it was before, but
/// updates and gradients of the passes that were done remain.
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
