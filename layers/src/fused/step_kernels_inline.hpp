// SPDX-License-Identifier: MIT
// Included once for each architecture.
#pragma once

#include "fused/step_kernels.hpp"
#include "tapestry/kernels/detail/batch_loop.hpp"
#include "tapestry/kernels/detail/batch_math.hpp"
#include "tapestry/kernels/detail/xsimd.hpp"

namespace tapestry::layers {

template <class T, detail::Architecture architecture>
struct StepKernelsFor {
  using Batch = detail::BatchOf<T, architecture>;

  static Batch one() { return Batch(T(1)); }
  static Batch zero() { return Batch(T(0)); }

  /// Calls `body(row, place)` for all batches. Matrices without gaps are one long row.
  template <class Body>
  static void for_each(std::size_t rows, std::size_t width, bool gaps, const Body& body) {
    if (!gaps)
      return detail::for_each_batch<Batch>(rows * width,
                                           [&](const auto& at) { body(std::size_t{0}, at); });
    for (std::size_t row = 0; row < rows; ++row)
      detail::for_each_batch<Batch>(width, [&](const auto& at) { body(row, at); });
  }
  static bool has_gaps(const StepForward<T>& s) {
    if (s.rows == 1) return false;
    return s.a.stride != s.width || s.y.stride != s.width || (s.b.data && s.b.stride != s.width);
  }
  static bool has_gaps(const StepBackward<T>& s) {
    if (s.forward.rows == 1) return false;
    const std::size_t width = s.forward.width;
    return has_gaps(s.forward) || s.g.stride != width || (s.d_a.data && s.d_a.stride != width) ||
           (s.d_b.data && s.d_b.stride != width);
  }

  static Batch load(const StepRows<T>& m, std::size_t row, const auto& at) {
    return at.load(m.data + row * m.stride);
  }
  static void put(const StepRows<T>& m, std::size_t row, const auto& at, const Batch& value) {
    at.store(m.data + row * m.stride, value);
  }
  static void put(const StepRows<T>& m, std::size_t row, const auto& at, bool adds,
                  const Batch& gradient) {
    put(m, row, at, adds ? load(m, row, at) + gradient : gradient);
  }

  template <class F>
  static void unary(const StepForward<T>& s, const F& f) {
    for_each(s.rows, s.width, has_gaps(s),
             [&](std::size_t row, const auto& at) { put(s.y, row, at, f(load(s.a, row, at))); });
  }
  template <class F>
  static void binary(const StepForward<T>& s, const F& f) {
    for_each(s.rows, s.width, has_gaps(s), [&](std::size_t row, const auto& at) {
      put(s.y, row, at, f(load(s.a, row, at), load(s.b, row, at)));
    });
  }

  static void add(const StepForward<T>& s) {
    binary(s, [](const Batch& a, const Batch& b) { return a + b; });
  }
  static void subtract(const StepForward<T>& s) {
    binary(s, [](const Batch& a, const Batch& b) { return a - b; });
  }
  static void multiply(const StepForward<T>& s) {
    binary(s, [](const Batch& a, const Batch& b) { return a * b; });
  }
  static void linear(const StepForward<T>& s) {
    const Batch p(s.p), q(s.q);
    unary(s, [&](const Batch& a) { return p * a + q; });
  }
  static void tanh(const StepForward<T>& s) {
    unary(s, [](const Batch& a) { return detail::batch_tanh(a); });
  }
  static void sigmoid(const StepForward<T>& s) {
    unary(s, [](const Batch& a) { return detail::batch_sigmoid(a); });
  }
  static void relu(const StepForward<T>& s) {  // NaN stays NaN
    unary(s, [](const Batch& a) { return xsimd::select(a < zero(), zero(), a); });
  }

  /// `f` gives the gradient from g and the result.
  template <class F>
  static void unary_back(const StepBackward<T>& s, const F& f) {
    for_each(s.forward.rows, s.forward.width, has_gaps(s), [&](std::size_t row, const auto& at) {
      put(s.d_a, row, at, s.adds_a, f(load(s.g, row, at), load(s.forward.y, row, at)));
    });
  }

