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
    project_inputs<LstmSequence>(n, in[x].data, in[w_ih].data, all_gates);
    const CellKernels<T>& kernels = cell_kernels<T>();
    const TimeOrder time(n.steps, reverse);
    const T* h = initial ? in[first_state()].data : nullptr;
    const T* c = initial ? in[first_state() + 1].data : nullptr;
    for (std::size_t s = 0; s < n.steps; ++s) {
      const std::size_t t = time(s);
      T* step_gates = all_gates + t * n.batch * n.width();
      if (h)
        detail::gemm(false, true, n.batch, n.width(), n.units, h, in[w_hh].data, step_gates, true);
      T* next_c = cells ? cells + t * n.state() : y[2].data;
      T* next_h = y[0].data + t * n.state();
      kernels.lstm({n.batch, n.units, step_gates, sum_of_biases, c, next_c, next_h});
      h = next_h;
      c = next_c;
    }
    copy_state(y[1], h);
    copy_state(y[2], c);
  }

  template <class T>
  void backward(KernelBackward<T>& call) const {
    const Extents n = extents(call.input(x).shape(), call.input(w_hh).shape());
    Memory<T>& memory = call.memory();
    T* all_gates = memory.kept();
    const T* cells = all_gates + n.rows() * n.width();
    const T* by_output = call.grad(0).data;
    const T* by_h = call.grad(1).data;
    T* by_earlier_h = memory.temporary(n.state());
    T* by_c = memory.temporary(n.state());
    if (const T* by_last = call.grad(2).data)
      std::copy_n(by_last, n.state(), by_c);
    else
      std::fill_n(by_c, n.state(), T{0});
    const CellKernels<T>& kernels = cell_kernels<T>();
    const TimeOrder time(n.steps, reverse);
    const bool by_initial = initial && call.needs(first_state());
    for (std::size_t s = n.steps; s-- > 0;) {
      const std::size_t t = time(s);
      T* step_gates = all_gates + t * n.batch * n.width();
      const T* c_before = s > 0     ? cells + time(s - 1) * n.state()
                          : initial ? call.input(first_state() + 1).data
                                    : nullptr;
      kernels.lstm_back({n.batch, n.units, step_gates, c_before, cells + t * n.state(),
                         by_output ? by_output + t * n.state() : nullptr, by_h, by_c});
      if (s > 0 || by_initial)
        step_back<LstmSequence>(n, step_gates, call.input(w_hh).data, by_earlier_h, false);
      by_h = by_earlier_h;
    }
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
