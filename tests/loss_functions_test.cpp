// SPDX-License-Identifier: MIT
// The loss functions against PyTorch's numbers, and training with a penalty on a gradient.
#define BOOST_TEST_MODULE loss_functions
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "errors.hpp"
#include "expect_grad.hpp"
#include "reference.hpp"
#include "tapestry/layers/linear.hpp"
#include "tapestry/layers/lstm.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry::test {
namespace {

using Types = std::tuple<float, double>;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::array reductions{Reduction::mean, Reduction::sum, Reduction::none};

Reduction reduction_of(const ReferenceCase& c) {
  const auto name = c.option<std::string>("reduction", "mean");
  return name == "mean" ? Reduction::mean : name == "sum" ? Reduction::sum : Reduction::none;
}

template <class T>
constexpr double rounding = std::is_same_v<T, float> ? 2e-6 : 1e-14;

/// Compares value and gradients of `loss(input, target)` with all cases of that name.
template <class T, class Loss>
void expect_pytorch(const std::string& name, const Loss& loss) {
  for (const ReferenceCase& c : Reference("losses_more.json").cases(name)) {
    BOOST_TEST_CONTEXT(c.name()) {
      Tape<T> tape;
      const auto x = tape.variable(c.array<T>("input"));
      const auto target = tape.variable(c.array<T>("target"));
      const auto y = loss(c, x, target);
      y.backward(c.array<T>("cotangent/output"));
      BOOST_TEST(max_difference(y.value(), c.array("output")) < 10 * rounding<T>);
      BOOST_TEST(max_difference(x.grad(), c.array("grad/input")) < 10 * rounding<T>);
      BOOST_TEST(max_difference(target.grad(), c.array("grad/target")) < 10 * rounding<T>);
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(distances_equal_pytorch, T, Types) {
  expect_pytorch<T>("mse_loss/", [](const auto& c, const auto& x, const auto& target) {
    return mse_loss(x, target, {.reduction = reduction_of(c)});
  });
  expect_pytorch<T>("l1_loss/", [](const auto& c, const auto& x, const auto& target) {
    return l1_loss(x, target, {.reduction = reduction_of(c)});
  });
  expect_pytorch<T>("huber_loss/", [](const auto& c, const auto& x, const auto& target) {
    return huber_loss(x, target, {.reduction = reduction_of(c), .delta = c.option("delta", 1.0)});
  });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(losses_of_probabilities_equal_pytorch, T, Types) {
  expect_pytorch<T>("kl_div/", [](const auto& c, const auto& x, const auto& target) {
    return kl_div(x, target,
                  {.reduction = reduction_of(c), .log_target = c.option("log_target", false)});
  });
  expect_pytorch<T>("bce/", [](const auto& c, const auto& x, const auto& target) {
    BinaryCrossEntropyOptions<T> options{.reduction = reduction_of(c)};
    if (c.has("weight")) options.weight = c.template array<T>("weight");
    if (c.has("pos_weight")) options.pos_weight = c.template array<T>("pos_weight");
    return binary_cross_entropy_with_logits(x, target, options);
  });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(nll_loss_equals_pytorch, T, Types) {
  for (const ReferenceCase& c : Reference("losses_more.json").cases("nll_loss/")) {
    BOOST_TEST_CONTEXT(c.name()) {
      Tape<T> tape;
      const auto x = tape.variable(c.array<T>("input"));
      NllOptions<T> options{.reduction = reduction_of(c)};
      options.ignore_index = c.option("ignore_index", options.ignore_index);
      if (c.has("weight")) options.weight = c.array<T>("weight");
      const auto y = nll_loss(x, c.indices("targets"), options);
      y.backward(c.array<T>("cotangent/output"));
      BOOST_TEST(max_difference(y.value(), c.array("output")) < 10 * rounding<T>);
      BOOST_TEST(max_difference(x.grad(), c.array("grad/input")) < 10 * rounding<T>);
    }
  }
}

BOOST_AUTO_TEST_CASE(all_derivatives_of_all_losses) {
  const Values x = sample({2, 3}, -2, 2, 1);
  const Values y = mapped(distinct_sample({2, 3}, 1.3), [](double v) { return v + 0.21; });
  const Values p = sample({2, 3}, 0.1, 0.9, 2);
  for (const Reduction reduction : reductions) {
    const auto check = [&](const char* name, const auto& f, const Values& target) {
      expect_grad(name, f, {{x, target}, {sample({0, 3}, 0, 1), sample({0, 3}, 0, 1)}});
    };
    if (reduction == Reduction::mean) {  // not over nothing, whose mean is NaN
      expect_grad("mse", [](const auto& v) { return mse_loss(v[0], v[1]); }, {{x, y}});
      expect_grad("huber", [](const auto& v) { return huber_loss(v[0], v[1]); }, {{x, y}});
      continue;
    }
    check(
        "mse", [=](const auto& v) { return mse_loss(v[0], v[1], {reduction}); }, y);
    check(
        "l1", [=](const auto& v) { return l1_loss(v[0], v[1], {reduction}); }, y);
    check(
        "huber",
        [=](const auto& v) {
          return huber_loss(v[0], v[1], {reduction, 0.8});
        },
        y);
    check(
        "kl", [=](const auto& v) { return kl_div(v[0], v[1], {reduction}); }, p);
    check(
        "kl, log",
        [=](const auto& v) {
          return kl_div(v[0], v[1], {reduction, true});
        },
        x);
    check(
        "bce",
        [=](const auto& v) {
          using T = typename std::remove_cvref_t<decltype(v[0])>::value_type;
          return binary_cross_entropy_with_logits(
              v[0], v[1], {reduction, Array<T>{T(2), T(1), T(0.5)}, Array<T>{T(3), T(1), T(2)}});
        },
        p);
    expect_grad("nll",
                [=](const auto& v) {
                  return nll_loss(log_softmax(v[0]), {1, -100}, {.reduction = reduction});
                },
                {{x}});
  }
}

BOOST_AUTO_TEST_CASE(losses_at_the_edges) {
  Tape<double> tape;
  const auto zero = tape.variable({0.0, 0.0});
  const auto same = l1_loss(zero, tape.constant({0.0, 1e300}), {Reduction::none});
  same.backward({1.0, 1.0});
  expect_close(as_values(zero.grad()), {0, -1}, 0, "gradient of |0|");
  tape.zero_grad();
  const auto far = tape.variable({1e200, -infinity, 0.0});
  const auto huber = huber_loss(far, tape.constant({0.0, 0.0, 0.0}), {Reduction::none, 2.0});
  huber.backward({1.0, 1.0, 1.0});
  expect_close(as_values(huber.value()), {2e200, infinity, 0}, 1e-14, "huber");
  expect_close(as_values(far.grad()), {2, -2, 0}, 0, "huber, gradient");
  tape.zero_grad();
  const auto parabola = huber_loss(far, tape.constant({1e200, 0.0, 3.0}), {.delta = infinity});
  const auto plain = huber_loss(slice(far, 0, 2, 3), tape.constant({3.0}), {.delta = infinity});
  plain.backward();
  BOOST_TEST(plain.item() == 4.5);
  BOOST_TEST(parabola.item() == infinity);
  BOOST_TEST(far.grad()(2) == -3);
  const auto logits = tape.variable({1e4, -1e4, 1e4, -1e4});
  const auto bce = binary_cross_entropy_with_logits(logits, tape.constant({1.0, 0.0, 0.0, 1.0}),
                                                    {.reduction = Reduction::none});
  bce.backward({1.0, 1.0, 1.0, 1.0});
  expect_close(as_values(bce.value()), {0, 0, 1e4, 1e4}, 0, "bce");
  expect_close(as_values(logits.grad()), {0, 0, 1, -1}, 0, "bce, gradient");
}

BOOST_AUTO_TEST_CASE(what_has_no_weight_does_not_count) {
  Tape<double> tape;
  const auto x = tape.variable({{-infinity, 0.0}, {-1.0, -infinity}});
  const auto nll = nll_loss(x, {-100, 0});
  BOOST_TEST(nll.item() == 1);
  nll.backward();
  expect_close(as_values(x.grad()), {{0, 0}, {-1, 0}}, 0, "nll, gradient");
  BOOST_TEST(std::isnan(nll_loss(x, {-100, -100}).item()));  // as in PyTorch: no target counts
  BOOST_TEST(nll_loss(x, {-100, -100}, {.reduction = Reduction::sum}).item() == 0);
  const auto none = tape.variable(Values(xt::zeros<double>({2, 0})));
  BOOST_TEST(nll_loss(none, {-100, -100}, {.reduction = Reduction::sum}).item() == 0);
  const auto target = tape.variable({{0.0, 1.0}, {1.0, 0.0}});
  const auto kl = kl_div(x, target, {Reduction::sum});
  BOOST_TEST(kl.item() == 1);
  tape.zero_grad();
  kl.backward();
  expect_close(as_values(x.grad()), {{0, -1}, {-1, 0}}, 0, "kl, gradient");
  expect_close(as_values(target.grad()), {{0, 1}, {2, 0}}, 0, "kl, gradient by the target");
}

BOOST_AUTO_TEST_CASE(errors_name_shapes_and_targets) {
  Tape<double> tape;
  const auto scope = tape.scope("critic");
  const auto x = tape.variable(sample({2, 3}, -1, 1));
  const auto y = tape.constant(sample({3}, -1, 1));
  const std::size_t size = tape.size();
  const auto text = [](const std::string& op) {
    return says("[" + op + "] the target (3,) must have the shape of the input (2, 3) (in critic)");
  };
  BOOST_CHECK_EXCEPTION(mse_loss(x, y), ShapeError, text("mse_loss"));
  BOOST_CHECK_EXCEPTION(l1_loss(x, y), ShapeError, text("l1_loss"));
  BOOST_CHECK_EXCEPTION(huber_loss(x, y), ShapeError, text("huber_loss"));
  BOOST_CHECK_EXCEPTION(kl_div(x, y), ShapeError, text("kl_div"));
  BOOST_CHECK_EXCEPTION(binary_cross_entropy_with_logits(x, y), ShapeError,
                        text("binary_cross_entropy_with_logits"));
  BOOST_CHECK_EXCEPTION(
      binary_cross_entropy_with_logits(x, x, {.pos_weight = Values{1, 2}}), ShapeError,
      says("[binary_cross_entropy_with_logits] pos_weight (2,) does not broadcast to logits (2, 3) "
           "(in critic)"));
  BOOST_CHECK_THROW(binary_cross_entropy_with_logits(x, x, {.weight = sample({1, 2, 3}, 0, 1)}),
                    ShapeError);
  BOOST_CHECK_EXCEPTION(huber_loss(x, x, {.delta = 0}), ArgumentError,
                        says("[huber_loss] delta must be positive, not 0 (in critic)"));
  BOOST_CHECK_THROW(huber_loss(x, x, {.delta = std::nan("")}), ArgumentError);
  Tape<float> single;
  const auto f = single.variable({1.0F});
  BOOST_CHECK_THROW(huber_loss(f, f, {.delta = 1e-300}), ArgumentError);  // 0 as a float
  BOOST_CHECK_EXCEPTION(nll_loss(x, {0, 3}), IndexError,
                        says("[nll_loss] target 3 at element 1 is outside the 3 classes of "
                             "log-probabilities (2, 3) (in critic)"));
  BOOST_CHECK_THROW(nll_loss(x, {-1, 0}), IndexError);
  BOOST_CHECK_EXCEPTION(nll_loss(x, {0, 1, 2}), ShapeError,
                        says("[nll_loss] log-probabilities (2, 3) do not fit targets of shape "
                             "(3,) (in critic)"));
  BOOST_CHECK_THROW(nll_loss(x, {0, 1}, {.weight = Values{1, 2}}), ShapeError);
  BOOST_TEST(tape.size() == size);
}

/// Trains as reference/make_reference.py does, and compares losses and parameters.
template <class Forward>
void expect_penalty_training(const ReferenceCase& c, const std::vector<std::string>& names,
                             const ParameterList<double>& parameters, const Forward& forward) {
  for (std::size_t i = 0; i < names.size(); ++i) parameters[i]->value() = c.array(names[i]);
  const double rate = c.option("learning_rate", 0.0);
  Tape<double> tape;
  for (int step = 1; step <= c.option("steps", 0); ++step) {
    tape.clear();
    for (Parameter<double>* p : parameters) p->zero_grad();
    const auto x = tape.variable(c.array("input"), "x");
    const auto output = forward(x);
    const auto [slope] = gradients(sum(output), {x}, {.differentiable = true});
    const auto penalty = mean(square(sqrt(sum(square(slope), -1)) - 1.0));
    const auto loss =
        mse_loss(output, tape.constant(c.array("target"))) + c.option("factor", 0.0) * penalty;
    loss.backward();
    const std::string suffix = "/" + std::to_string(step);
    BOOST_TEST(max_difference(loss.value(), c.array("loss" + suffix)) < 1e-12);
    for (std::size_t i = 0; i < names.size(); ++i) {
      parameters[i]->value() -= rate * parameters[i]->grad();
      BOOST_TEST(max_difference(parameters[i]->value(), c.array(names[i] + suffix)) < 1e-12,
                 names[i] << " after step " << step);
    }
  }
}

BOOST_AUTO_TEST_CASE(training_with_a_gradient_penalty_equals_pytorch) {
  const Reference reference("losses_more.json");
  layers::Linear<double> first(3, 5);
  layers::Linear<double> second(5, 2);
  expect_penalty_training(reference["gradient_penalty/mlp"],
                          {"0.weight", "0.bias", "2.weight", "2.bias"},
                          {&first.weight(), &first.bias(), &second.weight(), &second.bias()},
                          [&](const auto& x) { return second(tanh(first(x))); });
  layers::LSTM<double> lstm({.input_size = 3, .hidden_size = 4, .num_layers = 2});
  ParameterList<double> parameters;
  std::vector<std::string> names;
  for (Parameter<double>* p : tapestry::parameters(lstm)) {
    parameters.push_back(p);
    names.push_back(p->name());
  }
  BOOST_TEST(names.size() == 8u);
  expect_penalty_training(reference["gradient_penalty/lstm"], names, parameters,
                          [&](const auto& x) { return lstm(x).output; });
}

}  // namespace
}  // namespace tapestry::test
