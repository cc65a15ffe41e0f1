// SPDX-License-Identifier: MIT
// exp, tanh and sigmoid of arrays: how far they are off, on every architecture that runs here; and
// that a number's result does not depend on where it stands.
#define BOOST_TEST_MODULE vector_math
#include "tapestry/kernels/detail/vector_math.hpp"

#include <algorithm>
#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "tapestry/autodiff.hpp"

using tapestry::detail::Architecture;
using tapestry::detail::runs;
using tapestry::detail::vector_math;
using tapestry::detail::VectorMath;

namespace {

using Types = std::tuple<float, double>;

template <class T>
struct Function {
  const char* name;
  typename VectorMath<T>::Function on_arrays;
  long double (*exact)(long double);
};

long double exact_sigmoid(long double x) {
  const long double e = std::exp(-std::abs(x));
  return (x >= 0 ? 1 : e) / (1 + e);
}

template <class T>
std::vector<Function<T>> functions(Architecture architecture) {
  const VectorMath<T>& math = vector_math<T>(architecture);
  return {{"exp", math.exp, [](long double x) { return std::exp(x); }},
          {"tanh", math.tanh, [](long double x) { return std::tanh(x); }},
          {"sigmoid", math.sigmoid, exact_sigmoid}};
}

std::vector<Architecture> architectures() {
  std::vector<Architecture> all{Architecture::baseline};
  for (const Architecture other : {Architecture::avx2, Architecture::avx512})
    if (runs(other)) all.push_back(other);
  return all;
}

/// The distance in units in the last place of the exact result, rounded to T. Beyond the largest
/// number counts as the number that would come next.
template <class T>
double ulps(T actual, long double exact) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(exact)) return std::isnan(actual) ? 0 : Limits::infinity();
  if (std::isnan(actual)) return Limits::infinity();
  if (std::isinf(exact) || std::signbit(actual) != std::signbit(exact))
    return static_cast<long double>(actual) == exact ? 0 : Limits::infinity();
  const long double beyond =
      2 * static_cast<long double>(std::ldexp(T{1}, Limits::max_exponent - 1));
  const auto finite = [&](long double x) { return std::min(std::abs(x), beyond); };
  const int exponent =
      exact == 0 ? Limits::min_exponent
                 : std::clamp(std::ilogb(exact) + 1, Limits::min_exponent, Limits::max_exponent);
  const long double unit = std::ldexp(1.0L, exponent - Limits::digits);
  return static_cast<double>(std::abs(finite(static_cast<long double>(actual)) - finite(exact)) /
                             unit);
}

/// All floats with a stride, and both sides of every edge.
std::vector<float> numbers(float) {
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits <= 0xffffffffU; bits += 4001)
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  for (const float edge : {0.0F, 0.625F, 0.5F * std::log(2.0F), 87.33655F, 88.02969F, 88.72284F,
                           89.0F, 103.2789F, 103.97208F, 104.0F, 9.01F, 16.635F}) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(edge);
    for (std::uint32_t near = 0; near < 64; ++near)
      for (const float v :
           {std::bit_cast<float>(bits + near), std::bit_cast<float>(bits - std::min(bits, near))}) {
        x.push_back(v);
        x.push_back(-v);
      }
  }
  return x;
}

/// Each binade, and the range where something happens.
std::vector<double> numbers(double) {
  std::vector<double> x;
  for (int exponent = -1074; exponent < 1024; ++exponent)
    for (const double m : {1.0, 1.3, 1.9}) {
      x.push_back(std::ldexp(m, exponent));
      x.push_back(-std::ldexp(m, exponent));
    }
  for (int i = -400'000; i <= 400'000; ++i) {
    x.push_back(i * 0.0019);
    x.push_back(i * 0.00001);
  }
  return x;
}

template <class T>
void add_special(std::vector<T>& x) {
  using Limits = std::numeric_limits<T>;
  for (const T v : {T{0}, Limits::infinity(), Limits::quiet_NaN(), Limits::max(), Limits::min(),
                    Limits::denorm_min()}) {
    x.push_back(v);
    x.push_back(-v);
  }
}

/// A few thousand numbers of all kinds, the rare ones among the others.
template <class T>
std::vector<T> mixed() {
  std::vector<T> x;
  for (int i = 0; i < 1000; ++i) x.push_back(static_cast<T>(std::sin(i * 1.7) * (i % 130)));
  add_special(x);
  for (int i = 0; i < 37; ++i) x.push_back(static_cast<T>(i * 0.03));
  return x;
}

