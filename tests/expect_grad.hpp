// SPDX-License-Identifier: MIT
// The test harness for whatever computes gradients: ops, layers, losses.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "naive.hpp"
#include "tapestry/autodiff.hpp"

namespace tapestry::test {

using Point = std::vector<Values>;  // an array for each input

/// A function of variables, points to try it at, and (where there is one) a plain computation of
/// its value. The points must keep away from kinks and poles.
struct GradCase {
  std::string name;
  std::string variant;
  detail::CheckedFunction<double> f;
  detail::CheckedFunction<float> f_single;
  std::vector<Point> points;
  std::function<Values(const Point&)> oracle;
  bool needs_recording = false;  // f itself asks for differentiable gradients

  friend std::ostream& operator<<(std::ostream& out, const GradCase& c) {
    return out << c.name << (c.variant.empty() ? "" : " ") << c.variant;
  }
};

/// `f` takes a span of variables, float or double: `[](const auto& x) { return x[0] + x[1]; }`.
template <class F>
GradCase grad_case(std::string name, std::string variant, const F& f, std::vector<Point> points,
                   std::function<Values(const Point&)> oracle = {}) {
  return {std::move(name), std::move(variant), f, f, std::move(points), std::move(oracle), false};
}

/// How the inputs of `f` come about.
enum class Source { leaf, offset, row, transposed };

/// How the function is run.
struct Setting {
  Source source = Source::leaf;
  bool primitive = false;
  std::size_t constant = ~std::size_t{0};  // this input gets no gradient
  bool repeated = false;                   // all inputs are the variable of the first
  bool busy = false;                       // the inputs are also used before and after
  int passes = 1;
};

template <class T>
struct Outcome {
  Values value;
  std::vector<Values> gradients;  // zeros for constants
};

/// An array or view of any scalar type.
template <class A>
Values as_values(const A& array) {
  Values result = empty_array({array.shape().begin(), array.shape().end()});
  std::copy(array.data(), array.data() + array.size(), result.data());
  return result;
}

template <class T>
Array<T> as_array(const Values& values) {
  Array<T> result(values.shape());
  std::copy(values.data(), values.data() + values.size(), result.data());
  return result;
}

/// A variable equal to `x` that is computed from `leaf`, which holds the elements of `x` (and
/// others): results that share the memory of others must be as good as any.
template <class T>
std::pair<Variable<T>, Variable<T>> input(Tape<T>& tape, const Values& x, Source source) {
  const Extents shape = extents_of(x);
  const Array<T> array = as_array<T>(x);
  const auto n = static_cast<std::int64_t>(x.size());
  if (source == Source::offset) {  // in the middle of a longer array, off any alignment
    Array<T> longer = xt::zeros<T>({x.size() + 3});
    std::copy(array.data(), array.data() + array.size(), longer.data() + 1);
    const Variable<T> leaf = tape.variable(longer);
    return {leaf, reshape(slice(leaf, 0, 1, 1 + n), Shape(shape))};
  }
  if (source == Source::row && shape.size() < Shape::max_rank) {
    Extents with_rows = shape;
    with_rows.insert(with_rows.begin(), 3);
    Array<T> rows(typename Array<T>::shape_type(with_rows.begin(), with_rows.end()));
    rows.fill(T{1});
    std::copy(array.data(), array.data() + array.size(), rows.data() + array.size());
    const Variable<T> leaf = tape.variable(rows);
    return {leaf, select(leaf, 0, 1)};
  }
  if (source == Source::transposed) {
    const Extents reversed(shape.rbegin(), shape.rend());
    const Variable<T> leaf = tape.variable(as_array<T>(filled(
        reversed, [&](const Position& p) { return at(x, Position(p.rbegin(), p.rend())); })));
    return {leaf, transpose(leaf)};
  }
  const Variable<T> leaf = tape.variable(array);
  return {leaf, leaf};
}

/// The gradient by `x` from that by its leaf, the inverse of `input`.
template <class T>
Values gradient_of(const Variable<T>& leaf, const Values& x, Source source) {
  const Values all = as_values(leaf.grad());
  const Extents shape = extents_of(x);
  if (source == Source::transposed)
    return filled(shape, [&](const Position& p) { return at(all, {p.rbegin(), p.rend()}); });
  std::size_t first = 0;
  if (source == Source::offset) first = 1;
  if (source == Source::row && shape.size() < Shape::max_rank) first = x.size();
  Values result = empty_array(shape);
  std::copy_n(all.data() + first, x.size(), result.data());
  return result;
}

/// The value of f and the gradients of sum(w f), with fixed weights w.
template <class T>
Outcome<T> run(const detail::CheckedFunction<T>& f, const Point& point, const Setting& how = {}) {
  Tape<T> tape;
  tape.set_primitive(how.primitive);
  std::vector<Variable<T>> leaves;
  std::vector<Variable<T>> x;
  std::vector<Variable<T>> roots;
  for (std::size_t i = 0; i < point.size(); ++i) {
    auto [leaf, variable] = i == how.constant
                                ? std::pair(Variable<T>{}, tape.constant(as_array<T>(point[i])))
                                : input(tape, point[i], how.source);
    leaves.push_back(how.repeated && i > 0 ? leaves[0] : leaf);
    x.push_back(how.repeated && i > 0 ? x[0] : variable);
    if (how.busy) roots.push_back(x[i] * T{2});
  }
  const Variable<T> y = f(x);
  if (how.busy)
    for (const Variable<T>& v : x) roots.push_back(v * T{3});
  Outcome<T> outcome{as_values(y.value()), {}};
  std::vector<Array<T>> seeds;
  for (const Variable<T>& root : roots)
    seeds.push_back(as_array<T>(
        filled(extents_of(as_values(root.value())), [](const Position&) { return 1.0; })));
  if (y.requires_grad()) {
    roots.push_back(y);
    seeds.push_back(as_array<T>(signed_sample(extents_of(outcome.value), 0.5, 1.5)));
  }
  for (int pass = 0; pass < how.passes && !roots.empty(); ++pass) tape.backward(roots, seeds);
  for (std::size_t i = 0; i < point.size(); ++i)
    outcome.gradients.push_back(leaves[i].valid() && !roots.empty()
                                    ? gradient_of(leaves[i], point[i], how.source)
                                    : mapped(point[i], [](double) { return 0.0; }));
  return outcome;
}

/// Whether two numbers agree but for rounding; NaN and infinities must be the same.
inline bool is_close(double a, double b, double tolerance) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= tolerance * std::max({1.0, std::abs(a), std::abs(b)});
}

