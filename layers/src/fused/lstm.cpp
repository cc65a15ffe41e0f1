// SPDX-License-Identifier: MIT
#include "fused/lstm.hpp"

namespace tapestry::layers {
namespace {

struct LstmSequence : SequenceOp<LstmSequence> {
  static constexpr auto name = "lstm_sequence";
  static constexpr auto formula =
      "i f g o = W_ih x + b_ih + W_hh h + b_hh; c = sigmoid(f) c + sigmoid(i) tanh(g), "
      "h = sigmoid(o) tanh(c), at each step";
  static constexpr auto shapes =
      "(T, B, I), (4H, I), (4H, H), (4H), (4H), (B, H), (B, H) -> (T, B, H), (B, H), (B, H)";
  static constexpr std::size_t gates = 4;
  static constexpr std::size_t states = 2;
  static constexpr std::size_t width = 4;
  static constexpr std::array<GateBlock, 1> x_blocks{{{0, 0, 4}}};
  static constexpr GateBlock h_block{0, 0, 4};

  // The gates of all steps, and then the cells.
  [[nodiscard]] static std::size_t keeps(std::span<const Shape* const> in) {
    const Extents n = extents(*in[x], *in[w_hh]);
    return n.rows() * 5 * n.units;
  }

  template <class T>
  void forward(std::span<const Out<T>> y, std::span<const In<T>> in, Memory<T>& memory) const {
    const Extents n = extents(in[x].shape(), in[w_hh].shape());
    T* all_gates = memory.kept() ? memory.kept() : memory.temporary(n.rows() * n.width());
    T* cells = memory.kept() ? all_gates + n.rows() * n.width() : nullptr;
    T* sum_of_biases = memory.temporary(n.width());
    sum_biases(*this, in, std::span(sum_of_biases, n.width()));
    project_inputs<LstmSequence>(n, in[x].data, in[w_ih].data, all_gates, memory);
    const StepProduct<LstmSequence, T> times_w(n, true, in[w_hh].data, memory);
    for_sequences(n, [&](const Sequences& b) {
      const TimeOrder time(n.steps, reverse);
      const T* h = initial ? b.of_state(in[first_state()].data) : nullptr;
      const T* c = initial ? b.of_state(in[first_state() + 1].data) : nullptr;
      for (std::size_t s = 0; s < n.steps; ++s) {
        const std::size_t t = time(s);
        T* gates = b.at_step(all_gates, t, n.width());
        if (h) times_w(b.count, {h, n.units}, {gates, n.width()}, true);
        T* next_c = cells ? b.at_step(cells, t, n.units) : b.of_state(y[2].data);
        T* next_h = b.at_step(y[0].data, t, n.units);
        cell_kernels<T>().lstm({b.count, n.units, gates, sum_of_biases, c, next_c, next_h});
        h = next_h;
        c = next_c;
      }
      b.copy_state(y[1].data, h);
      b.copy_state(y[2].data, c);
    });
  }

  template <class T>
  void backward(KernelBackward<T>& call) const {
    const Extents n = extents(call.input(x).shape(), call.input(w_hh).shape());
    Memory<T>& memory = call.memory();
    T* all_gates = memory.kept();
    const T* cells = all_gates + n.rows() * n.width();
    const T* by_output = call.grad(0).data;
    T* by_h = memory.temporary(n.state());
    T* by_c = memory.temporary(n.state());
    const bool by_initial = initial && call.needs(first_state());
    const StepProduct<LstmSequence, T> times_w(n, false, call.input(w_hh).data, memory);
    for_sequences(n, [&](const Sequences& b) {
      const TimeOrder time(n.steps, reverse);
      T* by_b = b.of_state(by_h);
      b.copy_state(by_h, call.grad(1).data ? b.of_state(call.grad(1).data) : nullptr);
      b.copy_state(by_c, call.grad(2).data ? b.of_state(call.grad(2).data) : nullptr);
      for (std::size_t s = n.steps; s-- > 0;) {
        const std::size_t t = time(s);
        T* gates = b.at_step(all_gates, t, n.width());
        const T* c_before = s > 0     ? b.at_step(cells, time(s - 1), n.units)
                            : initial ? b.of_state(call.input(first_state() + 1).data)
                                      : nullptr;
        cell_kernels<T>().lstm_back(
            {b.count, n.units, gates, c_before, b.at_step(cells, t, n.units),
             by_output ? b.at_step(by_output, t, n.units) : nullptr, by_b, b.of_state(by_c)});
        if (s > 0 || by_initial) times_w(b.count, {gates, n.width()}, {by_b, n.units}, false);
      }
    });
    if (by_initial) add_state(call.target(first_state()), by_h);
    if (initial && call.needs(first_state() + 1)) add_state(call.target(first_state() + 1), by_c);
    SequenceGradients<LstmSequence, T>(*this, call, all_gates).compute();
  }

  template <class T>
  std::vector<Variable<T>> expand(std::span<const Variable<T>> in) const {
    const auto step = [](const auto& w, const Variable<T>& v, const auto& state) {
      return lstm_step(w, v, state);
    };
    return expand_sequence(*this, in, step);
  }
};

}  // namespace

template <class T>
FusedLstm<T> fused_lstm(const Variable<T>& x, const SequenceWeights<T>& weights,
                        const Variable<T>& h0, const Variable<T>& c0, bool reverse) {
  const std::array<Variable<T>, 2> initial{h0, c0};
  const auto [output, h, c] =
      apply_sequence<3>(x, weights, std::span<const Variable<T>>(initial),
                        LstmSequence{{.bias = false, .initial = false, .reverse = reverse}});
  return {output, h, c};
}

template FusedLstm<float> fused_lstm(const Variable<float>&, const SequenceWeights<float>&,
                                     const Variable<float>&, const Variable<float>&, bool);
template FusedLstm<double> fused_lstm(const Variable<double>&, const SequenceWeights<double>&,
                                      const Variable<double>&, const Variable<double>&, bool);

}  // namespace tapestry::layers
