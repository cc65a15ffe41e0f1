// SPDX-License-Identifier: MIT
// Included once for each architecture.
#pragma once

#include "fused/cell_kernels.hpp"
#include "tapestry/kernels/detail/batch_loop.hpp"
#include "tapestry/kernels/detail/batch_math.hpp"
#include "tapestry/kernels/detail/xsimd.hpp"

namespace tapestry::layers {

template <class T, detail::Architecture architecture>
struct CellKernelsFor {
  using Batch = detail::BatchOf<T, architecture>;

  static Batch one() { return Batch(T(1)); }

  /// What is at `place` of row `row` of a matrix that is zeros when `matrix` is null.
  static Batch load(const auto& place, const T* matrix, std::size_t offset) {
    return matrix ? place.load(matrix + offset) : Batch(T(0));
  }

  /// Calls `body(row, place)` for all batches of a matrix (rows, units).
  template <class Body>
  static void for_each(std::size_t rows, std::size_t units, const Body& body) {
    for (std::size_t row = 0; row < rows; ++row)
      detail::for_each_batch<Batch>(units, [&](const auto& place) { body(row, place); });
  }

  static void lstm(const LstmStep<T>& s) {
    for_each(s.rows, s.units, [&](std::size_t row, const auto& at) {
      const std::size_t n = s.units;
      T* gates = s.gates + row * 4 * n;
      const auto argument = [&](std::size_t gate) {
        return at.load(gates + gate * n) + at.load(s.bias + gate * n);
      };
      const Batch i = detail::batch_sigmoid(argument(0));
      const Batch f = detail::batch_sigmoid(argument(1));
      const Batch g = detail::batch_tanh(argument(2));
      const Batch o = detail::batch_sigmoid(argument(3));
      const Batch c = detail::multiply_add(f, load(at, s.c_before, row * n), i * g);
      at.store(gates, i);
      at.store(gates + n, f);
      at.store(gates + 2 * n, g);
      at.store(gates + 3 * n, o);
      at.store(s.c + row * n, c);
      at.store(s.h + row * n, o * detail::batch_tanh(c));
    });
  }

  static void lstm_back(const LstmStepBack<T>& s) {
    for_each(s.rows, s.units, [&](std::size_t row, const auto& at) {
      const std::size_t n = s.units;
      T* gates = s.gates + row * 4 * n;
      const Batch i = at.load(gates);
      const Batch f = at.load(gates + n);
      const Batch g = at.load(gates + 2 * n);
      const Batch o = at.load(gates + 3 * n);
      const Batch by_h = load(at, s.by_output, row * n) + load(at, s.by_h, row * n);
      const Batch squashed = detail::batch_tanh(at.load(s.c + row * n));
      const Batch slope = detail::negated_multiply_add(squashed, squashed, one());
      const Batch by_c = detail::multiply_add(by_h * o, slope, at.load(s.by_c + row * n));
      at.store(gates, by_c * g * (i * (one() - i)));
      at.store(gates + n, by_c * load(at, s.c_before, row * n) * (f * (one() - f)));
      at.store(gates + 2 * n, by_c * i * detail::negated_multiply_add(g, g, one()));
      at.store(gates + 3 * n, by_h * squashed * (o * (one() - o)));
      at.store(s.by_c + row * n, by_c * f);
    });
  }

  static void gru(const GruStep<T>& s) {
    for_each(s.rows, s.units, [&](std::size_t row, const auto& at) {
      const std::size_t n = s.units;
      T* gates = s.gates + row * 4 * n;
      const auto biased = [&](std::size_t block) {
        return at.load(gates + block * n) + at.load(s.bias + block * n);
      };
      const Batch r = detail::batch_sigmoid(biased(1));
      const Batch z = detail::batch_sigmoid(biased(2));
      const Batch q = biased(3);
      const Batch fresh = detail::batch_tanh(detail::multiply_add(r, q, biased(0)));
      at.store(gates, fresh);
      at.store(gates + n, r);
      at.store(gates + 2 * n, z);
      at.store(gates + 3 * n, q);
      at.store(s.h + row * n,
               detail::multiply_add(z, load(at, s.h_before, row * n), (one() - z) * fresh));
    });
  }