inline void expect_close(const Values& actual, const Values& expected, double tolerance,
                         const std::string& what) {
  BOOST_TEST_CONTEXT(what) {
    BOOST_REQUIRE_EQUAL(Shape(actual.shape()).str(), Shape(expected.shape()).str());
    for (std::size_t i = 0; i < actual.size(); ++i)
      if (!is_close(actual.data()[i], expected.data()[i], tolerance))
        BOOST_ERROR("element " << i << " is " << actual.data()[i] << ", not "
                               << expected.data()[i]);
  }
}

inline void expect_gradients(const std::vector<Values>& actual, const std::vector<Values>& expected,
                             double tolerance, const std::string& what) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    expect_close(actual[i], expected[i], tolerance,
                 what + ", gradient by input " + std::to_string(i));
}

/// Gradients of sum(w f), without and with recording: the same rules, run in two ways.
inline void expect_recorded_equal(const GradCase& c, const Point& point) {
  Tape<double> tape;
  std::vector<Variable<double>> x;
  for (const Values& array : point) x.push_back(tape.variable(array));
  const Variable<double> y = c.f(x);
  const Values w = signed_sample(extents_of(as_values(y.value())), 0.5, 1.5);
  const Variable<double> total = sum(y * tape.constant(w));
  if (!total.requires_grad()) return;
  const std::span<const Variable<double>> by(x);
  const auto plain = gradients(total, by);
  const auto recorded = gradients(total, by, {.differentiable = true});
  for (std::size_t i = 0; i < x.size(); ++i)
    expect_close(as_values(recorded[i].value()), as_values(plain[i].value()), 1e-12,
                 "recorded gradient by input " + std::to_string(i));
}

inline void expect_unrecorded(const GradCase& c, const Point& point, const Values& value) {
  Tape<double> tape;
  const auto off = tape.no_grad();
  std::vector<Variable<double>> x;
  for (const Values& array : point) x.push_back(tape.variable(array));
  const Variable<double> y = c.f(x);
  expect_close(as_values(y.value()), value, 0, "without recording");
  bool is_input = false;
  for (const Variable<double>& v : x) is_input |= v.index() == y.index();
  BOOST_TEST((is_input || !y.requires_grad()));
}

/// The engine's side of the matter: the outcome must not depend on where inputs come from, what
/// else they are used for, which gradients are wanted, or the scalar type.
inline void expect_independent(const GradCase& c, const Point& point) {
  constexpr double rounding = 1e-12;
  const Outcome<double> plain = run(c.f, point);
  if (c.oracle) expect_close(plain.value, c.oracle(point), rounding, "value");
  for (const Source source : {Source::offset, Source::row, Source::transposed}) {
    const std::string what = "inputs from source " + std::to_string(static_cast<int>(source));
    const Outcome<double> other = run(c.f, point, {.source = source});
    expect_close(other.value, plain.value, rounding, what);
    expect_gradients(other.gradients, plain.gradients, rounding, what);
  }
  const Outcome<double> busy = run(c.f, point, {.busy = true});
  const Outcome<double> twice = run(c.f, point, {.passes = 2});
  for (std::size_t i = 0; i < point.size(); ++i) {
    const Values& gradient = plain.gradients[i];
    expect_close(busy.gradients[i], mapped(gradient, [](double g) { return g + 5; }), rounding,
                 "inputs in use elsewhere");
    expect_close(twice.gradients[i], mapped(gradient, [](double g) { return 2 * g; }), rounding,
                 "backward twice");
    Outcome<double> others = run(c.f, point, {.constant = i});
    others.gradients[i] = gradient;
    expect_gradients(others.gradients, plain.gradients, rounding,
                     "input " + std::to_string(i) + " constant");
  }
  const Outcome<double> primitive = run(c.f, point, {.primitive = true});
  expect_close(primitive.value, plain.value, rounding, "primitive");
  expect_gradients(primitive.gradients, plain.gradients, rounding, "primitive");
  const Outcome<float> single = run(c.f_single, point);
  expect_close(single.value, plain.value, 2e-4, "float");
  expect_gradients(single.gradients, plain.gradients, 2e-3, "float");
  if (!c.needs_recording) expect_unrecorded(c, point, plain.value);
}

