// SPDX-License-Identifier: MIT
// Every op of the library: value, first and second derivative. An op that is not in the table
// fails the test.
#define BOOST_TEST_MODULE ops
#include <algorithm>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <string>

#include "op_table/all.hpp"

namespace tapestry::test {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan_value = std::numeric_limits<double>::quiet_NaN();

BOOST_DATA_TEST_CASE(derivatives, boost::unit_test::data::make(op_table()), op) { expect_grad(op); }

/// Names of the ops that the sources define: an op whose file is not linked registers nothing.
std::set<std::string> defined_ops() {
  std::set<std::string> names;
  const std::string before = "static constexpr auto name = \"";
  const std::filesystem::path source = std::filesystem::path(TAPESTRY_TEST_DIR) / "../autodiff/src";
  for (const auto& file : std::filesystem::recursive_directory_iterator(source)) {
    if (file.path().extension() != ".cpp" && file.path().extension() != ".hpp") continue;
    std::stringstream text;
    text << std::ifstream(file.path()).rdbuf();
    const std::string content = text.str();
    for (std::size_t found = content.find(before); found != std::string::npos;
         found = content.find(before, found + 1)) {
      const std::size_t first = found + before.size();
      names.insert(content.substr(first, content.find('"', first) - first));
    }
  }
  return names;
}

BOOST_AUTO_TEST_CASE(every_op_is_in_the_table) {
  std::set<std::string> tested;
  for (const GradCase& op : op_table()) tested.insert(op.name);
  std::set<std::string> existing = defined_ops();
  BOOST_TEST(existing.size() > 30u);  // the sources were found
  for (const OpDescription& op : registered_ops()) existing.insert(op.name);
  for (const std::string& name : existing)
    BOOST_CHECK_MESSAGE(tested.contains(name), "op '" + name + "' is not in the table");
  for (const std::string& name : tested)
    BOOST_CHECK_MESSAGE(existing.contains(name), "'" + name + "' in the table is no op");
}

BOOST_AUTO_TEST_CASE(functions_at_the_edge_of_the_type) {
  constexpr double big = std::numeric_limits<double>::max();
  expect_values([](const auto& x) { return exp(x); },
                {-infinity, -800, 0, 800, infinity, nan_value},
                {0, 0, 1, infinity, infinity, nan_value});
  expect_values([](const auto& x) { return log(x); }, {0, 1, infinity, -1, nan_value},
                {-infinity, 0, infinity, nan_value, nan_value});
  expect_values([](const auto& x) { return sqrt(x); }, {0, 4, big, infinity, -1, nan_value},
                {0, 2, std::sqrt(big), infinity, nan_value, nan_value});
  expect_values([](const auto& x) { return tanh(x); },
                {-infinity, -800, 0, 800, infinity, nan_value}, {-1, -1, 0, 1, 1, nan_value},
                {0, 0, 1, 0, 0, nan_value});
  expect_values([](const auto& x) { return sigmoid(x); },
                {-infinity, -800, 0, 800, infinity, nan_value}, {0, 0, 0.5, 1, 1, nan_value},
                {0, 0, 0.25, 0, 0, nan_value});
  expect_values([](const auto& x) { return softplus(x); },
                {-infinity, -800, 0, 800, infinity, nan_value},
                {0, 0, std::log(2), 800, infinity, nan_value}, {0, 0, 0.5, 1, 1, nan_value});
  expect_values([](const auto& x) { return relu(x); }, {-infinity, -1, 0, 1, infinity, nan_value},
                {0, 0, 0, 1, infinity, nan_value}, {0, 0, 0, 1, 1, 1});
}

BOOST_AUTO_TEST_CASE(powers_at_the_edge_of_the_type) {
  expect_values([](const auto& x) { return pow(x, 2); }, {-3, 0, infinity, nan_value},
                {9, 0, infinity, nan_value}, {-6, 0, infinity, nan_value});
  expect_values([](const auto& x) { return pow(x, 0); }, {-3, 0, 2}, {1, 1, 1}, {0, 0, 0});
  expect_values([](const auto& x) { return pow(x, 1); }, {-3, 0, 2}, {-3, 0, 2}, {1, 1, 1});
  expect_values([](const auto& x) { return pow(x, 3); }, {-3, 0, 2}, {-27, 0, 8}, {27, 0, 12});
  expect_values([](const auto& x) { return pow(x, -1); }, {-2, 4}, {-0.5, 0.25}, {-0.25, -0.0625});
  expect_values([](const auto& x) { return pow(x, 0.5); }, {0, 4, -1}, {0, 2, nan_value});
  Tape<double> tape;
  const auto a = tape.variable({0.0, 0.0, 2.0, -2.0});
  const auto b = tape.variable({2.0, 0.0, 0.0, 3.0});
  sum(pow(a, b)).backward();
  expect_close(as_values(a.grad()), {0, 0, 0, 12}, 1e-14, "gradient by the base");
  BOOST_TEST(b.grad()(0) == 0);
  BOOST_TEST(b.grad()(1) == 0);
  BOOST_TEST(b.grad()(2) == std::log(2.0));
  BOOST_TEST(std::isnan(b.grad()(3)));
  const auto [db] = gradients(sum(pow(a, b)), {b}, {.differentiable = true});
  const auto [dda] = gradients(sum(slice(db, 0, 0, 1)), {a});
  BOOST_TEST(dda.value()(0) == 0);  // log 0 does not leak
}

BOOST_AUTO_TEST_CASE(softmax_and_logsumexp_do_not_overflow) {
  Tape<double> tape;
  const auto x = tape.variable({{1000.0, 1000.0}, {-1000.0, -1001.0}, {-infinity, 3.0}});
  const double e = std::exp(-1);
  expect_close(as_values(softmax(x).value()), {{0.5, 0.5}, {1 / (1 + e), e / (1 + e)}, {0, 1}},
               1e-14, "softmax");
  expect_close(
      as_values(log_softmax(x).value()),
      {{-std::log(2), -std::log(2)}, {-std::log(1 + e), -1 - std::log(1 + e)}, {-infinity, 0}},
      1e-14, "log_softmax");
  expect_close(as_values(logsumexp(x, 1).value()), {1000 + std::log(2), -1000 + std::log(1 + e), 3},
               1e-14, "logsumexp");
  const auto none = tape.variable({-infinity, -infinity});
  BOOST_TEST(logsumexp(none).value()() == -infinity);
  sum(logsumexp(x, 1)).backward();
  expect_close(as_values(x.grad()), as_values(softmax(x).value()), 1e-12, "gradient of logsumexp");
}

BOOST_AUTO_TEST_CASE(cross_entropy_of_certain_and_of_masked_classes) {
  for (const bool primitive : {false, true}) {
    Tape<double> tape;
    tape.set_primitive(primitive);
    const auto x = tape.variable({{1e4, 0.0, -1e4}, {-infinity, 0.0, 0.0}});
    const auto loss = softmax_cross_entropy(x, {0, 2}, {.reduction = Reduction::none});
    expect_close(as_values(loss.value()), {0, std::log(2)}, 1e-14, "loss");
    loss.backward({1.0, 1.0});
    expect_close(as_values(x.grad()), {{0, 0, 0}, {0, 0.5, -0.5}}, 1e-14, "gradient");
    const auto [dx] = gradients(sum(loss), {x}, {.differentiable = true});
    expect_close(as_values(dx.value()), {{0, 0, 0}, {0, 0.5, -0.5}}, 1e-14, "recorded");
    const auto ignored = softmax_cross_entropy(x, {-100, -100});
    BOOST_TEST(std::isnan(ignored.value()()));  // as in PyTorch: no target counts
  }
}

BOOST_AUTO_TEST_CASE(max_keeps_nan_and_shares_the_gradient) {
  Tape<double> tape;
  const auto x = tape.variable({{nan_value, 1.0}, {1.0, nan_value}, {2.0, 2.0}});
  const auto y = max(x, 1);
  expect_close(as_values(y.value()), {nan_value, nan_value, 2.0}, 0, "max");
  select(y, 0, 2).backward();
  BOOST_TEST(x.grad()(2, 0) == 0.5);
  BOOST_TEST(x.grad()(2, 1) == 0.5);
  BOOST_TEST(max(tape.constant({-infinity, -infinity})).value()() == -infinity);
}

BOOST_AUTO_TEST_CASE(where_stops_what_is_not_chosen) {
  Tape<double> tape;
  const auto x = tape.variable({-1.0, 4.0});
  const auto y = where(x > 0, sqrt(x), 0);  // sqrt(-1) is NaN and must not be seen
  sum(y).backward();
  BOOST_TEST(y.value()(0) == 0);
  BOOST_TEST(y.value()(1) == 2);
  BOOST_TEST(x.grad()(1) == 0.25);
  const auto nan_condition =
      where(tape.constant(nan_value), tape.constant(1.0), tape.constant(2.0));
  BOOST_TEST(nan_condition.value()() == 1);  // not 0, so true, as in NumPy
}

BOOST_AUTO_TEST_CASE(comparisons_with_nan_are_false) {
  Tape<double> tape;
  const auto x = tape.constant({nan_value, 1.0, 2.0});
  expect_close(as_values((x > 1).value()), {0, 0, 1}, 0, ">");
  expect_close(as_values((x >= 1).value()), {0, 1, 1}, 0, ">=");
  expect_close(as_values((x < 2).value()), {0, 1, 0}, 0, "<");
  expect_close(as_values((x <= 2).value()), {0, 1, 1}, 0, "<=");
  expect_close(as_values((x < tape.constant(2.0)).value()), {0, 1, 0}, 0, "< variable");
  expect_close(as_values((x <= tape.constant(2.0)).value()), {0, 1, 1}, 0, "<= variable");
  expect_close(as_values(equal(x, x).value()), {0, 1, 1}, 0, "equal");
}

BOOST_AUTO_TEST_CASE(mean_over_nothing_is_nan_and_sum_is_zero) {
  Tape<double> tape;
  const auto x = tape.variable(Values(xt::zeros<double>({2, 0})));
  BOOST_TEST(std::isnan(mean(x).value()()));
  BOOST_TEST(sum(x).value()() == 0);
  const auto lines = sum(x, 1);
  sum(lines).backward();
  BOOST_TEST(Shape(x.grad().shape()).str() == "(2, 0)");
  BOOST_TEST(logsumexp(x).value()() == -infinity);
}

BOOST_AUTO_TEST_CASE(dropout_keeps_the_mean_and_its_gradient_is_its_mask) {
  seed(7);
  Tape<double> tape;
  const auto x = tape.variable(Values(xt::ones<double>({100, 100})));
  const auto y = dropout(x, 0.25);
  sum(y).backward();
  std::size_t dropped = 0;
  for (const double v : y.value()) {
    BOOST_TEST((v == 0 || v == 1 / 0.75));
    dropped += v == 0;
  }
  BOOST_TEST(std::abs(static_cast<double>(dropped) / 1e4 - 0.25) < 0.02);
  expect_close(as_values(x.grad()), as_values(y.value()), 0, "gradient");
  const auto again = dropout(x, 0.25);
  BOOST_TEST(as_values(again.value()) != as_values(y.value()));
  seed(7);
  expect_close(as_values(dropout(x, 0.25).value()), as_values(y.value()), 0, "seed");
  BOOST_TEST(dropout(x, 0.25, false).index() == x.index());
  BOOST_TEST(dropout(x, 0).index() == x.index());
  BOOST_TEST(sum(dropout(x, 1)).item() == 0);
}

}  // namespace
}  // namespace tapestry::test
