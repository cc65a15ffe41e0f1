// SPDX-License-Identifier: MIT
// What a model consists of, and whether a loss trains all of it.
#define BOOST_TEST_MODULE summary
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "errors.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers.hpp"

namespace tapestry::test {
namespace {

struct Part {
  layers::Linear<> first{2, 3};
  layers::Linear<> second{3, 1};
  void visit(auto&& part) {
    part("first", first);
    part("second", second);
  }
};

struct Model {
  Part body;
  Parameter<float> scale = Parameter<float>({1});
  bool shows_scale = true;
  void visit(auto&& part) {
    part("body", body);
    if (shows_scale) part("scale", scale);
  }
  Variable<float> operator()(const Variable<float>& x) {
    return body.second(tanh(body.first(x))) * x.tape().watch(scale);
  }
};

struct Twice {
  Part* part;
  void visit(auto&& action) {
    action("a", *part);
    action("b", *part);
  }
};

struct Doubles {
  using value_type = double;
  Parameter<double> w = Parameter<double>({0.5, -1});
  Parameter<double> unused = Parameter<double>({1, 2});
  void visit(auto&& part) {
    part("w", w);
    part("unused", unused);
  }
};

BOOST_AUTO_TEST_CASE(a_summary_names_parts_shapes_and_counts) {
  Model model;
  model.body.first.bias().set_requires_grad(false);
  const Model& read_only = model;
  const ModelSummary s = summary(read_only);
  BOOST_TEST(s.trainable == 6 + 3 + 1 + 1);
  BOOST_TEST(s.frozen == 3u);
  BOOST_TEST(s.bytes == 14 * sizeof(float));
  BOOST_TEST(count_parameters(read_only) == s.trainable);
  std::ostringstream out;
  out << s;
  BOOST_TEST(out.str() ==
             "part                      shape              numbers\n"
             "model                                             14\n"
             "  body                                            13\n"
             "    body.first                                     9\n"
             "      body.first.weight   (3, 2)                   6\n"
             "      body.first.bias     (3,)                     3  frozen\n"
             "    body.second                                    4\n"
             "      body.second.weight  (1, 3)                   3\n"
             "      body.second.bias    (1,)                     1\n"
             "  scale                   (1,)                     1\n"
             "11 trainable, 3 frozen, 5.34e-05 MiB");
}

BOOST_AUTO_TEST_CASE(shared_parameters_count_once) {
  Part part;
  const Twice model{&part};
  const ModelSummary s = summary(model);
  BOOST_TEST(s.trainable == 13u);
  std::ostringstream out;
  out << s;
  BOOST_TEST(out.str().find("b.first.weight   (3, 2)                   6  is a.first.weight\n") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_model_that_is_trained_as_a_whole_passes) {
  Model model;
  Tape<float> tape;
  check_model(model, mean(model(tape.constant({{1, 2}}))));
  model.scale.set_requires_grad(false);
  check_model(model, mean(model(tape.constant({{1, 2}}))));
}

BOOST_AUTO_TEST_CASE(a_parameter_that_visit_forgets_is_named) {
  Model model;
  model.shows_scale = false;
  Tape<float> tape;
  const auto loss = mean(model(tape.constant({{1, 2}}))).named("loss");
  BOOST_CHECK_EXCEPTION(
      check_model(model, loss), ArgumentError,
      says("[check_model] 'loss' depends on parameters that the model's visit does not show, so "
           "that no optimizer of parameters(model) trains them: a parameter of shape (1,)"));
}

BOOST_AUTO_TEST_CASE(a_part_that_the_loss_does_not_reach_is_named) {
  Model model;
  Tape<float> tape;
  const auto x = tape.constant({{1, 2}});
  const auto loss = sum(model.body.first(x)).named("loss");
  const std::string text =
      "[check_model] 'loss' does not depend on these parts of the model: 'body.second.weight', "
      "'body.second.bias', 'scale'";
  BOOST_CHECK_EXCEPTION(check_model(model, loss), ArgumentError, says(text));
  check_model(model, loss, {.reaches_all = false});
  const auto cut = sum(model(x).detach() + model.body.first(x)).named("loss");
  BOOST_CHECK_EXCEPTION(check_model(model, cut), ArgumentError, says(text));
  const auto off = tape.no_grad();
  BOOST_CHECK_EXCEPTION(check_model(model.body, sum(model.body.first(x)).named("loss")),
                        ArgumentError,
                        says("[check_model] 'loss' does not depend on these parts of the model: "
                             "'first.weight', 'first.bias', 'second.weight', 'second.bias' "
                             "(nothing is recorded on this tape)"));
}

BOOST_AUTO_TEST_CASE(derivatives_by_the_parameters_of_a_model) {
  Model model;
  Tape<float> tape;
  const auto x = tape.constant({{1, 2}, {0.5, -1}});
  const auto loss = mean(square(model(x) + model(2 * x)));  // each parameter is used twice
  const auto list = parameters(model);
  const auto all = gradients(loss, list);
  const auto [weight, scale] = gradients(loss, {model.body.first.weight(), model.scale});
  loss.backward();
  BOOST_REQUIRE(all.size() == list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Array<float>& expected = list[i]->grad();
    BOOST_TEST(all[i].shape() == list[i]->shape());
    for (std::size_t k = 0; k < expected.size(); ++k)
      BOOST_TEST(std::abs(all[i].value().data()[k] - expected.data()[k]) < 1e-5);
  }
  BOOST_TEST(weight.value().data()[0] == all[0].value().data()[0]);
  BOOST_TEST(scale.item() == all.back().item());
  BOOST_TEST(!scale.requires_grad());
}

BOOST_AUTO_TEST_CASE(products_with_the_curvature_of_a_model) {
  Doubles model;
  Tape<double> tape;
  const auto w = tape.watch(model.w);
  const auto again = tape.watch(model.w);
  const auto y = sum(w * square(again)) * 1.0;  // sum of w^3
  const auto ones = ones_like(model);
  BOOST_TEST(ones.size() == 2u);
  const auto product = hessian_vector_product(y, parameters(model), ones);
  BOOST_TEST(product[0].value()(0) == 3.0);  // 6 w
  BOOST_TEST(product[0].value()(1) == -6.0);
  BOOST_TEST(product[1].value()(0) == 0.0);
  BOOST_TEST(jvp(y, parameters(model), ones).item() == 3 * 0.25 + 3.0);
  BOOST_TEST(jacobian(y, model.w).value()(1) == 3.0);
  const auto [first] = gradients(y, {model.w}, {.differentiable = true});
  BOOST_TEST(gradients(sum(first), {model.w})[0].value()(0) == 3.0);
  BOOST_CHECK_EXCEPTION(
      (void)gradients(y, {model.unused}), ArgumentError,
      says("[gradients] the tape of 'multiply_scalar' uses none of the 1 parameters"));
  BOOST_CHECK_EXCEPTION((void)jvp(y, parameters(model), {}), ShapeError,
                        says("[jvp] 2 parameters, but 0 vectors"));
  BOOST_CHECK_EXCEPTION(
      (void)jvp(y, parameters(model), {tapestry::ones<double>({3}), tapestry::ones<double>({2})}),
      ShapeError, says("[jvp] the vector for parameter 'w' has shape (3,), not (2,)"));
}

}  // namespace
}  // namespace tapestry::test
