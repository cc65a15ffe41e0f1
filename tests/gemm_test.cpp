// SPDX-License-Identifier: MIT
// Matrix products against sums in double, on every architecture that runs here; and that an element
// does not depend on what else is computed with it.
#define BOOST_TEST_MODULE gemm
#include "tapestry/kernels/gemm.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "gemm_kernels.hpp"
#include "tapestry/autodiff.hpp"

using tapestry::Generator;
using tapestry::detail::Architecture;
using tapestry::detail::gemm;
using tapestry::detail::gemm_kernels;
using tapestry::detail::PackedMatrix;
using tapestry::detail::Rows;

namespace {

using Types = std::tuple<float, double>;

struct Case {
  std::size_t m, n, k;
  bool ta = false, tb = false, accumulate = false, row = false;

  [[nodiscard]] std::string text() const {
    return std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) +
           (ta ? " aT" : "") + (tb ? " bT" : "") + (accumulate ? " +=" : "") + (row ? " row" : "");
  }
};

/// A matrix within a larger array: its rows are `margin` numbers apart, and before and after it
/// there are others, none of which may be touched.
template <class T>
struct Framed {
  static constexpr std::size_t margin = 5;
  std::size_t rows, columns;
  std::vector<T> all;

  Framed(std::size_t r, std::size_t c, Generator& generator)
      : rows(r), columns(c), all(r * (c + margin) + 2 * margin) {
    for (T& x : all) x = static_cast<T>(generator.uniform(-1, 1));
  }
  [[nodiscard]] std::size_t stride() const { return columns + margin; }
  [[nodiscard]] Rows<T> view() { return {all.data() + margin, stride()}; }
  [[nodiscard]] Rows<const T> view() const { return {all.data() + margin, stride()}; }
  [[nodiscard]] T& at(std::size_t r, std::size_t c) { return all[margin + r * stride() + c]; }
  [[nodiscard]] T at(std::size_t r, std::size_t c) const { return all[margin + r * stride() + c]; }
};

template <class T>
struct Operands {
  Framed<T> a, b, c;
  std::vector<T> row;

  Operands(const Case& s, Generator& g)
      : a(s.ta ? s.k : s.m, s.ta ? s.m : s.k, g),
        b(s.tb ? s.n : s.k, s.tb ? s.k : s.n, g),
        c(s.m, s.n, g),
        row(s.n) {
    for (T& x : row) x = static_cast<T>(g.uniform(-1, 1));
  }

  /// What an element becomes.
  [[nodiscard]] double exact(const Case& s, std::size_t i, std::size_t j) const {
    double sum = s.accumulate ? static_cast<double>(c.at(i, j)) : s.row ? double(row[j]) : 0;
    for (std::size_t k = 0; k < s.k; ++k)
      sum += static_cast<double>(s.ta ? a.at(k, i) : a.at(i, k)) *
             static_cast<double>(s.tb ? b.at(j, k) : b.at(k, j));
    return sum;
  }
};

/// All but the elements are as they were, and those are right.
template <class T>
void check(const Case& s, const Operands<T>& before, const Framed<T>& after,
           const std::string& where) {
  Framed<T> expected = before.c;
  double worst = 0;
  for (std::size_t i = 0; i < s.m; ++i)
    for (std::size_t j = 0; j < s.n; ++j) {
      worst = std::max(worst, std::abs(before.exact(s, i, j) - double(after.at(i, j))));
      expected.at(i, j) = after.at(i, j);
    }
  const double tolerance =
      static_cast<double>(std::numeric_limits<T>::epsilon()) * (4 + static_cast<double>(s.k));
  BOOST_TEST(worst <= tolerance, s.text() << where << " is off by " << worst);
  BOOST_TEST((expected.all == after.all), s.text() << where << " writes elsewhere");
}

template <class T>
void run(const Case& s, Operands<T>& x) {
  gemm<T>(s.ta, s.tb, s.m, s.n, s.k, std::as_const(x.a).view(), std::as_const(x.b).view(),
          x.c.view(), s.accumulate, s.row ? x.row.data() : nullptr);
}