  static void linear_back(const StepBackward<T>& s) {  // the result may be gone
    const Batch p(s.forward.p);
    for_each(s.forward.rows, s.forward.width, has_gaps(s), [&](std::size_t row, const auto& at) {
      put(s.d_a, row, at, s.adds_a, p * load(s.g, row, at));
    });
  }
  static void tanh_back(const StepBackward<T>& s) {
    unary_back(s, [](const Batch& g, const Batch& y) {
      return g * detail::negated_multiply_add(y, y, one());
    });
  }
  static void sigmoid_back(const StepBackward<T>& s) {
    unary_back(s, [](const Batch& g, const Batch& y) { return g * (y * (one() - y)); });
  }
  static void relu_back(const StepBackward<T>& s) {
    unary_back(s,
               [](const Batch& g, const Batch& y) { return xsimd::select(y > zero(), g, zero()); });
  }

  /// Calls `f` with what becomes of a gradient: 0 for none, 1 that it is stored, 2 that it is
  /// added. The number is a constant, so that loops have no branches.
  template <class F>
  static void with_fate(const StepRows<T>& d, bool adds, const F& f) {
    if (!d.data)
      f.template operator()<0>();
    else if (!adds)
      f.template operator()<1>();
    else
      f.template operator()<2>();
  }

  /// `by_a` and `by_b` give the gradients from g and the other operand. All is read before anything
  /// is written.
  template <class ByA, class ByB>
  static void binary_back(const StepBackward<T>& s, const ByA& by_a, const ByB& by_b) {
    const StepForward<T>& f = s.forward;
    if (f.repeats && s.d_b.data) sum_rows(s, by_b);
    with_fate(s.d_a, s.adds_a, [&]<int a>() {
      with_fate(f.repeats ? StepRows<T>{} : s.d_b, s.adds_b, [&]<int b>() {
        if constexpr (a != 0 || b != 0)
          for_each(f.rows, f.width, has_gaps(s), [&](std::size_t row, const auto& at) {
            const Batch g = load(s.g, row, at);
            Batch d_a = g, d_b = g;
            if constexpr (a != 0) d_a = by_a(g, [&] { return load(f.b, row, at); });
            if constexpr (b != 0) d_b = by_b(g, [&] { return load(f.a, row, at); });
            if constexpr (a != 0) put(s.d_a, row, at, a == 2, d_a);
            if constexpr (b != 0) put(s.d_b, row, at, b == 2, d_b);
          });
      });
    });
  }
  template <class ByB>
  static void sum_rows(const StepBackward<T>& s, const ByB& by_b) {
    detail::for_each_batch<Batch>(s.forward.width, [&](const auto& at) {
      Batch sum = zero();
      for (std::size_t row = 0; row < s.forward.rows; ++row)
        sum += by_b(load(s.g, row, at), [&] { return load(s.forward.a, row, at); });
      put(s.d_b, 0, at, load(s.d_b, 0, at) + sum);
    });
  }

  static void add_back(const StepBackward<T>& s) {
    const auto same = [](const Batch& g, const auto&) { return g; };
    binary_back(s, same, same);
  }
  static void subtract_back(const StepBackward<T>& s) {
    binary_back(
        s, [](const Batch& g, const auto&) { return g; },
        [](const Batch& g, const auto&) { return -g; });
  }
  static void multiply_back(const StepBackward<T>& s) {
    const auto times = [](const Batch& g, const auto& other) { return g * other(); };
    binary_back(s, times, times);
  }

