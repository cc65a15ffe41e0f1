// SPDX-License-Identifier: MIT
// The linear map as one node against its definition in primitive ops.
#define BOOST_TEST_MODULE fused_linear
#include "fused/linear.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "layer_checks.hpp"
#include "tapestry/autodiff.hpp"

using namespace tapestry;
using namespace tapestry::test;
using tapestry::layers::fused_linear;

namespace {

using Types = std::tuple<float, double>;

template <class T>
std::vector<Array<T>> results(const Array<T>& x, const Array<T>& w, const Array<T>& b,
                              bool primitive, bool twice) {
  Tape<T> tape;
  tape.set_primitive(primitive);
  const auto vx = tape.variable(x), vw = tape.variable(w), vb = tape.variable(b);
  const auto y = fused_linear(vx, vw, vb);
  auto loss = sum(y * y * T(0.5) + y);
  if (twice) loss = loss + sum(fused_linear(vx, vw, vb)) + sum(vb * vb);
  loss.backward();
  return {y.value(), vx.grad(), vw.grad(), vb.grad()};
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(equal_to_the_expansion, T, Types) {
  for (const std::size_t rows : {0, 1, 3, 40})
    for (const std::size_t inputs : {1, 5, 33})
      for (const std::size_t outputs : {1, 7, 16, 70})
        for (const bool twice : {false, true}) {
          const auto x = sample<T>({2, rows, inputs}, 1);
          const auto w = sample<T>({outputs, inputs}, 2);
          const auto b = sample<T>({outputs}, 3);
          const auto fused = results<T>(x, w, b, false, twice);
          const auto expanded = results<T>(x, w, b, true, twice);
          for (std::size_t i = 0; i < fused.size(); ++i) {
            BOOST_REQUIRE(Shape(fused[i].shape()) == Shape(expanded[i].shape()));
            if (fused[i].size() > 0)
              BOOST_TEST(relative_difference(fused[i], expanded[i]) < tolerance<T>,
                         rows << " rows, " << inputs << " to " << outputs << ": result " << i);
          }
        }
}

BOOST_AUTO_TEST_CASE(a_single_row) {
  Tape<double> tape;
  const auto x = tape.variable(sample<double>({4})), w = tape.variable(sample<double>({3, 4}, 2));
  const auto b = tape.variable(sample<double>({3}, 3));
  const auto y = fused_linear(x, w, b);
  BOOST_REQUIRE((y.shape() == Shape{3}));
  BOOST_TEST(relative_difference(y.value(), (matmul(w, x) + b).value()) < 1e-14);
}

BOOST_AUTO_TEST_CASE(gradients_of_the_first_and_second_order) {
  const auto f = [](std::span<const Variable<double>> in) {
    const auto y = fused_linear(in[0], in[1], in[2]);
    return sum(y * y * y);
  };
  const std::vector<Array<double>> operands{sample<double>({2, 3}, 1), sample<double>({4, 3}, 2),
                                            sample<double>({4}, 3)};
  const auto result = gradcheck(f, operands, {.second_order = true});
  BOOST_TEST(result.passed, result.message);
}

BOOST_AUTO_TEST_CASE(refused_operands_leave_the_tape_as_it_was) {
  Tape<double> tape;
  const auto x = tape.variable(sample<double>({2, 3})), w = tape.variable(sample<double>({4, 3}));
  const auto b = tape.variable(sample<double>({4})), scalar = tape.variable(sample<double>({}));
  const std::size_t size = tape.size();
  BOOST_CHECK_THROW(fused_linear(x, b, b), ShapeError);
  BOOST_CHECK_THROW(fused_linear(scalar, w, b), ShapeError);
  BOOST_CHECK_THROW(fused_linear(w, x, b), ShapeError);
  BOOST_CHECK_THROW(fused_linear(x, w, x), ShapeError);
  BOOST_TEST(tape.size() == size);
}