/// f(x, x, ...), where all inputs have one shape: the gradients add up.
inline void expect_repeatable(const GradCase& c, const Point& point) {
  for (const Values& x : point)
    if (point.size() < 2 || x.shape() != point[0].shape()) return;
  const Point same(point.size(), point[0]);
  const Outcome<double> apart = run(c.f, same);
  const Outcome<double> repeated = run(c.f, same, {.repeated = true});
  expect_close(repeated.value, apart.value, 0, "repeated");
  Values total = mapped(point[0], [](double) { return 0.0; });
  for (const Values& gradient : apart.gradients)
    total = mapped(total, gradient, [](double a, double b) { return a + b; });
  expect_close(repeated.gradients[0], total, 1e-12, "repeated, gradient");
}

/// J v and Jᵀ u belong together: <u, J v> = sum_i <(Jᵀ u)_i, v_i>.
inline void expect_dot_identity(const GradCase& c, const Point& point) {
  Tape<double> tape;
  std::vector<Variable<double>> x;
  std::vector<Variable<double>> v;
  for (const Values& array : point) {
    x.push_back(tape.variable(array));
    v.push_back(tape.constant(signed_sample(extents_of(array), 0.5, 1.5, 3)));
  }
  const Variable<double> y = c.f(x);
  if (!y.requires_grad()) return;
  const auto u = tape.constant(signed_sample(extents_of(as_values(y.value())), 0.5, 1.5, 4));
  const std::span<const Variable<double>> by(x);
  const double forward = sum(u * jvp(y, by, std::span<const Variable<double>>(v))).item();
  const auto transposed = vjp(y, by, u);
  double backward = 0;
  double scale = 1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    backward += sum(transposed[i] * v[i]).item();
    scale += sum(square(transposed[i] * v[i])).item();
  }
  if (!(std::abs(forward - backward) <= 1e-11 * scale))
    BOOST_ERROR("<u, Jv> is " << forward << ", <J'u, v> is " << backward);
}

/// Checks value, gradient and second derivative of a function at each point, and that they do not
/// depend on circumstances.
inline void expect_grad(const GradCase& c) {
  BOOST_REQUIRE(!c.points.empty());
  for (const Point& point : c.points) {
    std::string shapes;
    for (const Values& x : point) shapes += " " + Shape(x.shape()).str();
    BOOST_TEST_CONTEXT(c << " at" << shapes) {
      const GradcheckResult checked = gradcheck(c.f, point, {.second_order = true});
      BOOST_CHECK_MESSAGE(checked.passed, checked.message);
      expect_independent(c, point);
      expect_recorded_equal(c, point);
      expect_dot_identity(c, point);
      expect_repeatable(c, point);
    }
  }
}

/// The same without a table: `expect_grad("linear", f, points)`.
template <class F>
void expect_grad(const std::string& name, const F& f, const std::vector<Point>& points,
                 const std::function<Values(const Point&)>& oracle = {}) {
  expect_grad(grad_case(name, "", f, points, oracle));
}

/// f at each number of `x`, alone, in a pack and in the rest behind a pack, compared with `y`; a
/// gradient that `dy` gives must be exact, too.
template <class F>
void expect_values(const F& f, const std::vector<double>& x, const std::vector<double>& y,
                   const std::vector<double>& dy = {}) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (const std::size_t n : {1u, 11u}) {
      Tape<double> tape;
      const auto v = tape.variable(mapped(empty_array({n}), [&](double) { return x[i]; }));
      const auto result = f(v);
      sum(result).backward();
      for (std::size_t k = 0; k < n; ++k) {
        BOOST_CHECK_MESSAGE(is_close(result.value()(k), y[i], 1e-13),
                            "f(" << x[i] << ") is " << result.value()(k) << ", not " << y[i]);
        if (!dy.empty())
          BOOST_CHECK_MESSAGE(is_close(v.grad()(k), dy[i], 1e-13),
                              "f'(" << x[i] << ") is " << v.grad()(k) << ", not " << dy[i]);
      }
    }
  }
}

}  // namespace tapestry::test
