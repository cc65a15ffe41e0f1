// SPDX-License-Identifier: MIT
// Numbers into the library: from vectors, braces, spans; arrays made of nothing; numbers as
// operands and targets.
#define BOOST_TEST_MODULE arrays
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <vector>

#include "errors.hpp"
#include "tapestry/autodiff.hpp"

namespace tapestry::test {
namespace {

template <class T>
std::vector<double> numbers(const Variable<T>& x) {
  const auto value = x.value();
  return {value.data(), value.data() + value.size()};
}

template <class T>
std::vector<double> numbers(const Array<T>& x) {
  return {x.data(), x.data() + x.size()};
}

using Numbers = std::vector<double>;

BOOST_AUTO_TEST_CASE(vectors_become_values) {
  Tape<float> tape;
  const std::vector<float> prices{1, 2, 3};
  const auto p = tape.constant(prices, "prices");
  BOOST_TEST(p.shape() == (Shape{3}));
  BOOST_TEST(p.name() == "prices");
  BOOST_TEST(numbers(p) == (Numbers{1, 2, 3}));
  BOOST_TEST(numbers(tape.variable(std::vector<double>{1.5, 2.5})) == (Numbers{1.5, 2.5}));
  BOOST_TEST(numbers(tape.constant(std::vector<int>{4, 5})) == (Numbers{4, 5}));
  BOOST_TEST(numbers(tape.constant(std::vector<bool>{true, false})) == (Numbers{1, 0}));
  BOOST_TEST(numbers(tape.constant(std::span(prices).subspan(1))) == (Numbers{2, 3}));
  BOOST_TEST(numbers(tape.constant(std::array<float, 2>{7, 8})) == (Numbers{7, 8}));
  BOOST_TEST(numbers(tape.constant(std::list<float>{7, 8})) == (Numbers{7, 8}));
  const std::vector<std::vector<double>> rows{{1, 2}, {3, 4}, {5, 6}};
  BOOST_TEST(tape.constant(rows).shape() == (Shape{3, 2}));
  BOOST_TEST(numbers(tape.constant(rows)) == (Numbers{1, 2, 3, 4, 5, 6}));
  const float table[2][3] = {{1, 2, 3}, {4, 5, 6}};
  BOOST_TEST(tape.constant(table).shape() == (Shape{2, 3}));
  const std::vector<std::vector<std::array<float, 1>>> cube{{{1}, {2}}};
  BOOST_TEST(tape.constant(cube).shape() == (Shape{1, 2, 1}));
  BOOST_TEST(tape.constant(std::vector<float>{}).shape() == (Shape{0}));
  BOOST_TEST(tape.constant(Array<double>{0.5, 1.5}).shape() == (Shape{2}));  // converted
  BOOST_TEST(tape.constant(Indices{1, 2}).shape() == (Shape{2}));
}

BOOST_AUTO_TEST_CASE(vectors_of_unequal_length_are_refused) {
  Tape<float> tape;
  const std::size_t before = tape.size();
  const std::vector<std::vector<float>> rows{{1, 2}, {3}};
  BOOST_CHECK_EXCEPTION((void)tape.constant(rows), ShapeError,
                        says("[constant] row 0 has 2 numbers, row 1 has 1"));
  const std::vector<std::vector<std::vector<float>>> matrices{{{1}}, {{2}, {3}}};
  BOOST_CHECK_EXCEPTION((void)tape.variable(matrices), ShapeError,
                        says("[variable] matrix 0 has 1 rows, matrix 1 has 2"));
  BOOST_CHECK_EXCEPTION((void)Parameter<float>(rows, "w"), ShapeError,
                        says("[Parameter] row 0 has 2 numbers, row 1 has 1"));
  BOOST_CHECK_EXCEPTION((void)tape.constant({{1, 2}, {{3}, {4}}}), ShapeError,
                        says("[constant] part 0 has 1 axes, part 1 has 2"));
  BOOST_CHECK_EXCEPTION((void)tape.constant({{{{1}}}, {{{1, 2}}}}), ShapeError,
                        says("[constant] part 0 has shape (1, 1, 1), part 1 has (1, 1, 2)"));
  BOOST_TEST(tape.size() == before);
}

BOOST_AUTO_TEST_CASE(braces_mean_what_they_show) {
  Tape<float> tape;
  const float x = 0.5F;
  const int n = 2;
  BOOST_TEST(tape.constant({x}).shape() == (Shape{1}));
  BOOST_TEST(tape.constant({{x}}).shape() == (Shape{1, 1}));
  BOOST_TEST(tape.constant({{{x}}}).shape() == (Shape{1, 1, 1}));
  BOOST_TEST(tape.constant({{{{x}}}}).shape() == (Shape{1, 1, 1, 1}));
  BOOST_TEST(tape.variable({{{1.0}, {2.0}}}).shape() == (Shape{1, 2, 1}));
  BOOST_TEST(tape.constant({{1, 2}, {3, n}}, "grid").shape() == (Shape{2, 2}));
  BOOST_TEST(tape.constant({{{{{{{{x}}}}}}}}).shape().rank() == 8u);
  BOOST_CHECK_THROW((void)tape.constant({{{{{{{{{x}}}}}}}}}), ShapeError);
  BOOST_TEST(Parameter<float>({{{x}, {x}}}).shape() == (Shape{1, 2, 1}));
  BOOST_TEST(Parameter<float>({{0}, {0}}).shape() == (Shape{2, 1}));
  BOOST_TEST(Parameter<float>(std::vector<double>{1, 2}, "w").shape() == (Shape{2}));
  BOOST_TEST(Parameter<double>{zeros<double>({2, 3})}.shape() == (Shape{2, 3}));
  BOOST_TEST(Parameter<float>(2 * Array<float>{1, 2}).value()(1) == 4);
  BOOST_TEST(Parameter<float>(0.5F).shape() == Shape{});
}

BOOST_AUTO_TEST_CASE(arrays_are_made_of_nothing) {
  BOOST_TEST(numbers(zeros({2})) == (Numbers{0, 0}));
  BOOST_TEST(numbers(ones<double>({1, 2})) == (Numbers{1, 1}));
  BOOST_TEST(numbers(full<float>({2}, 0.5F)) == (Numbers{0.5, 0.5}));
  BOOST_TEST(full({}, 3).size() == 1u);
  BOOST_TEST(numbers(arange(3)) == (Numbers{0, 1, 2}));
  BOOST_TEST(numbers(arange<double>(1, 2, 0.25)) == (Numbers{1, 1.25, 1.5, 1.75}));
  BOOST_TEST(numbers(arange<double>(1, -1, -1)) == (Numbers{1, 0}));
  BOOST_TEST(numbers(arange<std::int64_t>(2, 4)) == (Numbers{2, 3}));
  BOOST_TEST(arange(0).size() == 0u);
  BOOST_TEST(arange(5, 2).size() == 0u);
  BOOST_TEST(numbers(linspace<double>(0, 1, 5)) == (Numbers{0, 0.25, 0.5, 0.75, 1}));
  BOOST_TEST(numbers(linspace<double>(2, 3, 1)) == (Numbers{2}));
  BOOST_TEST(linspace(0, 1, 0).size() == 0u);
  BOOST_TEST(Shape(from({1, 2, 3, 4, 5, 6}, {2, rest}).shape()) == (Shape{2, 3}));
  const std::vector<double> data{1, 2, 3, 4};
  BOOST_TEST(from<double>(data, {2, 2})(1, 0) == 3);
  BOOST_TEST(from(data, {2, 2})(1, 0) == 3);
  const Array<double> x = ones<double>({2, 3});
  BOOST_TEST(Shape(zeros_like(x).shape()) == (Shape{2, 3}));
  BOOST_TEST(numbers(zeros_like(x)) == Numbers(6, 0.0));
  BOOST_TEST(numbers(ones_like(x)) == Numbers(6, 1.0));
  BOOST_TEST(numbers(full_like(x, 2)) == Numbers(6, 2.0));
}

BOOST_AUTO_TEST_CASE(what_arrays_cannot_be_made_of) {
  BOOST_CHECK_EXCEPTION((void)arange(0, 1, 0), ArgumentError, says("[arange] the step is 0"));
  BOOST_CHECK_EXCEPTION((void)arange(INFINITY), ArgumentError, says("[arange] inf is not finite"));
  BOOST_CHECK_THROW((void)arange(0, 1e300), ShapeError);
  BOOST_CHECK_EXCEPTION((void)linspace(0, NAN, 3), ArgumentError,
                        says("[linspace] nan is not finite"));
  BOOST_CHECK_EXCEPTION((void)from({1, 2, 3}, {2, 2}), ShapeError,
                        says("[from] cannot give 3 elements of shape (3,) the shape (2, 2)"));
  BOOST_CHECK_EXCEPTION((void)from({1, 2, 3}, {rest, 2}), ShapeError,
                        says("[from] cannot give 3 elements of shape (3,) the shape (rest, 2)"));
  BOOST_CHECK_THROW((void)zeros({std::size_t{1} << 40, std::size_t{1} << 40}), ShapeError);
}

BOOST_AUTO_TEST_CASE(random_arrays_follow_a_generator) {
  Generator a(7);
  Generator b(7);
  const Array<double> x = randn<double>({5, 2, 3}, a);
  BOOST_TEST(x.size() == 30u);
  BOOST_TEST(x.data()[0] == b.normal());
  const Array<float> u = rand({1000}, a);
  double mean = 0;
  for (const float v : u) {
    BOOST_REQUIRE((v >= 0 && v < 1));
    mean += static_cast<double>(v) / 1000;
  }
  BOOST_TEST(std::abs(mean - 0.5) < 0.05);
  seed(3);
  const Array<float> first = randn({4});
  seed(3);
  BOOST_TEST(numbers(randn({4})) == numbers(first));
}

BOOST_AUTO_TEST_CASE(tapes_make_constants_of_nothing) {
  Tape<double> tape;
  const auto w = tape.variable({{1.0, 2.0}}, "w");
  BOOST_TEST(!tape.zeros({2}).requires_grad());
  BOOST_TEST(numbers(tape.zeros({2})) == (Numbers{0, 0}));
  BOOST_TEST(numbers(tape.ones({2})) == (Numbers{1, 1}));
  BOOST_TEST(numbers(tape.full({2}, 3)) == (Numbers{3, 3}));
  BOOST_TEST(numbers(tape.arange(2)) == (Numbers{0, 1}));
  BOOST_TEST(numbers(tape.arange(2, 4)) == (Numbers{2, 3}));
  BOOST_TEST(numbers(tape.linspace(0, 1, 3)) == (Numbers{0, 0.5, 1}));
  BOOST_TEST(tape.randn({2, 3}).size() == 6u);
  BOOST_TEST(tape.rand({2, 3}).size() == 6u);
  BOOST_TEST(tape.from({1, 2, 3, 4}, {2, 2}).shape() == (Shape{2, 2}));
  BOOST_TEST(zeros_like(w).shape() == w.shape());
  BOOST_TEST(numbers(ones_like(w)) == (Numbers{1, 1}));
  BOOST_TEST(numbers(full_like(w, 2)) == (Numbers{2, 2}));
}

BOOST_AUTO_TEST_CASE(a_handle_can_be_added_to) {
  Tape<float> tape;
  const auto x = tape.variable(3.0F, "x");
  auto loss = tape.constant(0.0F);
  const auto start = loss;
  for (int i = 0; i < 2; ++i) loss += square(x);
  loss *= 2;
  loss -= 1;
  loss /= 0.5;
  loss.backward();
  BOOST_TEST(loss.item() == (2 * 18 - 1) * 2);
  BOOST_TEST(x.grad()() == 2 * 2 * 6 * 2);
  BOOST_TEST(start.item() == 0);
  auto y = tape.variable({1, 2});
  y += std::vector<float>{1, 1};
  y *= Array<float>{2, 3};
  y -= std::vector<int>{4, 9};
  BOOST_TEST(numbers(y) == (Numbers{0, 0}));
}

BOOST_AUTO_TEST_CASE(elements_are_taken_by_position) {
  Tape<double> tape;
  const auto x = tape.variable({{1.0, 2.0}, {3.0, 4.0}}, "x");
  const std::size_t first = 0;
  BOOST_TEST(numbers(x[first]) == (Numbers{1, 2}));
  BOOST_TEST(numbers(x[-1]) == (Numbers{3, 4}));
  BOOST_TEST(x[1][0].item() == 3);
  BOOST_TEST(x[1][0].shape() == Shape{});
  BOOST_CHECK_THROW((void)x[2], IndexError);
  BOOST_CHECK_THROW((void)x[-3], IndexError);
  BOOST_CHECK_THROW((void)x[0][0][0], IndexError);
  BOOST_TEST(numbers(x.slice(1, 0, 1)) == (Numbers{1, 3}));
  BOOST_CHECK_THROW((void)x.value().at(2, 0), std::exception);
  BOOST_CHECK_THROW((void)arange<double>(2).at(2), std::exception);
  x[-1][0].backward();
  BOOST_TEST(x.grad()(1, 0) == 1);
  BOOST_TEST(x.grad()(0, 0) == 0);
}

BOOST_AUTO_TEST_CASE(numbers_are_operands) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const Array<double> a{3.0, 4.0};
  const std::vector<double> v{3, 4};
  BOOST_TEST(numbers(x + a) == (Numbers{4, 6}));
  BOOST_TEST(numbers(a + x) == (Numbers{4, 6}));
  BOOST_TEST(numbers(x - v) == (Numbers{-2, -2}));
  BOOST_TEST(numbers(v - x) == (Numbers{2, 2}));
  BOOST_TEST(numbers(x * x.value()) == (Numbers{1, 4}));
  BOOST_TEST(numbers(std::span(v) * x) == (Numbers{3, 8}));
  BOOST_TEST(numbers(x / (2 * a)) == (Numbers{1.0 / 6, 0.25}));
  BOOST_TEST(numbers(a / x) == (Numbers{3, 2}));
  BOOST_TEST(numbers(x > a) == (Numbers{0, 0}));
  BOOST_TEST(numbers(a >= x) == (Numbers{1, 1}));
  BOOST_TEST(numbers(x < v) == (Numbers{1, 1}));
  BOOST_TEST(numbers(v <= x) == (Numbers{0, 0}));
  BOOST_TEST(numbers(equal(x, Array<double>{1.0, 0.0})) == (Numbers{1, 0}));
  BOOST_TEST(numbers(not_equal(std::vector<int>{1, 0}, x)) == (Numbers{0, 1}));
  BOOST_TEST(numbers(maximum(x, a)) == (Numbers{3, 4}));
  BOOST_TEST(numbers(minimum(a, x)) == (Numbers{1, 2}));
  const Array<double> m{{1.0, 2.0}, {3.0, 4.0}};
  BOOST_TEST(numbers(matmul(m, x)) == (Numbers{5, 11}));
  BOOST_TEST(numbers(matmul(x, m)) == (Numbers{7, 10}));
  BOOST_TEST(matmul(x, {{1, 0}, {0, 1}}).shape() == (Shape{2}));
  BOOST_TEST(dot(x, v).item() == 11);
  BOOST_TEST(outer(v, x).shape() == (Shape{2, 2}));
  sum(matmul(m, x) * v).backward();
  BOOST_TEST(x.grad()(0) == 15);  // 1 * 3 + 3 * 4
}

BOOST_AUTO_TEST_CASE(numbers_are_targets) {
  Tape<float> tape;
  const auto x = tape.variable({1, 2, 4}, "x");
  const std::vector<float> target{1, 1, 1};
  BOOST_TEST(mse_loss(x, target, {.reduction = Reduction::sum}).item() == 10);
  BOOST_TEST(mse_loss(x, {1, 1, 1}, {.reduction = Reduction::sum}).item() == 10);
  BOOST_TEST(mse_loss(x, 1, {.reduction = Reduction::sum}).item() == 10);
  BOOST_TEST(l1_loss(x, Array<float>{1, 1, 1}, {.reduction = Reduction::sum}).item() == 4);
  BOOST_TEST(huber_loss(x, target, {.reduction = Reduction::sum}).item() == 3);
  const auto bce = binary_cross_entropy_with_logits(x, 1.0F);
  BOOST_TEST(bce.item() == binary_cross_entropy_with_logits(x, tape.ones({3})).item());
  const auto logits = tape.variable({{1, 2, 3}, {3, 2, 1}}, "logits");
  const std::vector<int> classes{2, 1};
  BOOST_TEST(softmax_cross_entropy(logits, classes).item() ==
             softmax_cross_entropy(logits, Indices{2, 1}).item());
  BOOST_TEST(nll_loss(logits, std::span(classes)).item() == -2.5);
  BOOST_TEST(numbers(take(logits, classes, 1)) == (Numbers{3, 2, 1, 2}));
  BOOST_CHECK_THROW((void)softmax_cross_entropy(logits, std::vector<std::size_t>{3, 0}),
                    IndexError);
  BOOST_CHECK_EXCEPTION((void)nll_loss(logits, std::vector<std::vector<int>>{{1}, {1, 2}}),
                        ShapeError, says("[nll_loss] row 0 has 1 numbers, row 1 has 2"));
  BOOST_TEST(kl_div(x, target).item() == kl_div(x, tape.ones({3})).item());
}

BOOST_AUTO_TEST_CASE(operands_that_do_not_fit_leave_the_tape_as_it_was) {
  Tape<float> tape;
  const auto x = tape.variable({1, 2}, "x");
  const std::vector<float> three{1, 2, 3};
  const std::size_t before = tape.size();
  BOOST_CHECK_EXCEPTION((void)(x + three), ShapeError,
                        says("[add] shapes do not broadcast: (2,) and (3,)"));
  BOOST_CHECK_THROW((void)matmul(x, three), ShapeError);
  BOOST_CHECK_EXCEPTION((void)mse_loss(x, three), ShapeError,
                        says("[mse_loss] the target (3,) must have the shape of the input (2,)"));
  const std::vector<std::vector<float>> ragged{{1}, {1, 2}};
  BOOST_CHECK_EXCEPTION((void)matmul(x, ragged), ShapeError,
                        says("[matmul] row 0 has 1 numbers, row 1 has 2"));
  BOOST_CHECK_THROW((void)(Variable<float>() + three), StaleVariable);
  BOOST_TEST(tape.size() == before);
}

}  // namespace
}  // namespace tapestry::test
