// SPDX-License-Identifier: MIT
#include "fused/rnn.hpp"

#include "activated.hpp"

namespace tapestry::layers {
namespace {

struct RnnSequence : SequenceOp<RnnSequence> {
  static constexpr auto name = "rnn_sequence";
  static constexpr auto formula = "h = f(W_ih x + b_ih + W_hh h + b_hh), at each step";
  static constexpr auto shapes = "(T, B, I), (H, I), (H, H), (H), (H), (B, H) -> (T, B, H), (B, H)";
  static constexpr std::size_t gates = 1;
  static constexpr std::size_t states = 1;
  static constexpr std::size_t width = 1;
  static constexpr std::array<GateBlock, 1> x_blocks{{{0, 0, 1}}};
  static constexpr GateBlock h_block{0, 0, 1};

  Activation activation;

  // Nothing is kept: the output tells the slope of each activation.
  template <class T>
  void forward(std::span<const Out<T>> y, std::span<const In<T>> in, Memory<T>& memory) const {
    const Extents n = extents(in[x].shape(), in[w_hh].shape());
    T* sum_of_biases = memory.temporary(n.units);
    sum_biases(*this, in, std::span(sum_of_biases, n.units));
    project_inputs<RnnSequence>(n, in[x].data, in[w_ih].data, y[0].data, memory);
    const StepProduct<RnnSequence, T> times_w(n, true, in[w_hh].data, memory);
    for_sequences(n, [&](const Sequences& b) {
      const TimeOrder time(n.steps, reverse);
      const T* h = initial ? b.of_state(in[first_state()].data) : nullptr;
      for (std::size_t s = 0; s < n.steps; ++s) {
        T* next_h = b.at_step(y[0].data, time(s), n.units);
        if (h) times_w(b.count, {h, n.units}, {next_h, n.units}, true);
        cell_kernels<T>().rnn({b.count, n.units, activation, sum_of_biases, next_h});
        h = next_h;
      }
      b.copy_state(y[1].data, h);
    });
  }

  template <class T>
  void backward(KernelBackward<T>& call) const {
    const Extents n = extents(call.input(x).shape(), call.input(w_hh).shape());
    Memory<T>& memory = call.memory();
    T* by_arguments = memory.temporary(n.rows() * n.units);
    const T* by_output = call.grad(0).data;
    T* by_h = memory.temporary(n.state());
    const bool by_initial = initial && call.needs(first_state());
    const StepProduct<RnnSequence, T> times_w(n, false, call.input(w_hh).data, memory);
    for_sequences(n, [&](const Sequences& b) {
      const TimeOrder time(n.steps, reverse);
      T* by_b = b.of_state(by_h);
      b.copy_state(by_h, call.grad(1).data ? b.of_state(call.grad(1).data) : nullptr);
      for (std::size_t s = n.steps; s-- > 0;) {
        const std::size_t t = time(s);
        T* by_argument = b.at_step(by_arguments, t, n.units);
        cell_kernels<T>().rnn_back(
            {b.count, n.units, activation, b.at_step(call.output(0).data, t, n.units),
             by_output ? b.at_step(by_output, t, n.units) : nullptr, by_b, by_argument});
        if (s > 0 || by_initial) times_w(b.count, {by_argument, n.units}, {by_b, n.units}, false);
      }
    });
    if (by_initial) add_state(call.target(first_state()), by_h);
    SequenceGradients<RnnSequence, T>(*this, call, by_arguments).compute();
  }

  template <class T>
  std::vector<Variable<T>> expand(std::span<const Variable<T>> in) const {
    const auto step = [this](const auto& w, const Variable<T>& v, const auto& state) {
      return rnn_step(w, v, state, [this](const auto& a) { return activated(activation, a); });
    };
    return expand_sequence(*this, in, step);
  }
};

}  // namespace

template <class T>
FusedRnn<T> fused_rnn(const Variable<T>& x, const SequenceWeights<T>& weights,
                      Activation activation, const Variable<T>& h0, bool reverse) {
  const auto [output, h] = apply_sequence<2>(
      x, weights, std::span<const Variable<T>>(&h0, 1),
      RnnSequence{{.bias = false, .initial = false, .reverse = reverse}, activation});
  return {output, h};
}

template FusedRnn<float> fused_rnn(const Variable<float>&, const SequenceWeights<float>&,
                                   Activation, const Variable<float>&, bool);
template FusedRnn<double> fused_rnn(const Variable<double>&, const SequenceWeights<double>&,
                                    Activation, const Variable<double>&, bool);

}  // namespace tapestry::layers