  static void gru_back(const GruStepBack<T>& s) {
    for_each(s.rows, s.units, [&](std::size_t row, const auto& at) {
      const std::size_t n = s.units;
      T* gates = s.gates + row * 4 * n;
      const Batch fresh = at.load(gates);
      const Batch r = at.load(gates + n);
      const Batch z = at.load(gates + 2 * n);
      const Batch q = at.load(gates + 3 * n);
      const Batch by_h = load(at, s.by_output, row * n) + at.load(s.by_h + row * n);
      const Batch by_fresh = by_h * (one() - z) * detail::negated_multiply_add(fresh, fresh, one());
      const Batch by_z = by_h * (load(at, s.h_before, row * n) - fresh);
      at.store(gates, by_fresh);
      at.store(gates + n, by_fresh * q * (r * (one() - r)));
      at.store(gates + 2 * n, by_z * (z * (one() - z)));
      at.store(gates + 3 * n, by_fresh * r);
      at.store(s.by_h + row * n, by_h * z);
    });
  }

  /// Calls `body(f)` with the activation as a function of a batch, and its slope by its result.
  template <class Body>
  static void with_activation(Activation activation, const Body& body) {
    const Batch zero(T(0));
    switch (activation) {
      case Activation::tanh:
        return body([](const Batch& x) { return detail::batch_tanh(x); },
                    [](const Batch& y) { return detail::negated_multiply_add(y, y, one()); });
      case Activation::relu:  // NaN stays NaN
        return body([=](const Batch& x) { return xsimd::select(x < zero, zero, x); },
                    [=](const Batch& y) { return xsimd::select(y > zero, one(), zero); });
      case Activation::sigmoid:
        return body([](const Batch& x) { return detail::batch_sigmoid(x); },
                    [](const Batch& y) { return y * (one() - y); });
      case Activation::identity:
        return body([](const Batch& x) { return x; }, [](const Batch&) { return one(); });
    }
  }

  static void rnn(const RnnStep<T>& s) {
    with_activation(s.activation, [&](const auto& f, const auto&) {
      for_each(s.rows, s.units, [&](std::size_t row, const auto& at) {
        T* h = s.h + row * s.units;
        at.store(h, f(at.load(h) + at.load(s.bias)));
      });
    });
  }

  static void rnn_back(const RnnStepBack<T>& s) {
    with_activation(s.activation, [&](const auto&, const auto& slope) {
      for_each(s.rows, s.units, [&](std::size_t row, const auto& at) {
        const std::size_t offset = row * s.units;
        const Batch by_h = load(at, s.by_output, offset) + load(at, s.by_h, offset);
        at.store(s.by_argument + offset, by_h * slope(at.load(s.h + offset)));
      });
    });
  }

  /// The sums of neighbouring columns, `count` batches of them. Short sums first: they lose less.
  template <std::size_t count>
  static void sums_of(const ColumnSums<T>& s, const auto* places) {
    constexpr std::size_t block = 64;
    Batch total[count] = {};
    for (std::size_t k = 0; k < count; ++k) total[k] = Batch(T(0));
    for (std::size_t first = 0; first < s.rows; first += block) {
      const std::size_t last = first + block < s.rows ? first + block : s.rows;
      Batch part[count];
      for (std::size_t k = 0; k < count; ++k) part[k] = Batch(T(0));
      for (std::size_t row = first; row < last; ++row)
        for (std::size_t k = 0; k < count; ++k)
          part[k] += places[k].load(s.matrix + row * s.stride);
      for (std::size_t k = 0; k < count; ++k) total[k] += part[k];
    }
    for (std::size_t k = 0; k < count; ++k)
      places[k].store(s.sums, s.accumulate ? places[k].load(s.sums) + total[k] : total[k]);
  }

  static void column_sums(const ColumnSums<T>& s) {
    using Whole = detail::WholeBatch<Batch>;
    constexpr std::size_t n = Batch::size;
    std::size_t column = 0;
    for (; column + 4 * n <= s.columns; column += 4 * n) {
      const Whole places[4] = {Whole(column), Whole(column + n), Whole(column + 2 * n),
                               Whole(column + 3 * n)};
      sums_of<4>(s, places);
    }
    ColumnSums<T> rest = s;
    rest.matrix += column;
    rest.sums += column;
    detail::for_each_batch<Batch>(s.columns - column,
                                  [&](const auto& place) { sums_of<1>(rest, &place); });
  }

  static constexpr CellKernels<T> table{&lstm, &lstm_back, &gru,        &gru_back,
                                        &rnn,  &rnn_back,  &column_sums};
};

template <class T, detail::Architecture architecture>
const CellKernels<T>& cell_kernels_for() {
  return CellKernelsFor<T, architecture>::table;
}

}  // namespace tapestry::layers