/// Sizes around those of batches, panels, tiles and blocks.
Case random_case(Generator& generator) {
  const auto pick = [&](std::initializer_list<std::size_t> sizes) {
    return sizes.begin()[generator.below(sizes.size())];
  };
  const bool accumulate = generator.below(2) == 1;
  return {.m = pick({1, 2, 3, 5, 6, 7, 11, 12, 13, 25, 61, 121}),
          .n = pick({1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 49, 65}),
          .k = pick({1, 2, 7, 8, 9, 31, 64, 255, 256, 257, 600}),
          .ta = generator.below(2) == 1,
          .tb = generator.below(2) == 1,
          .accumulate = accumulate,
          .row = !accumulate && generator.below(2) == 1};
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(products_are_right, T, Types) {
  Generator generator(1);
  for (int i = 0; i < 250; ++i) {
    const Case s = random_case(generator);
    Operands<T> x(s, generator);
    const Operands<T> before = x;
    run(s, x);
    check(s, before, x.c, "");
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(every_architecture_is_right, T, Types) {
  Generator generator(2);
  for (const Architecture architecture :
       {Architecture::baseline, Architecture::avx2, Architecture::avx512}) {
    if (!runs(architecture)) continue;
    const auto& kernels = gemm_kernels<T>(architecture);
    for (int i = 0; i < 150; ++i) {
      const Case s = random_case(generator);
      Operands<T> x(s, generator);
      const Operands<T> before = x;
      std::vector<T> packed((s.n + kernels.lanes) * s.k);
      std::vector<T> left(kernels.left_size);
      const Rows<T> a = x.a.view(), b = x.b.view(), c = x.c.view();
      kernels.pack({s.tb, s.k, s.n, b.data, b.stride, packed.data()});
      kernels.multiply({s.m, s.n, s.k, s.ta, a.data, a.stride, packed.data(), c.data, c.stride,
                        s.accumulate, s.row ? x.row.data() : nullptr, left.data()});
      check(s, before, x.c, " on architecture " + std::to_string(static_cast<int>(architecture)));
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rows_whole_pages_apart, T, Types) {
  Generator generator(3);
  const std::size_t k = 4096 / sizeof(T);
  for (const std::size_t m : {1, 13, 130}) {
    const auto fill = [&](std::size_t size) {
      std::vector<T> v(size);
      for (T& x : v) x = static_cast<T>(generator.uniform(-1, 1));
      return v;
    };
    const std::vector<T> a = fill(m * k), b = fill(k * 40);
    std::vector<T> whole(m * 40), alone(40);
    gemm(false, false, m, 40, k, a.data(), b.data(), whole.data(), false);
    for (std::size_t i = 0; i < m; ++i) {
      gemm(false, false, 1, 40, k, a.data() + i * k, b.data(), alone.data(), false);
      BOOST_TEST(std::equal(alone.begin(), alone.end(), whole.begin() + std::ptrdiff_t(i) * 40));
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_element_does_not_depend_on_the_others, T, Types) {
  Generator generator(4);
  for (int i = 0; i < 60; ++i) {
    const Case s = random_case(generator);
    Operands<T> x(s, generator);
    Framed<T> parts = x.c;
    const Case part{.m = 1 + generator.below(s.m), .n = 1 + generator.below(s.n), .k = s.k};
    const std::size_t row = generator.below(s.m - part.m + 1);
    const std::size_t column = generator.below(s.n - part.n + 1);
    const Rows<T> a = x.a.view(), b = x.b.view(), c = parts.view();
    gemm<T>(s.ta, s.tb, part.m, part.n, s.k,
            {s.ta ? a.data + row : a.data + row * a.stride, a.stride},
            {s.tb ? b.data + column * b.stride : b.data + column, b.stride},
            {c.data + row * c.stride + column, c.stride}, s.accumulate,
            s.row ? x.row.data() + column : nullptr);
    run(s, x);
    bool same = true;
    for (std::size_t r = row; r < row + part.m; ++r)
      for (std::size_t q = column; q < column + part.n; ++q) same &= parts.at(r, q) == x.c.at(r, q);
    BOOST_TEST(same, s.text() << ", rows from " << row << ", columns from " << column);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(packed_products_have_the_same_bits, T, Types) {
  Generator generator(5);
  for (int i = 0; i < 60; ++i) {
    Case s = random_case(generator);
    s.ta = s.row = false;
    Operands<T> x(s, generator);
    Framed<T> c = x.c;
    std::vector<T> storage(PackedMatrix<T>::size(s.k, s.n));
    const PackedMatrix<T> b(s.tb, s.k, s.n, std::as_const(x.b).view(), storage.data());
    b.multiply(s.m, std::as_const(x.a).view(), c.view(), s.accumulate);
    run(s, x);
    BOOST_TEST((c.all == x.c.all), s.text());
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(any_number_of_threads_gives_the_same_bits, T, Types) {
  Generator generator(6);
  for (Case s : {Case{.m = 150, .n = 70, .k = 300}, Case{.m = 40, .n = 333, .k = 257},
                 Case{.m = 1, .n = 3000, .k = 900}, Case{.m = 3000, .n = 1, .k = 900}})
    for (const bool transposed : {false, true}) {
      s.ta = s.tb = s.row = transposed;
      const Operands<T> x(s, generator);
      Operands<T> alone = x;
      run(s, alone);
      for (const int threads : {2, 3, 8}) {
        tapestry::set_num_threads(threads);
        Operands<T> shared = x;
        run(s, shared);
        BOOST_TEST((shared.c.all == alone.c.all), s.text() << " by " << threads << " threads");
      }
      tapestry::set_num_threads(1);
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(sums_of_nothing, T, Types) {
  std::vector<T> c(6, T(3)), row{T(1), T(2)};
  gemm<T>(false, false, 3, 2, 0, {nullptr, 0}, {nullptr, 2}, {c.data(), 2}, true);
  BOOST_TEST((c == std::vector<T>(6, T(3))));
  gemm<T>(false, false, 3, 2, 0, {nullptr, 0}, {nullptr, 2}, {c.data(), 2}, false, row.data());
  BOOST_TEST((c == std::vector<T>{1, 2, 1, 2, 1, 2}));
  gemm<T>(false, false, 3, 2, 0, {nullptr, 0}, {nullptr, 2}, {c.data(), 2}, false);
  BOOST_TEST((c == std::vector<T>(6, T(0))));
}
