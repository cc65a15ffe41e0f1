// SPDX-License-Identifier: MIT
// What the table of ops does not say: functions put together from ops, positions, special values,
// ties, and what is refused.
#define BOOST_TEST_MODULE vocabulary
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <limits>

#include "errors.hpp"
#include "expect_grad.hpp"

namespace tapestry::test {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan_value = std::numeric_limits<double>::quiet_NaN();

BOOST_AUTO_TEST_CASE(functions_at_the_edge_of_the_type) {
  const std::vector<double> edges{-infinity, -800, 0, 800, infinity, nan_value};
  expect_values([](const auto& x) { return log1p(x); },
                {-1, 0, 1e-17, -1e-17, infinity, -2, nan_value},
                {-infinity, 0, 1e-17, -1e-17, infinity, nan_value, nan_value});
  expect_values([](const auto& x) { return log1p(x) * 1e17; }, {1e-17}, {1});
  expect_values([](const auto& x) { return expm1(x); }, edges,
                {-1, -1, 0, infinity, infinity, nan_value},
                {0, 0, 1, infinity, infinity, nan_value});
  expect_values([](const auto& x) { return expm1(x) * 1e17; }, {1e-17}, {1});
  expect_values([](const auto& x) { return sin(x); }, {0, 1e5, infinity, nan_value},
                {0, std::sin(1e5), nan_value, nan_value});
  expect_values([](const auto& x) { return cos(x); }, {0, 1e5, infinity, nan_value},
                {1, std::cos(1e5), nan_value, nan_value});
  expect_values([](const auto& x) { return erf(x); }, edges, {-1, -1, 0, 1, 1, nan_value},
                {0, 0, 1.1283791670955126, 0, 0, nan_value});
  expect_values([](const auto& x) { return gelu(x); }, {-800, 0, 800, infinity, nan_value},
                {0, 0, 800, infinity, nan_value});
  expect_values([](const auto& x) { return silu(x); }, {-800, 0, 800, infinity, nan_value},
                {0, 0, 800, infinity, nan_value});
  expect_values([](const auto& x) { return elu(x, 2); }, edges,
                {-2, -2, 0, 800, infinity, nan_value}, {0, 0, 2, 1, 1, nan_value});
  expect_values([](const auto& x) { return leaky_relu(x); }, edges,
                {-infinity, -8, 0, 800, infinity, nan_value}, {0.01, 0.01, 0.01, 1, 1, 0.01});
}

BOOST_AUTO_TEST_CASE(kinks_and_nan) {
  expect_values([](const auto& x) { return abs(x); }, {-infinity, -2, 0, 2, nan_value},
                {infinity, 2, 0, 2, nan_value}, {-1, -1, 0, 1, nan_value});
  expect_values([](const auto& x) { return clip(x, -1, 2); },
                {-infinity, -1, 0, 2, infinity, nan_value}, {-1, -1, 0, 2, 2, nan_value},
                {0, 1, 1, 1, 0, 1});
  expect_values([](const auto& x) { return clip(x, -infinity, 0); }, {-infinity, -3, 1},
                {-infinity, -3, 0}, {1, 1, 0});
  expect_values([](const auto& x) { return hard_tanh(x); }, {-infinity, -1, 0, 1, nan_value},
                {-1, -1, 0, 1, nan_value}, {0, 0, 1, 0, 0});
  expect_values([](const auto& x) { return hard_sigmoid(x); }, {-800, -3, 0, 3, 800, nan_value},
                {0, 0, 0.5, 1, 1, nan_value}, {0, 0, 1.0 / 6, 0, 0, 0});
  expect_values([](const auto& x) { return hard_swish(x); }, {-800, -3, 0, 3, 800, nan_value},
                {0, 0, 0, 3, 800, nan_value}, {0, 0, 0.5, 1, 1, 0});
  Tape<double> tape;
  expect_close(as_values(sign(tape.constant({-infinity, -0.0, 3.0, nan_value})).value()),
               {-1, 0, 1, nan_value}, 0, "sign");
  const auto a = tape.variable({1.0, 2.0, nan_value, 3.0});
  const auto b = tape.variable({1.0, 3.0, 0.0, nan_value});
  const auto high = maximum(a, b);
  const auto low = minimum(a, b);
  expect_close(as_values(high.value()), {1, 3, nan_value, nan_value}, 0, "maximum");
  expect_close(as_values(low.value()), {1, 2, nan_value, nan_value}, 0, "minimum");
  sum(slice(high + 3 * low, 0, 0, 2)).backward();
  expect_close(as_values(a.grad()), {2, 3, 0, 0}, 0, "equal ones share");
  expect_close(as_values(b.grad()), {2, 1, 0, 0}, 0, "equal ones share");
  const auto corner = tape.variable({0.0, nan_value});
  const auto [slope] = gradients(sum(elu(corner)), {corner}, {.differentiable = true});
  const auto [curve] = gradients(sum(slope), {corner});
  expect_close(as_values(slope.value()), {1, nan_value}, 0, "gradient of elu");
  BOOST_TEST(curve.value()(0) == 0);
  expect_close(as_values(not_equal(b, 1).value()), {0, 1, 1, 1}, 0, "not_equal");
  expect_close(as_values(equal(b, 1).value()), {1, 0, 0, 0}, 0, "equal");
}

BOOST_AUTO_TEST_CASE(positions_of_the_largest_and_the_smallest) {
  Tape<double> tape;
  const auto x = tape.variable({{3.0, 1.0, 3.0}, {0.0, 4.0, 0.0}});
  Indices column{1, 0};
  column.reshape({2, 1});
  Indices four{4};
  four.reshape({1, 1});
  BOOST_TEST((argmax(x, 0) == Indices{0, 1, 0}));
  BOOST_TEST((argmax(x, -1) == Indices{0, 1}));  // the first of equal ones
  BOOST_TEST((argmin(x, 1) == Indices{1, 0}));
  BOOST_TEST((argmin(x, 1, true) == column));
  BOOST_TEST(argmax(x)() == 4);
  BOOST_TEST(argmin(x).dimension() == 0u);
  BOOST_TEST(argmin(x)() == 3);
  BOOST_TEST((argmax(x, std::nullopt, true) == four));
  BOOST_TEST(argmax(tape.constant(2.0))() == 0);
  const auto odd = tape.variable({{1.0, nan_value, nan_value}, {-infinity, -infinity, -infinity}});
  BOOST_TEST((argmax(odd, 1) == Indices{1, 0}));
  BOOST_TEST((argmin(odd, 1) == Indices{1, 0}));
  const auto cube = tape.variable(distinct_sample({2, 3, 4}, 1));
  for (const int axis : {0, 1, 2}) {
    const auto largest = max(cube, axis);
    const Indices where = argmax(cube, axis);
    BOOST_TEST(Shape(where.shape()).str() == largest.shape().str());
    std::size_t flat = 0;
    for_each_position(extents_of(as_values(largest.value())), [&](Position p) {
      p.insert(p.begin() + axis, static_cast<std::size_t>(where.data()[flat]));
      BOOST_TEST(at(as_values(cube.value()), p) == largest.value().data()[flat++]);
    });
  }
  const auto none = tape.variable(Values(xt::zeros<double>({0, 3})));
  BOOST_TEST(argmax(none, 1).size() == 0u);
  const std::size_t before = tape.size();
  BOOST_CHECK_EXCEPTION(argmax(none, 0), ShapeError,
                        says("[argmax] no elements along axis 0 of (0, 3)"));
  BOOST_CHECK_EXCEPTION(argmin(none), ShapeError,
                        says("[argmin] no elements along axis 0 of (0, 3)"));
  BOOST_CHECK_EXCEPTION(argmin(x, 2), IndexError,
                        says("[argmin] axis 2 is out of range for an array of 2 axes"));
  BOOST_TEST(tape.size() == before);
}

BOOST_AUTO_TEST_CASE(min_shares_the_gradient_as_max_does) {
  Tape<double> tape;
  const auto x = tape.variable({{2.0, 5.0, 2.0}, {1.0, 2.0, 3.0}});
  sum(min(x, 1)).backward();
  expect_close(as_values(x.grad()), {{0.5, 0, 0.5}, {1, 0, 0}}, 0, "gradient");
  BOOST_TEST(min(tape.constant({infinity, infinity})).item() == infinity);
  BOOST_TEST(std::isnan(min(tape.constant({1.0, nan_value, 0.0})).item()));
}

BOOST_AUTO_TEST_CASE(products_spreads_and_lengths_at_their_limits) {
  Tape<double> tape;
  const auto x = tape.variable({{2.0, 0.0, 3.0}, {0.0, 0.0, 3.0}});
  const auto y = prod(x, 1);
  sum(y).backward();
  expect_close(as_values(y.value()), {0, 0}, 0, "product");
  expect_close(as_values(x.grad()), {{0, 6, 0}, {0, 0, 0}}, 0, "gradient of the product");
  const auto nothing = tape.variable(Values(xt::zeros<double>({2, 0})));
  expect_close(as_values(prod(nothing, 1).value()), {1, 1}, 0, "product of nothing");
  BOOST_TEST(norm(nothing).item() == 0);
  BOOST_TEST(std::isnan(var(nothing).item()));

  const auto zeros = tape.variable({{0.0, 0.0}, {3.0, -4.0}});
  const auto lengths = norm(zeros, 1);
  sum(lengths).backward();
  expect_close(as_values(lengths.value()), {0, 5}, 0, "norm");
  expect_close(as_values(zeros.grad()), {{0, 0}, {0.6, -0.8}}, 1e-15, "gradient of the norm");
  BOOST_TEST(is_close(norm(tape.constant({3e200, 4e200})).item() / 1e200, 5, 1e-14));
  BOOST_TEST(is_close(norm(tape.constant({3e-200, 4e-200})).item() * 1e200, 5, 1e-14));
  BOOST_TEST(norm(tape.constant({-infinity, 1.0})).item() == infinity);
  BOOST_TEST(std::isnan(norm(tape.constant({nan_value, 1.0})).item()));

  const auto flat = tape.variable({{2.0, 2.0, 2.0}, {1.0, 2.0, 3.0}});
  const auto deviation = stddev(flat, 1, {.ddof = 1});
  sum(deviation).backward();
  expect_close(as_values(deviation.value()), {0, 1}, 1e-15, "deviation");
  expect_close(as_values(flat.grad()), {{0, 0, 0}, {-0.5, 0, 0.5}}, 1e-15, "its gradient");
  BOOST_TEST(std::isnan(var(tape.constant({2.0}), {}, {.ddof = 1}).item()));
  BOOST_TEST(std::isnan(var(tape.constant({2.0}), {}, {.ddof = 2}).item()));

  Tape<float> single;  // the mean is far from 0: a sum of squares would lose all digits
  BOOST_TEST(var(single.constant({10000.0F, 10001.0F, 10002.0F}), {}, {.ddof = 1}).item() == 1);
}

BOOST_AUTO_TEST_CASE(axes_move) {
  const auto permuted = [](const std::vector<std::size_t>& order) {
    return [order](const Point& x) {
      Extents shape;
      for (const std::size_t axis : order) shape.push_back(x[0].shape()[axis]);
      return filled(shape, [&](const Position& p) {
        Position q(p.size());
        for (std::size_t i = 0; i < p.size(); ++i) q[order[i]] = p[i];
        return at(x[0], q);
      });
    };
  };
  const std::vector<Point> cube{{sample({2, 3, 4, 5}, -2, 2)}};
  const auto moved = [&](const Axes& from, const Axes& to, const std::vector<std::size_t>& order) {
    expect_grad(
        "moveaxis", [=](const auto& x) { return moveaxis(x[0], from, to); }, cube, permuted(order));
  };
  moved(0, 2, {1, 2, 0, 3});
  moved(-1, 0, {3, 0, 1, 2});
  moved(1, 1, {0, 1, 2, 3});
  moved({0, 1}, {-1, -2}, {2, 3, 1, 0});
  moved({3, 0}, {1, 2}, {1, 3, 0, 2});
  moved({}, {}, {0, 1, 2, 3});
  expect_grad(
      "swapaxes", [](const auto& x) { return swapaxes(x[0], 0, -2); }, cube,
      permuted({2, 1, 0, 3}));
  expect_grad(
      "swapaxes", [](const auto& x) { return swapaxes(x[0], 1, 1); }, cube, permuted({0, 1, 2, 3}));
}

/// x with its element at position p taken from `source(p)` of the input.
template <class F, class Source>
void expect_moved(const std::string& name, const F& f, const Extents& from, const Extents& to,
                  const Source& source) {
  expect_grad(name, f, {{sample(from, -2, 2)}}, [=](const Point& x) {
    return filled(to, [&](const Position& p) { return at(x[0], source(p)); });
  });
}

BOOST_AUTO_TEST_CASE(arrays_repeat) {
  const auto thrice = [](const auto& x) { return repeat(x[0], 3, 1); };
  expect_moved("repeat", thrice, {2, 3}, {2, 9}, [](const Position& p) {
    return Position{p[0], p[1] / 3};
  });
  expect_moved("repeat", thrice, {2, 1, 3}, {2, 3, 3}, [](const Position& p) {
    return Position{p[0], p[1] / 3, p[2]};
  });
  expect_moved("repeat", thrice, {0, 2}, {0, 6}, [](const Position& p) { return p; });
  const auto all = [](const auto& x) { return repeat(x[0], 2); };
  expect_moved("repeat", all, {2, 3}, {12}, [](const Position& p) {
    return Position{p[0] / 6, p[0] / 2 % 3};
  });
  expect_moved("repeat", all, {}, {2}, [](const Position&) { return Position{}; });
  expect_moved(
      "repeat", [](const auto& x) { return repeat(x[0], 0, -1); }, {2, 3}, {2, 0},
      [](const Position& p) { return p; });
  const auto tiled = [](const Shape& counts) {
    return [counts](const auto& x) { return tile(x[0], counts); };
  };
  expect_moved("tile", tiled({2, 3}), {3, 2}, {6, 6}, [](const Position& p) {
    return Position{p[0] % 3, p[1] % 2};
  });
  expect_moved("tile", tiled({2}), {3, 2}, {3, 4}, [](const Position& p) {
    return Position{p[0], p[1] % 2};
  });
  expect_moved("tile", tiled({2, 1, 2}), {3}, {2, 1, 6},
               [](const Position& p) { return Position{p[2] % 3}; });
  expect_moved("tile", tiled({}), {3}, {3}, [](const Position& p) { return p; });
  expect_moved("tile", tiled({0, 2}), {3, 2}, {0, 4}, [](const Position& p) { return p; });
  expect_moved(
      "tile", tiled({1, 1, 2, 1, 1, 3, 1, 2}), {2, 1, 2, 1, 2, 1, 2, 2}, {2, 1, 4, 1, 2, 3, 2, 4},
      [](const Position& p) { return Position{p[0], 0, p[2] % 2, 0, p[4], 0, p[6], p[7] % 2}; });
}

BOOST_AUTO_TEST_CASE(masks_fill_and_parts_are_added) {
  Tape<double> tape;
  const auto bad = tape.variable({nan_value, 2.0});
  const auto filled_up = masked_fill(bad, tape.constant({1.0, 0.0}), 0);
  expect_close(as_values(filled_up.value()), {0, 2}, 0, "NaN does not leak");
  expect_close(as_values(tril(tape.constant({{1.0, nan_value}, {3.0, 4.0}})).value()),
               {{1, 0}, {3, 4}}, 0, "nor through a triangle");

  const Indices twice{{1, -1}, {1, 0}};
  expect_grad(
      "scatter_add", [&](const auto& x) { return scatter_add(x[0], twice, x[1]); },
      {{sample({3, 2}, -2, 2, 1), sample({2, 2, 2}, -2, 2, 2)}},
      [&](const Point& x) {
        Values y = x[0];
        for_each_position({2, 2, 2}, [&](const Position& p) {
          const std::int64_t row = twice(p[0], p[1]);
          y(row < 0 ? 2 : static_cast<std::size_t>(row), p[2]) += at(x[1], p);
        });
        return y;
      });
  expect_grad(
      "scatter_add",
      [](const auto& x) {
        return scatter_add(x[0], {0, 0}, x[1], -1);
      },
      {{sample({2, 3}, -2, 2, 1), sample({2, 2}, -2, 2, 2)}},
      [](const Point& x) {
        Values y = x[0];
        for (const std::size_t i : {0u, 1u}) y(i, 0) += x[1](i, 0) + x[1](i, 1);
        return y;
      });
}

BOOST_AUTO_TEST_CASE(elements_are_gathered) {
  const Indices columns{{2, 0, -1, 2}, {1, 1, 0, -3}};
  expect_grad(
      "gather", [&](const auto& x) { return gather(x[0], columns, 1); }, {{sample({2, 3}, -2, 2)}},
      [&](const Point& x) {
        return filled({2, 4}, [&](Position p) {
          const std::int64_t k = columns(p[0], p[1]);
          p[1] = static_cast<std::size_t>(k < 0 ? k + 3 : k);
          return at(x[0], p);
        });
      });
  Indices one{1, 0};
  one.reshape({1, 1, 2});  // fewer than x has along the other axes
  expect_grad(
      "gather", [&](const auto& x) { return gather(x[0], one, -3); }, {{sample({2, 3, 4}, -2, 2)}},
      [](const Point& x) {
        return filled({1, 1, 2}, [&](Position p) {
          p[0] = 1 - p[2];
          return at(x[0], p);
        });
      });
  Tape<double> tape;
  const auto x = tape.variable({{3.0, 1.0, 2.0}, {0.0, 4.0, 5.0}});
  const auto y = gather(x, argmax(x, 1, true), 1);
  expect_close(as_values(squeeze(y).value()), {3, 5}, 0, "the largest");
}

BOOST_AUTO_TEST_CASE(other_ways_to_say_it) {
  Tape<double> tape;
  const auto x = tape.variable({-1.0, 0.5, 2.0});
  const auto same = [](const Variable<double>& a, const Variable<double>& b) {
    expect_close(as_values(a.value()), as_values(b.value()), 0, a.name());
  };
  same(0.5 < x, x > 0.5);
  same(0.5 > x, x < 0.5);
  same(0.5 <= x, x >= 0.5);
  same(0.5 >= x, x <= 0.5);
  same(equal(0.5, x), equal(x, 0.5));
  same(not_equal(0.5, x), not_equal(x, 0.5));
  expect_close(as_values(where(x > 0, 1, -1).value()), {-1, 1, 1}, 0, "where");
  same(concatenate({x, x}), concatenate(std::vector{x, x}));
  same(stack({x, x}, 1), stack(std::vector{x, x}, 1));
  same(einsum("i,i", {x, x}), einsum("i,i", x, x));
  expect_grad(
      "pow", [](const auto& v) { return pow(2, v[0]); }, {{sample({2, 3}, -2, 2)}},
      [](const Point& v) { return mapped(v[0], [](double a) { return std::pow(2, a); }); });
  const auto wide = tape.variable(sample({1, 3, 1, 2}, -2, 2));
  BOOST_TEST(squeeze(wide).shape().str() == "(3, 2)");
  BOOST_TEST(squeeze(slice(x, 0, 0, 1)).shape().str() == "()");
}

BOOST_AUTO_TEST_CASE(one_hot_rows) {
  Tape<float> tape;
  const auto rows = one_hot(tape, {2, 0}, 3);
  BOOST_TEST((rows.value() == Array<float>{{0, 0, 1}, {1, 0, 0}}));
  BOOST_TEST(!rows.requires_grad());
  BOOST_TEST(rows.name() == "one_hot");
  BOOST_TEST(one_hot(tape, Indices{{0, 1}, {1, 0}}, 2).shape().str() == "(2, 2, 2)");
  Indices one(Indices::shape_type{});
  one() = 1;
  BOOST_TEST((one_hot(tape, one, 2).value() == Array<float>{0, 1}));
  BOOST_TEST(one_hot(tape, xt::zeros<std::int64_t>({0}), 4).shape().str() == "(0, 4)");
  const std::size_t before = tape.size();
  BOOST_CHECK_EXCEPTION(one_hot(tape, Indices{{0, 1}, {3, -1}}, 3), IndexError,
                        says("[one_hot] index 3 at position (1, 0) is out of range for 3 classes"));
  BOOST_CHECK_EXCEPTION(one_hot(tape, {0, -1}, 3), IndexError,
                        says("[one_hot] index -1 at position (1,) is out of range for 3 classes"));
  BOOST_CHECK_THROW(one_hot(tape, {0, 0}, std::size_t{1} << 62), ShapeError);
  BOOST_TEST(tape.size() == before);
}

}  // namespace
}  // namespace tapestry::test