template <class T>
bool same(const std::vector<T>& a, const T* b) {
  return std::equal(a.begin(), a.end(), b, [](T u, T v) {
    return u == v ? std::signbit(u) == std::signbit(v) : u != u && v != v;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(two_units_at_most, T, Types) {
  std::vector<T> x = numbers(T{});
  add_special(x);
  std::vector<T> y(x.size());
  for (const Architecture architecture : architectures())
    for (const Function<T>& f : functions<T>(architecture)) {
      f.on_arrays(x.data(), y.data(), x.size());
      double worst = 0;
      T where{};
      for (std::size_t i = 0; i < x.size(); ++i)
        if (const double off = ulps(y[i], f.exact(x[i])); !(off <= worst)) {
          worst = off;
          where = x[i];
        }
      BOOST_TEST(worst <= 2.0, f.name << " on architecture " << static_cast<int>(architecture)
                                      << ": off by " << worst << " at " << where);
      BOOST_TEST_MESSAGE(f.name << " " << static_cast<int>(architecture) << ": " << worst);
    }
}

// The measure itself must see what is wrong.
BOOST_AUTO_TEST_CASE(the_measure_of_error) {
  const auto ulp = [](float a, long double b) { return ulps<float>(a, b); };
  BOOST_TEST(ulp(1.0F, 1.0L) == 0.0);
  BOOST_TEST(ulp(std::nextafter(1.0F, 2.0F), 1.0L) == 1.0);
  BOOST_TEST(ulp(0.0F, 0x1p-149L) == 1.0);
  BOOST_TEST(ulp(std::numeric_limits<float>::max(), 0x1p128L) == 1.0);
  BOOST_TEST(ulp(std::numeric_limits<float>::infinity(), 0x1p200L) == 0.0);
  BOOST_TEST(ulp(1.0F, std::numeric_limits<long double>::infinity()) > 1e9);
  BOOST_TEST(ulp(-0.0F, 0.0L) == 0.0);  // equal numbers
  BOOST_TEST(ulp(0.0F, std::numeric_limits<long double>::quiet_NaN()) > 1e9);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(neither_alignment_nor_cutting_matters, T, Types) {
  const std::vector<T> x = mixed<T>();
  for (const Architecture architecture : architectures())
    for (const Function<T>& f : functions<T>(architecture)) {
      std::vector<T> whole(x.size());
      f.on_arrays(x.data(), whole.data(), x.size());
      for (const std::size_t piece : {1, 2, 3, 5, 7, 8, 9, 31}) {
        std::vector<T> cut(x.size() + 1);
        T* y = cut.data() + piece % 2;
        for (std::size_t at = 0; at < x.size(); at += piece)
          f.on_arrays(x.data() + at, y + at, std::min(piece, x.size() - at));
        BOOST_TEST(same(whole, y), f.name << " in pieces of " << piece);
      }
      std::vector<T> in_place = x;
      f.on_arrays(in_place.data(), in_place.data(), x.size());
      BOOST_TEST(same(whole, in_place.data()), f.name << " in place");
    }
}

// The engine's ops, those that run on packs included.
BOOST_AUTO_TEST_CASE_TEMPLATE(ops_do_not_look_at_neighbours, T, Types) {
  using tapestry::Array, tapestry::Variable;
  using Op = Variable<T> (*)(const Variable<T>&);
  const std::vector<std::pair<const char*, Op>> ops{{"exp", &tapestry::exp<T>},
                                                    {"tanh", &tapestry::tanh<T>},
                                                    {"sigmoid", &tapestry::sigmoid<T>},
                                                    {"silu", &tapestry::silu<T>},
                                                    {"softplus", &tapestry::softplus<T>}};
  const std::vector<T> x = mixed<T>();
  tapestry::Tape<T> tape;
  const auto apply = [&](Op op, std::size_t at, std::size_t count) {
    tape.clear();
    Array<T> part = Array<T>::from_shape({count});
    std::copy_n(x.data() + at, count, part.data());
    return Array<T>(op(tape.constant(part)).value());
  };
  for (const auto& [name, op] : ops) {
    const Array<T> whole = apply(op, 0, x.size());
    for (const std::size_t piece : {1, 3, 8}) {
      std::vector<T> cut;
      for (std::size_t at = 0; at < x.size(); at += piece) {
        const Array<T> part = apply(op, at, std::min(piece, x.size() - at));
        cut.insert(cut.end(), part.begin(), part.end());
      }
      BOOST_TEST(same(cut, whole.data()), name << " in pieces of " << piece);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_architecture_runs) {
  BOOST_TEST(runs(Architecture::baseline));
  BOOST_TEST(runs(tapestry::detail::best_architecture()));
}
