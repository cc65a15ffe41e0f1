// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE optim
#include "tapestry/optim.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "allocations.hpp"
#include "errors.hpp"
#include "reference.hpp"
#include "tapestry/autodiff/error.hpp"

using tapestry::Array;
using tapestry::Parameter;
using tapestry::ParameterList;
using tapestry::optim::Adagrad;
using tapestry::optim::Adam;
using tapestry::optim::AdamW;
using tapestry::optim::clip_grad_norm;
using tapestry::optim::ParameterGroup;
using tapestry::optim::RMSprop;
using tapestry::optim::SGD;
using tapestry::test::allocations;
using tapestry::test::max_difference;
using tapestry::test::Reference;
using tapestry::test::ReferenceCase;
using tapestry::test::says;

namespace {

using Types = std::tuple<float, double>;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();

template <class T>
Parameter<T> parameter(std::initializer_list<T> values, std::string name = {}) {
  Array<T> array = Array<T>::from_shape({values.size()});
  std::copy(values.begin(), values.end(), array.data());
  return Parameter<T>(std::move(array), std::move(name));
}

template <class T>
void set_grad(Parameter<T>& parameter, std::initializer_list<T> values) {
  bool stored = false;
  std::copy(values.begin(), values.end(), parameter.grad_storage(stored));
}

/// The groups of the case: one for each parameter, or all in one.
template <class T>
std::vector<ParameterGroup<T>> groups(const ReferenceCase& reference,
                                      std::vector<Parameter<T>>& parameters) {
  if (!reference.has_option("groups"))
    return {{.parameters = {&parameters[0], &parameters[1], &parameters[2]}}};
  std::vector<ParameterGroup<T>> result;
  for (const auto& options : reference.option("groups", nlohmann::json{})) {
    ParameterGroup<T>& group = result.emplace_back();
    group.parameters.push_back(&parameters.at(result.size() - 1));
    if (options.contains("learning_rate")) group.learning_rate = options["learning_rate"];
    if (options.contains("weight_decay")) group.weight_decay = options["weight_decay"];
  }
  return result;
}

/// An optimizer with those options that the case names; the others stay at their defaults.
template <class Kind, class Options>
auto make(const ReferenceCase& c, const auto& groups) {
  Options o;
  const auto take = [&](const char* name, auto& option) { option = c.option(name, option); };
  take("learning_rate", o.learning_rate);
  take("weight_decay", o.weight_decay);
  if constexpr (requires { o.momentum; }) take("momentum", o.momentum);
  if constexpr (requires { o.dampening; }) take("dampening", o.dampening);
  if constexpr (requires { o.nesterov; }) take("nesterov", o.nesterov);
  if constexpr (requires { o.beta1; }) take("beta1", o.beta1);
  if constexpr (requires { o.beta2; }) take("beta2", o.beta2);
  if constexpr (requires { o.epsilon; }) take("epsilon", o.epsilon);
  if constexpr (requires { o.alpha; }) take("alpha", o.alpha);
  if constexpr (requires { o.centered; }) take("centered", o.centered);
  if constexpr (requires { o.learning_rate_decay; }) {
    take("learning_rate_decay", o.learning_rate_decay);
    take("initial_accumulator_value", o.initial_accumulator_value);
  }
  return std::make_unique<Kind>(groups, o);
}

template <class T>
std::unique_ptr<tapestry::optim::Optimizer<T>> optimizer(const ReferenceCase& c,
                                                         const auto& groups) {
  using namespace tapestry::optim;
  if (c.name().starts_with("sgd/")) return make<SGD<T>, SGDOptions>(c, groups);
  if (c.name().starts_with("adam/")) return make<Adam<T>, AdamOptions>(c, groups);
  if (c.name().starts_with("adamw/")) return make<AdamW<T>, AdamWOptions>(c, groups);
  if (c.name().starts_with("rmsprop/")) return make<RMSprop<T>, RMSpropOptions>(c, groups);
  return make<Adagrad<T>, AdagradOptions>(c, groups);
}

/// Puts the case's gradient `name` into `parameter`, or none where the case has none.
template <class T>
void load_grad(Parameter<T>& parameter, const ReferenceCase& reference, const std::string& name) {
  parameter.zero_grad();
  if (!reference.has(name)) return;
  const Array<T> grad = reference.array<T>(name);
  bool stored = false;
  std::copy(grad.begin(), grad.end(), parameter.grad_storage(stored));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(parameter_list)

BOOST_AUTO_TEST_CASE(keeps_order_with_and_without_the_heap) {
  std::vector<Parameter<double>> parameters(200);
  ParameterList<double> list;
  BOOST_TEST(list.empty());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::size_t before = allocations();
    list.push_back(&parameters[i]);
    const std::size_t allocated = allocations() - before;
    if (i < ParameterList<double>::inline_capacity) BOOST_TEST(allocated == 0u);
    BOOST_REQUIRE(list.size() == i + 1);
    BOOST_REQUIRE(list[0] == &parameters[0]);
    BOOST_REQUIRE(list[i] == &parameters[i]);
  }
  const ParameterList<double> copy = list;
  list = ParameterList<double>{&parameters[7]};
  BOOST_TEST(list.size() == 1u);
  BOOST_TEST(*list.data() == &parameters[7]);
  std::size_t i = 0;
  for (Parameter<double>* p : copy) BOOST_TEST(p == &parameters[i++]);
  BOOST_TEST(i == 200u);
}

BOOST_AUTO_TEST_CASE(rejects_null) {
  ParameterList<float> list;
  BOOST_CHECK_EXCEPTION(list.push_back(nullptr), tapestry::ArgumentError,
                        says("[ParameterList] a parameter is null"));
  BOOST_TEST(list.empty());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(pytorch)

BOOST_AUTO_TEST_CASE_TEMPLATE(steps, T, Types) {
  const double tolerance = std::is_same_v<T, float> ? 2e-6 : 1e-14;
  const Reference reference("optim.json");
  std::size_t compared = 0;
  for (const std::string family : {"sgd/", "adam/", "adamw/", "rmsprop/", "adagrad/"}) {
    for (const ReferenceCase& c : reference.cases(family)) {
      const std::vector<std::string> names = {"weight", "bias", "late"};
      std::vector<Parameter<T>> parameters;
      for (const auto& name : names) parameters.emplace_back(c.array<T>(name), name);
      const auto optimizer = ::optimizer<T>(c, groups(c, parameters));
      for (int step = 1; step <= c.option("steps", 0); ++step) {
        const std::string k = "/" + std::to_string(step);
        for (std::size_t i = 0; i < 3; ++i) load_grad(parameters[i], c, "grad/" + names[i] + k);
        optimizer->step();
        for (std::size_t i = 0; i < 3; ++i, ++compared)
          BOOST_TEST(max_difference(parameters[i].value(), c.array(names[i] + k)) < tolerance,
                     c.name() << ", " << names[i] << " after step " << step);
      }
    }
  }
  BOOST_TEST(compared == 390u);  // 26 cases, 5 steps, 3 parameters
}

BOOST_AUTO_TEST_CASE_TEMPLATE(clipping, T, Types) {
  const double tolerance = std::is_same_v<T, float> ? 2e-6 : 1e-14;
  for (const ReferenceCase& c : Reference("optim.json").cases("clip/")) {
    Parameter<T> weight(c.array<T>("grad/weight")), bias(c.array<T>("grad/bias"));
    Parameter<T> without = parameter<T>({1, 2});
    load_grad(weight, c, "grad/weight");
    load_grad(bias, c, "grad/bias");
    const ParameterList<T> list{&weight, &without, &bias};
    const double norm = clip_grad_norm(list, c.option("max_norm", -1.0));
    BOOST_TEST(std::abs(norm - c.array("norm")()) < tolerance, c.name());
    BOOST_TEST(max_difference(weight.grad(), c.array("clipped/weight")) < tolerance, c.name());
    BOOST_TEST(max_difference(bias.grad(), c.array("clipped/bias")) < tolerance, c.name());
    BOOST_TEST(!without.has_grad());
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(by_hand)

BOOST_AUTO_TEST_CASE(sgd) {
  auto w = parameter<double>({1.0, -2.0});
  SGD optimizer({&w}, {.learning_rate = 0.5});
  set_grad(w, {0.5, 4.0});
  optimizer.step();
  BOOST_TEST((w.value() == Array<double>{0.75, -4.0}));
  BOOST_TEST((w.grad() == Array<double>{0.5, 4.0}));
}

BOOST_AUTO_TEST_CASE(nesterov) {
  auto w = parameter<double>({0.0});
  SGD optimizer({&w}, {.learning_rate = 1.0, .momentum = 0.5, .nesterov = true});
  set_grad(w, {1.0});
  optimizer.step();  // b = 1, step along 1 + 0.5
  BOOST_TEST(w.value()(0) == -1.5);
  optimizer.step();  // b = 0.5 + 1, step along 1 + 0.75
  BOOST_TEST(w.value()(0) == -3.25);
}

BOOST_AUTO_TEST_CASE(first_step_of_adam_is_the_learning_rate) {
  auto w = parameter<double>({1.0, 1.0, 1.0});
  Adam optimizer({&w}, {.learning_rate = 0.01, .epsilon = 0.0});
  set_grad(w, {1e-3, -7.0, 123.0});
  optimizer.step();
  BOOST_TEST(max_difference(w.value(), Array<double>{0.99, 1.01, 0.99}) < 1e-15);
}

BOOST_AUTO_TEST_CASE(weight_decay_of_adamw_does_not_ask_the_gradient) {
  auto w = parameter<double>({1.0, 1.0});
  AdamW optimizer({&w}, {.learning_rate = 0.5, .epsilon = 0.0, .weight_decay = 0.5});
  set_grad(w, {1e-3, 123.0});
  optimizer.step();
  BOOST_TEST(max_difference(w.value(), Array<double>{0.25, 0.25}) < 1e-15);
}

BOOST_AUTO_TEST_CASE(rmsprop_and_adagrad) {
  auto w = parameter<double>({1.0});
  RMSprop rmsprop({&w}, {.learning_rate = 0.5, .alpha = 0.75, .epsilon = 0.0});
  set_grad(w, {4.0});
  rmsprop.step();  // s = 4, step along 4 / 2
  BOOST_TEST(w.value()(0) == 0.0);
  Adagrad adagrad({&w}, {.learning_rate = 1.0, .initial_accumulator_value = 9.0, .epsilon = 0.0});
  adagrad.step();  // s = 25, step along 4 / 5
  BOOST_TEST(w.value()(0) == -0.8);
}

// Rounding makes the variance of some constant gradients negative.
BOOST_AUTO_TEST_CASE_TEMPLATE(centered_rmsprop_of_a_constant_gradient, T, Types) {
  Parameter<T> w(Array<T>(typename Array<T>::shape_type{40}, T{0}));
  RMSprop optimizer({&w}, {.alpha = 0.5, .epsilon = 1e-2, .centered = true});
  for (std::size_t i = 0; i < w.size(); ++i) w.grad()(i) = T(1e-3) * static_cast<T>(i + 1);
  for (int i = 0; i < 1000; ++i) optimizer.step();
  for (const T value : w.value()) BOOST_TEST(std::isfinite(value));
}

BOOST_AUTO_TEST_CASE(clip) {
  auto a = parameter<float>({0, 0}), b = parameter<float>({0});
  set_grad(a, {3.0f, 0.0f});
  set_grad(b, {4.0f});
  const ParameterList<float> list{&a, &b};
  BOOST_TEST(clip_grad_norm(list, 10.0) == 5.0);
  BOOST_TEST((a.grad() == Array<float>{3.0f, 0.0f}));
  BOOST_TEST(clip_grad_norm(list, infinite) == 5.0);
  BOOST_TEST((a.grad() == Array<float>{3.0f, 0.0f}));
  BOOST_TEST(clip_grad_norm(list, 1.0) == 5.0);
  BOOST_TEST(std::abs(a.grad()(0) - 0.6f) < 1e-6f);
  BOOST_TEST(std::abs(b.grad()(0) - 0.8f) < 1e-6f);
  BOOST_TEST(clip_grad_norm(ParameterList<float>{}, 1.0) == 0.0);
}

BOOST_AUTO_TEST_CASE(norm_of_every_length) {
  for (std::size_t n = 0; n < 40; ++n) {
    Parameter<float> p(Array<float>(Array<float>::shape_type{n}, 0.0f));
    bool stored = false;
    float* grad = p.grad_storage(stored);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      grad[i] = static_cast<float>(i + 1);
      sum += static_cast<double>(i + 1) * static_cast<double>(i + 1);
    }
    BOOST_TEST(clip_grad_norm(ParameterList<float>{&p}, infinite) == std::sqrt(sum));
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(behaviour)

BOOST_AUTO_TEST_CASE_TEMPLATE(skips_frozen_and_unreached, T, Types) {
  auto trained = parameter<T>({1}), frozen = parameter<T>({1}), unreached = parameter<T>({1});
  Adam optimizer({&trained, &frozen, &unreached}, {.learning_rate = 0.1, .weight_decay = 1.0});
  set_grad(trained, {T{1}});
  set_grad(frozen, {T{1}});
  frozen.set_requires_grad(false);
  optimizer.step();
  BOOST_TEST(trained.value()(0) < 1);
  BOOST_TEST(frozen.value()(0) == 1);
  BOOST_TEST(unreached.value()(0) == 1);
  BOOST_TEST(trained.version() == 1u);
  BOOST_TEST(frozen.version() == 0u);
  BOOST_TEST(unreached.version() == 0u);
  BOOST_TEST(!unreached.has_grad());
  BOOST_TEST(clip_grad_norm(optimizer.parameters(), infinite) == 1.0);
  BOOST_TEST(!unreached.has_grad());

  optimizer.zero_grad();
  BOOST_TEST(!trained.has_grad());
  const T before = trained.value()(0);
  optimizer.step();
  BOOST_TEST(trained.value()(0) == before);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(allocates_nothing, T, Types) {
  auto w = parameter<T>({1, 2, 3}), b = parameter<T>({4});
  const ParameterList<T> list{&w, &b};
  SGD sgd(list, {.momentum = 0.9, .nesterov = true, .weight_decay = 0.1});
  SGD plain(list);
  Adam adam(list);
  AdamW adamw(list);
  RMSprop rmsprop(list, {.momentum = 0.5, .centered = true});
  Adagrad adagrad(list);
  set_grad(w, {T{1}, T{2}, T{3}});
  set_grad(b, {T{1}});
  const std::size_t before = allocations();
  for (int i = 0; i < 3; ++i) {
    (void)clip_grad_norm(list, 1.0);
    sgd.step();
    plain.step();
    adam.step();
    adamw.step();
    rmsprop.step();
    adagrad.step();
  }
  const std::size_t allocated = allocations() - before;
  BOOST_TEST(allocated == 0u);
}

BOOST_AUTO_TEST_CASE(learning_rate_can_change) {
  auto w = parameter<double>({1.0});
  set_grad(w, {1.0});
  SGD optimizer({&w}, {.learning_rate = 0.5});
  BOOST_TEST(optimizer.learning_rate() == 0.5);
  optimizer.set_learning_rate(0.0);
  optimizer.step();
  BOOST_TEST(w.value()(0) == 1.0);
  optimizer.set_learning_rate(0.25);
  optimizer.step();
  BOOST_TEST(w.value()(0) == 0.75);
  BOOST_CHECK_THROW(optimizer.set_learning_rate(not_a_number), tapestry::ArgumentError);
  BOOST_TEST(optimizer.learning_rate() == 0.25);
}

BOOST_AUTO_TEST_CASE(nonfinite_norm) {
  auto a = parameter<double>({0.0, 0.0}, "a"), b = parameter<double>({0.0, 0.0}, "head.bias");
  const ParameterList<double> list{&a, &b};
  const auto set = [&](double value) {
    set_grad(a, {1.0, 2.0});
    set_grad(b, {3.0, value});
  };
  for (const double bad : {not_a_number, infinite, -infinite}) {
    set(bad);
    BOOST_CHECK_EXCEPTION(
        (void)clip_grad_norm(list, 1.0, {.error_if_nonfinite = true}), tapestry::GradientError,
        says(std::string("[clip_grad_norm] the norm of the gradients is ") +
             (std::isnan(bad) ? "nan" : "inf") + ", first in that of parameter 'head.bias'"));
    BOOST_TEST((a.grad() == Array<double>{1.0, 2.0}));
    BOOST_TEST(b.grad()(0) == 3.0);
  }
  // as PyTorch: NaN spreads to all, an infinite makes zeros of the finite ones
  set(not_a_number);
  BOOST_TEST(std::isnan(clip_grad_norm(list, 1.0)));
  BOOST_TEST(std::isnan(a.grad()(0)));
  set(infinite);
  BOOST_TEST(std::isinf(clip_grad_norm(list, 1.0)));
  BOOST_TEST((a.grad() == Array<double>{0.0, 0.0}));
  BOOST_TEST(std::isnan(b.grad()(1)));
  set(4.0);
  BOOST_TEST(clip_grad_norm(list, 1.0, {.error_if_nonfinite = true}) == std::sqrt(30.0));
}

BOOST_AUTO_TEST_CASE(a_changed_shape_changes_nothing) {
  auto w = parameter<double>({1.0}), v = parameter<double>({1.0, 2.0}, "v");
  Adam optimizer({&w, &v});
  set_grad(w, {1.0});
  set_grad(v, {1.0, 1.0});
  v.value().resize({3});
  BOOST_CHECK_EXCEPTION(
      optimizer.step(), tapestry::ShapeError,
      says("[Adam] parameter 'v' has shape (3,), it was (2,) when the optimizer was made"));
  v.value().resize({2});
  v.grad().resize({1, 2});
  BOOST_CHECK_EXCEPTION(optimizer.step(), tapestry::ShapeError,
                        says("[Adam] parameter 'v' of shape (2,) has a gradient of shape (1, 2)"));
  BOOST_TEST(w.value()(0) == 1.0);
  BOOST_TEST(w.version() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(bad_arguments)

BOOST_AUTO_TEST_CASE(not_finite_or_negative) {
  using tapestry::ArgumentError;
  auto w = parameter<float>({1});
  const ParameterList<float> list{&w};
  for (const double bad : {not_a_number, infinite, -infinite, -0.1}) {
    BOOST_CHECK_THROW(SGD(list, {.learning_rate = bad}), ArgumentError);
    BOOST_CHECK_THROW(SGD(list, {.momentum = bad}), ArgumentError);
    BOOST_CHECK_THROW(SGD(list, {.dampening = bad}), ArgumentError);
    BOOST_CHECK_THROW(SGD(list, {.weight_decay = bad}), ArgumentError);
    BOOST_CHECK_THROW(Adam(list, {.learning_rate = bad}), ArgumentError);
    BOOST_CHECK_THROW(Adam(list, {.beta1 = bad}), ArgumentError);
    BOOST_CHECK_THROW(Adam(list, {.beta2 = bad}), ArgumentError);
    BOOST_CHECK_THROW(Adam(list, {.epsilon = bad}), ArgumentError);
    BOOST_CHECK_THROW(Adam(list, {.weight_decay = bad}), ArgumentError);
    BOOST_CHECK_THROW(AdamW(list, {.beta1 = bad}), ArgumentError);
    BOOST_CHECK_THROW(AdamW(list, {.beta2 = bad}), ArgumentError);
    BOOST_CHECK_THROW(AdamW(list, {.epsilon = bad}), ArgumentError);
    BOOST_CHECK_THROW(AdamW(list, {.weight_decay = bad}), ArgumentError);
    BOOST_CHECK_THROW(RMSprop(list, {.alpha = bad}), ArgumentError);
    BOOST_CHECK_THROW(RMSprop(list, {.epsilon = bad}), ArgumentError);
    BOOST_CHECK_THROW(RMSprop(list, {.weight_decay = bad}), ArgumentError);
    BOOST_CHECK_THROW(RMSprop(list, {.momentum = bad}), ArgumentError);
    BOOST_CHECK_THROW(Adagrad(list, {.learning_rate = bad}), ArgumentError);
    BOOST_CHECK_THROW(Adagrad(list, {.learning_rate_decay = bad}), ArgumentError);
    BOOST_CHECK_THROW(Adagrad(list, {.initial_accumulator_value = bad}), ArgumentError);
    BOOST_CHECK_THROW(Adagrad(list, {.epsilon = bad}), ArgumentError);
  }
  BOOST_CHECK_EXCEPTION(RMSprop(list, {.alpha = 1.0}), ArgumentError,
                        says("[RMSprop] alpha must be in [0, 1), got 1"));
  BOOST_CHECK_EXCEPTION(AdamW(list, {.weight_decay = -1.0}), ArgumentError,
                        says("[AdamW] weight_decay must be finite and not negative, got -1"));
  BOOST_CHECK_EXCEPTION(
      Adagrad(list, {.learning_rate_decay = -1.0}), ArgumentError,
      says("[Adagrad] learning_rate_decay must be finite and not negative, got -1"));
  BOOST_CHECK_EXCEPTION(Adam(list, {.learning_rate = not_a_number}), ArgumentError,
                        says("[Adam] learning_rate must be finite and not negative, got nan"));
  BOOST_CHECK_EXCEPTION(SGD(list, {.momentum = -0.1}), ArgumentError,
                        says("[SGD] momentum must be finite and not negative, got -0.1"));
  BOOST_CHECK_EXCEPTION(Adam(list, {.beta2 = 1.0}), ArgumentError,
                        says("[Adam] beta2 must be in [0, 1), got 1"));
  BOOST_CHECK_NO_THROW(Adam(list, {.learning_rate = 0.0, .beta1 = 0.0, .beta2 = 0.0}));
}

BOOST_AUTO_TEST_CASE(nesterov_alone) {
  auto w = parameter<float>({1});
  BOOST_CHECK_EXCEPTION(
      SGD({&w}, {.nesterov = true}), tapestry::ArgumentError,
      says("[SGD] nesterov needs momentum and no dampening, got momentum 0 and dampening 0"));
  BOOST_CHECK_EXCEPTION(
      SGD({&w}, {.momentum = 0.9, .dampening = 0.5, .nesterov = true}), tapestry::ArgumentError,
      says("[SGD] nesterov needs momentum and no dampening, got momentum 0.9 and dampening 0.5"));
}

BOOST_AUTO_TEST_CASE(parameters) {
  auto w = parameter<float>({1}, "w"), v = parameter<float>({1});
  BOOST_CHECK_EXCEPTION(Adam(ParameterList<float>{}), tapestry::ArgumentError,
                        says("[Adam] the list of parameters is empty"));
  BOOST_CHECK_EXCEPTION(SGD<float>({&v, &w, &w}), tapestry::ArgumentError,
                        says("[SGD] parameter 'w' is in the list twice"));
  BOOST_CHECK_EXCEPTION(SGD<float>({&w, &v, &v}), tapestry::ArgumentError,
                        says("[SGD] parameter 1 is in the list twice"));
}

BOOST_AUTO_TEST_CASE(max_norm) {
  auto w = parameter<float>({1});
  set_grad(w, {2.0f});
  const ParameterList<float> list{&w};
  BOOST_CHECK_EXCEPTION((void)clip_grad_norm(list, not_a_number), tapestry::ArgumentError,
                        says("[clip_grad_norm] max_norm must not be negative or NaN, got nan"));
  BOOST_CHECK_EXCEPTION((void)clip_grad_norm(list, -1.0), tapestry::ArgumentError,
                        says("[clip_grad_norm] max_norm must not be negative or NaN, got -1"));
  BOOST_TEST(w.grad()(0) == 2.0f);
}

BOOST_AUTO_TEST_SUITE_END()
