// SPDX-License-Identifier: MIT
#include "fused/gru.hpp"

namespace tapestry::layers {
namespace {

struct GruSequence : SequenceOp<GruSequence> {
  static constexpr auto name = "gru_sequence";
  static constexpr auto formula =
      "r = sigmoid(W_ir x + b_ir + W_hr h + b_hr), z alike, "
      "n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h = (1 - z) n + z h, at each step";
  static constexpr auto shapes =
      "(T, B, I), (3H, I), (3H, H), (3H), (3H), (B, H) -> (T, B, H), (B, H)";
  static constexpr std::size_t gates = 3;
  static constexpr std::size_t states = 1;
  // The weights are in the order r z n, what the kernels compute in the order n r z q.
  static constexpr std::size_t width = 4;
  static constexpr std::array<GateBlock, 2> x_blocks{{{0, 1, 2}, {2, 0, 1}}};
  static constexpr GateBlock h_block{0, 1, 3};

  [[nodiscard]] static std::size_t keeps(std::span<const Shape* const> in) {
    const Extents n = extents(*in[x], *in[w_hh]);
    return n.rows() * n.width();
  }

  template <class T>
  void forward(std::span<const Out<T>> y, std::span<const In<T>> in, Memory<T>& memory) const {
    const Extents n = extents(in[x].shape(), in[w_hh].shape());
    T* all_gates = memory.kept() ? memory.kept() : memory.temporary(n.rows() * n.width());
    T* sum_of_biases = memory.temporary(n.width());
    arrange_biases(n, in, sum_of_biases);
    project_inputs<GruSequence>(n, in[x].data, in[w_ih].data, all_gates, memory);
    const StepProduct<GruSequence, T> times_w(n, true, in[w_hh].data, memory);
    for_sequences(n, [&](const Sequences& b) {
      const TimeOrder time(n.steps, reverse);
      const T* h = initial ? b.of_state(in[first_state()].data) : nullptr;
      for (std::size_t s = 0; s < n.steps; ++s) {
        const std::size_t t = time(s);
        T* gates = b.at_step(all_gates, t, n.width());
        for (std::size_t row = 0; row < b.count; ++row)  // x has no part in q
          std::fill_n(gates + row * n.width() + 3 * n.units, n.units, T{0});
        if (h) times_w(b.count, {h, n.units}, {gates + n.units, n.width()}, true);
        T* next_h = b.at_step(y[0].data, t, n.units);
        cell_kernels<T>().gru({b.count, n.units, gates, sum_of_biases, h, next_h});
        h = next_h;
      }
      b.copy_state(y[1].data, h);
    });
  }

  template <class T>
  void backward(KernelBackward<T>& call) const {
    const Extents n = extents(call.input(x).shape(), call.input(w_hh).shape());
    Memory<T>& memory = call.memory();
    T* all_gates = memory.kept();
    const T* by_output = call.grad(0).data;
    T* by_h = memory.temporary(n.state());
    const bool by_initial = initial && call.needs(first_state());
    const StepProduct<GruSequence, T> times_w(n, false, call.input(w_hh).data, memory);
    for_sequences(n, [&](const Sequences& b) {
      const TimeOrder time(n.steps, reverse);
      T* by_b = b.of_state(by_h);
      b.copy_state(by_h, call.grad(1).data ? b.of_state(call.grad(1).data) : nullptr);
      for (std::size_t s = n.steps; s-- > 0;) {
        const std::size_t t = time(s);
        T* gates = b.at_step(all_gates, t, n.width());
        const T* h_before = s > 0     ? b.at_step(call.output(0).data, time(s - 1), n.units)
                            : initial ? b.of_state(call.input(first_state()).data)
                                      : nullptr;
        cell_kernels<T>().gru_back({b.count, n.units, gates, h_before,
                                    by_output ? b.at_step(by_output, t, n.units) : nullptr, by_b});
        if (s > 0 || by_initial)
          times_w(b.count, {gates + n.units, n.width()}, {by_b, n.units}, true);
      }
    });
    if (by_initial) add_state(call.target(first_state()), by_h);
    SequenceGradients<GruSequence, T>(*this, call, all_gates).compute();
  }

  template <class T>
  std::vector<Variable<T>> expand(std::span<const Variable<T>> in) const {
    const auto step = [](const auto& w, const Variable<T>& v, const auto& state) {
      return gru_step(w, v, state);
    };
    return expand_sequence(*this, in, step);
  }

 private:
  /// Of n r z q: those of r and z are only ever needed as a sum.
  template <class T>
  void arrange_biases(const Extents& n, std::span<const In<T>> in, T* sums) const {
    std::fill_n(sums, n.width(), T{0});
    if (!bias) return;
    const T* of_x = in[b_ih].data;
    const T* of_h = in[b_hh].data;
    for (std::size_t i = 0; i < 2 * n.units; ++i) sums[n.units + i] = of_x[i] + of_h[i];
    std::copy_n(of_x + 2 * n.units, n.units, sums);
    std::copy_n(of_h + 2 * n.units, n.units, sums + 3 * n.units);
  }
};

}  // namespace

template <class T>
FusedGru<T> fused_gru(const Variable<T>& x, const SequenceWeights<T>& weights,
                      const Variable<T>& h0, bool reverse) {
  const auto [output, h] =
      apply_sequence<2>(x, weights, std::span<const Variable<T>>(&h0, 1),
                        GruSequence{{.bias = false, .initial = false, .reverse = reverse}});
  return {output, h};
}

template FusedGru<float> fused_gru(const Variable<float>&, const SequenceWeights<float>&,
                                   const Variable<float>&, bool);
template FusedGru<double> fused_gru(const Variable<double>&, const SequenceWeights<double>&,
                                    const Variable<double>&, bool);

}  // namespace tapestry::layers