  /// Sums over a row, `count` of them at once: `f(place, sums)` adds to each.
  template <std::size_t count, class F>
  static void sums_of(std::size_t n, T (&totals)[count], const F& f) {
    Batch sums[count];
    for (Batch& sum : sums) sum = zero();
    detail::for_each_batch<Batch>(n, [&](const auto& at) { f(at, sums); });
    for (std::size_t k = 0; k < count; ++k) totals[k] = total_of(sums[k]);
  }
  /// One sum, in lanes that do not wait for each other.
  template <class F>
  static T sum_of(std::size_t n, const F& f) {
    constexpr std::size_t together = 4 * Batch::size;
    Batch sums[4] = {zero(), zero(), zero(), zero()};
    std::size_t i = 0;
    for (; i + together <= n; i += together)
      for (std::size_t k = 0; k < 4; ++k)
        sums[k] += f(detail::WholeBatch<Batch>(i + k * Batch::size));
    for (; i + Batch::size <= n; i += Batch::size) sums[0] += f(detail::WholeBatch<Batch>(i));
    if (i < n) sums[1] += f(detail::PartOfBatch<Batch>(i, n - i));
    return total_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
  static T total_of(const Batch& lanes) {
    T each[Batch::size];
    lanes.store_unaligned(each);
    for (std::size_t half = Batch::size / 2; half > 0; half /= 2)
      for (std::size_t k = 0; k < half; ++k) each[k] += each[k + half];
    return each[0];
  }
  static T mean_of(const T* x, std::size_t n) {
    return sum_of(n, [=](const auto& at) { return at.load(x); }) / T(n);
  }
  static T root(T x) {
    T each[Batch::size];
    xsimd::sqrt(Batch(x)).store_unaligned(each);
    return each[0];
  }

  static void standardise(const StepForward<T>& s) {
    for (std::size_t row = 0; row < s.rows; ++row) {
      const T* x = s.a.data + row * s.a.stride;
      T* y = s.y.data + row * s.y.stride;
      const Batch mean(mean_of(x, s.width));
      detail::for_each_batch<Batch>(s.width,
                                    [&](const auto& at) { at.store(y, at.load(x) - mean); });
      const T squares = sum_of(s.width, [=](const auto& at) { return at.load(y) * at.load(y); });
      const Batch scale(T(1) / root(squares / T(s.width) + s.p));
      detail::for_each_batch<Batch>(s.width,
                                    [&](const auto& at) { at.store(y, at.load(y) * scale); });
    }
  }
  // With s = 1 / deviation: d_x = s (g - mean(g) - y mean(g y)); and y = s (x - mean(x)).
  static void standardise_back(const StepBackward<T>& s) {
    const std::size_t n = s.forward.width;
    for (std::size_t row = 0; row < s.forward.rows; ++row) {
      const T* x = s.forward.a.data + row * s.forward.a.stride;
      const T* y = s.forward.y.data + row * s.forward.y.stride;
      const T* g = s.g.data + row * s.g.stride;
      T totals[4];
      sums_of(n, totals, [=](const auto& at, Batch* sums) {
        const Batch of_y = at.load(y), of_g = at.load(g);
        sums[0] += at.load(x);
        sums[1] += of_g;
        sums[2] += of_g * of_y;
        sums[3] += of_y * of_y;
      });
      const Batch centre(totals[0] / T(n)), mean(totals[1] / T(n)), along(totals[2] / T(n));
      const T squares = totals[3];
      const T spread =
          sum_of(n, [&](const auto& at) { return (at.load(x) - centre) * at.load(y); });
      const Batch scale(squares > 0 ? squares / spread : T(1) / root(s.forward.p));
      detail::for_each_batch<Batch>(n, [&](const auto& at) {
        put(s.d_a, row, at, s.adds_a, scale * (at.load(g) - mean - at.load(y) * along));
      });
    }
  }

  static void lstm(const LstmStep<T>& s) {
    for_each(s.rows, s.units, true, [&](std::size_t row, const auto& at) {
      T* gates = s.gates + row * 4 * s.units;
      const std::size_t first = row * s.units;
      const Batch i = detail::batch_sigmoid(at.load(gates));
      const Batch f = detail::batch_sigmoid(at.load(gates + s.units));
      const Batch g = detail::batch_tanh(at.load(gates + 2 * s.units));
      const Batch o = detail::batch_sigmoid(at.load(gates + 3 * s.units));
      const Batch c = detail::multiply_add(f, at.load(s.c_before + first), i * g);
      at.store(gates, i);
      at.store(gates + s.units, f);
      at.store(gates + 2 * s.units, g);
      at.store(gates + 3 * s.units, o);
      at.store(s.c + first, c);
      at.store(s.h + first, o * detail::batch_tanh(c));
    });
  }

  static void lstm_back(const LstmStep<T>& s) {
    for_each(s.rows, s.units, true, [&](std::size_t row, const auto& at) {
      T* gates = s.gates + row * 4 * s.units;
      const std::size_t first = row * s.units;
      const Batch i = at.load(gates);
      const Batch f = at.load(gates + s.units);
      const Batch g = at.load(gates + 2 * s.units);
      const Batch o = at.load(gates + 3 * s.units);
      const Batch d_h = at.load(s.d_h + first);
      const Batch squashed = detail::batch_tanh(at.load(s.c + first));
      const Batch slope = detail::negated_multiply_add(squashed, squashed, one());
      const Batch d_c = detail::multiply_add(d_h * o, slope, at.load(s.d_c + first));
      at.store(gates, d_c * g * (i * (one() - i)));
      at.store(gates + s.units, d_c * at.load(s.c_before + first) * (f * (one() - f)));
      at.store(gates + 2 * s.units, d_c * i * detail::negated_multiply_add(g, g, one()));
      at.store(gates + 3 * s.units, d_h * squashed * (o * (one() - o)));
      at.store(s.d_c_before + first, d_c * f);
    });
  }

  static void gru(const GruStep<T>& s) {
    for_each(s.rows, s.units, true, [&](std::size_t row, const auto& at) {
      T* gates = s.gates + row * 2 * s.units;
      const std::size_t first = row * s.units;
      const Batch r = detail::batch_sigmoid(at.load(gates));
      const Batch z = detail::batch_sigmoid(at.load(gates + s.units));
      const Batch n = detail::batch_tanh(
          detail::multiply_add(r, at.load(s.h_n + first), at.load(s.x_n + first)));
      at.store(gates, r);
      at.store(gates + s.units, z);
      at.store(s.x_n + first, n);
      at.store(s.h + first, detail::multiply_add(z, at.load(s.h_before + first), (one() - z) * n));
    });
  }

  static void gru_back(const GruStep<T>& s) {
    for_each(s.rows, s.units, true, [&](std::size_t row, const auto& at) {
      T* gates = s.gates + row * 2 * s.units;
      const std::size_t first = row * s.units;
      const Batch r = at.load(gates);
      const Batch z = at.load(gates + s.units);
      const Batch n = at.load(s.x_n + first);
      const Batch d_h = at.load(s.d_h + first);
      const Batch d_n = d_h * (one() - z) * detail::negated_multiply_add(n, n, one());
      const Batch d_z = d_h * (at.load(s.h_before + first) - n);
      at.store(gates, d_n * at.load(s.h_n + first) * (r * (one() - r)));
      at.store(gates + s.units, d_z * (z * (one() - z)));
      at.store(s.x_n + first, d_n);
      at.store(s.h_n + first, d_n * r);
      at.store(s.d_h_before + first, d_h * z);
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

  static constexpr StepKernels<T> table{
      {&add, &subtract, &multiply, &linear, &tanh, &sigmoid, &relu, &standardise},
      {&add_back, &subtract_back, &multiply_back, &linear_back, &tanh_back, &sigmoid_back,
       &relu_back, &standardise_back},
      &lstm,
      &lstm_back,
      &gru,
      &gru_back,
      &column_sums};
};

template <class T, detail::Architecture architecture>
const StepKernels<T>& step_kernels_for() {
  return StepKernelsFor<T, architecture>::table;
}

}  // namespace tapestry::layers
