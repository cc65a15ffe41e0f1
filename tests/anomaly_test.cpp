// SPDX-License-Identifier: MIT
// Finding trouble: the first number that is not finite, and where the memory goes.
#define BOOST_TEST_MODULE anomaly
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "allocations.hpp"
#include "errors.hpp"
#include "expect_grad.hpp"
#include "tapestry/layers/lstm.hpp"

namespace tapestry::test {
namespace {

using Types = std::tuple<float, double>;
constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan_value = std::numeric_limits<double>::quiet_NaN();

BOOST_AUTO_TEST_CASE_TEMPLATE(the_first_result_that_is_not_finite_is_named, T, Types) {
  Tape<T> tape;
  BOOST_TEST(!tape.detects_anomaly());
  const auto x = tape.variable({{T{1}, T{2}, T{3}}, {T{4}, T{0}, T{5}}}, "x");
  const auto mask = tape.constant(T(-infinity), "mask");  // infinite leaves are not checked
  static_cast<void>(log(x));                              // nor is anything without the switch
  tape.detect_anomaly();
  BOOST_TEST(tape.detects_anomaly());
  const auto model = tape.scope("model");
  const auto step = tape.step(2);
  const std::size_t size = tape.size();
  BOOST_CHECK_EXCEPTION(log(x), AnomalyError,
                        says("[log] the result (2, 3) is not finite: element (1, 1) is -inf; "
                             "inputs: 'x' (2, 3) finite (in model, step 2)"));
  BOOST_CHECK_EXCEPTION(x * mask, AnomalyError,
                        says("[multiply] the result (2, 3) is not finite: element (0, 0) is -inf; "
                             "inputs: 'x' (2, 3) finite, 'mask' () not finite (in model, step 2)"));
  BOOST_CHECK_THROW(sqrt(-x), AnomalyError);
  BOOST_TEST(tape.size() == size + 1);  // what threw is gone; -x is there
  const auto off = tape.no_grad();
  BOOST_CHECK_THROW(log(x), AnomalyError);
  tape.detect_anomaly(false);
  BOOST_TEST(log(x).value()(1, 1) == T(-infinity));
}

BOOST_AUTO_TEST_CASE(the_first_gradient_that_is_not_finite_is_named) {
  Tape<double> tape;
  tape.detect_anomaly();
  const auto x = tape.variable({4.0, 0.0}, "x");
  const auto bias = tape.variable(1.0, "bias");
  Variable<double> y;
  {
    const auto scope = tape.scope("distance");
    const auto root = sqrt(x).named("root");
    y = sum(root * bias);
  }
  const std::string text =
      "[sqrt] the gradient by input 0, 'x' (2,), is not finite: element (1,) is inf; gradient of "
      "the result 'root' (2,) finite; inputs: 'x' (2,) finite (in distance)";
  BOOST_CHECK_EXCEPTION(y.backward(), AnomalyError, says(text));
  BOOST_CHECK_EXCEPTION(gradients(y, {x}), AnomalyError, says(text));
  BOOST_CHECK_EXCEPTION(gradients(y, {x}, {.differentiable = true}), AnomalyError, says(text));
  BOOST_TEST(tape.recording());
  tape.zero_grad();
  const auto [db] = gradients(y, {bias});  // on another path all is well
  BOOST_TEST(db.item() == 2);
  BOOST_CHECK_EXCEPTION(
      square(x).backward({nan_value, 1.0}), AnomalyError,
      says("[backward] the seed of 'square' (2,) is not finite: element (0,) is nan"));
  tape.detect_anomaly(false);
  y.backward();
  BOOST_TEST(x.grad()(1) == infinity);
}

/// An op whose rule is wrong for negative numbers.
struct Broken {
  static constexpr auto name = "broken";
  [[nodiscard]] Shape infer(const Shape& x) const { return x; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    std::copy_n(x.data, x.size(), y.data);
  }
  auto backward(const auto& g, const auto&, const auto& x) const { return g * sqrt(x) / sqrt(x); }
};

BOOST_AUTO_TEST_CASE(rules_written_in_variables_are_named_by_their_op) {
  Parameter<double> p(Values{-1.0, 1.0}, "p");
  Tape<double> tape;
  tape.detect_anomaly();
  const auto w = tape.watch(p);
  const auto y = sum(apply(Broken{}, w));
  const std::string text =
      "[broken] the gradient by input 0, 'p' (2,), is not finite: element (0,) is nan; gradient of "
      "the result 'broken' (2,) finite; inputs: 'p' (2,) finite";
  BOOST_CHECK_EXCEPTION(y.backward(), AnomalyError, says(text));
  BOOST_CHECK_EXCEPTION(gradients(y, {w}, {.differentiable = true}), AnomalyError, says(text));
}

BOOST_AUTO_TEST_CASE(trouble_within_a_checkpoint_is_named_there) {
  Tape<double> tape;
  tape.detect_anomaly();
  const auto x = tape.variable({1.0, 0.0}, "x");
  const auto y = checkpoint(
      [&tape](const auto& v) {
        const auto scope = tape.scope("inner");
        return sum(sqrt(v));
      },
      x);
  BOOST_CHECK_EXCEPTION(y.backward(), AnomalyError,
                        says("[sqrt] the gradient by input 0, 'x' (2,), is not finite: element "
                             "(1,) is inf; gradient of the result 'sqrt' (2,) finite; inputs: 'x' "
                             "(2,) finite (in inner)"));
}

BOOST_AUTO_TEST_CASE(looking_for_trouble_changes_no_number) {
  layers::LSTM<double> lstm({.input_size = 3, .hidden_size = 4});
  std::vector<Values> results;
  for (const bool look : {false, true}) {
    Tape<double> tape;
    tape.detect_anomaly(look);
    const auto x = tape.variable(sample({5, 2, 3}, -1, 1));
    const auto y = sum(square(lstm(x).output));
    y.backward();
    const auto [dx] = gradients(y, {x}, {.differentiable = true});
    results.emplace_back(x.grad());
    results.emplace_back(dx.value());
  }
  BOOST_TEST((results[0] == results[2]));
  BOOST_TEST((results[1] == results[3]));
}

BOOST_AUTO_TEST_CASE(hooks_and_anomalies_cost_nothing_when_there_are_none) {
  Tape<double> tape;
  const Values input = sample({50}, -1, 1);
  const auto step = [&] {
    tape.clear();
    const auto x = tape.variable(input);
    sum(square(tanh(x))).backward();
  };
  step();
  step();
  const std::size_t before = allocations();
  step();
  BOOST_TEST(allocations() == before);
}

// The memory report ------------------------------------------------------------------------------

const MemoryRow& row(const std::vector<MemoryRow>& rows, const std::string& name) {
  const auto found = std::ranges::find(rows, name, &MemoryRow::name);
  BOOST_REQUIRE_MESSAGE(found != rows.end(), "no row '" + name + "'");
  return *found;
}

BOOST_AUTO_TEST_CASE(memory_is_reported_by_op_and_by_scope) {
  Parameter<float> p(Array<float>(sample({10, 10}, -1, 1)), "p");
  Tape<float> tape;
  const auto x = tape.variable(Array<float>(sample({20, 10}, -1, 1)), "x");
  Variable<float> h = x;
  {
    const auto model = tape.scope("model");
    for (std::size_t t = 0; t < 3; ++t) {
      const auto step = tape.step(t);
      h = tanh(matmul(h, tape.watch(p))).named("h");
    }
  }
  const auto y = sum(reshape(h, {200}));
  const MemoryReport before = memory_report(tape);
  BOOST_TEST(before.all.gradients == 0u);
  BOOST_TEST(row(before.by_op, "(input)").values == 800u);
  BOOST_TEST(row(before.by_op, "tanh").values == 3u * 800u);
  BOOST_TEST(row(before.by_op, "tanh").count == 3u);
  BOOST_TEST(row(before.by_op, "matmul").values == 3u * 800u);
  BOOST_TEST(row(before.by_op, "reshape").values == 0u);  // a view
  BOOST_TEST(row(before.by_op, "(parameter)").values == 0u);
  BOOST_TEST(row(before.by_op, "(parameter)").count == 3u);
  BOOST_TEST(row(before.by_scope, "model, step *").values == 6u * 800u);
  BOOST_TEST(row(before.by_scope, "(none)").values == 804u);
  const MemoryReport steps = memory_report(tape, {.merge_steps = false});
  BOOST_TEST(row(steps.by_scope, "model, step 1").values == 2u * 800u);
  y.backward();
  const MemoryReport after = memory_report(tape);
  BOOST_TEST(row(after.by_op, "tanh").gradients == 3u * 800u);
  BOOST_TEST(row(after.by_op, "(input)").gradients == 800u);
}

BOOST_AUTO_TEST_CASE(the_lists_of_the_report_add_up) {
  layers::LSTM<double> lstm({.input_size = 30, .hidden_size = 40, .num_layers = 2});
  Tape<double> tape;
  const auto x = tape.variable(sample({7, 5, 30}, -1, 1));
  sum(square(lstm(x).output)).backward();
  const MemoryReport report = memory_report(tape);
  for (const auto* rows : {&report.by_op, &report.by_scope}) {
    MemoryRow total;
    for (const MemoryRow& r : *rows) {
      total.count += r.count;
      total.values += r.values;
      total.gradients += r.gradients;
    }
    BOOST_TEST(total.count == tape.size());
    BOOST_TEST(total.values == report.all.values);
    BOOST_TEST(total.gradients == report.all.gradients);
    BOOST_TEST(std::ranges::is_sorted(*rows, std::ranges::greater{}, &MemoryRow::total));
  }
  BOOST_TEST(report.all.total() + report.other == tape.memory_used());
  BOOST_TEST(report.other < report.all.total());
  BOOST_TEST(report.peak == tape.memory_peak());
}

BOOST_AUTO_TEST_CASE(the_report_as_text) {
  Tape<double> tape;
  const auto x = tape.variable(sample({256}, -1, 1), "x");
  const auto scope = tape.scope("model");
  const auto y = tanh(x);
  std::ostringstream text;
  text << memory_report(tape);
  const std::string tables =
      "op                   count      values   gradients         KiB\n"
      "(input)                  1         2.0         0.0         2.0\n"
      "tanh                     1         2.0         0.0         2.0\n"
      "\n"
      "scope                count      values   gradients         KiB\n"
      "(none)                   1         2.0         0.0         2.0\n"
      "model                    1         2.0         0.0         2.0\n"
      "\n"
      "all                      2         4.0         0.0         4.0\n"
      "ops and rounding 0.0, peak 4.0, reserved ";
  BOOST_TEST(text.str().substr(0, tables.size()) == tables);
  text.str({});
  text << 0.25;
  BOOST_TEST(text.str() == "0.25");  // the stream is as it was
}

}  // namespace
}  // namespace tapestry::test
