// SPDX-License-Identifier: MIT
// Linear, Embedding and the loss on top of them.
#define BOOST_TEST_MODULE layers
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "errors.hpp"
#include "layer_checks.hpp"
#include "reference.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers/embedding.hpp"
#include "tapestry/layers/init.hpp"
#include "tapestry/layers/linear.hpp"

using namespace tapestry::test;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::CrossEntropyOptions;
using tapestry::IndexError;
using tapestry::Indices;
using tapestry::Reduction;
using tapestry::ShapeError;
using tapestry::softmax_cross_entropy;
using tapestry::sum;
using tapestry::Tape;
using tapestry::Variable;
using tapestry::layers::Embedding;
using tapestry::layers::Linear;

namespace {

using Types = std::tuple<float, double>;

Indices indices(std::initializer_list<std::int64_t> values) {
  Indices result = Indices::from_shape({values.size()});
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

template <class T>
CrossEntropyOptions<T> loss_options(const ReferenceCase& c) {
  CrossEntropyOptions<T> options;
  const auto reduction = c.option<std::string>("reduction", "mean");
  options.reduction = reduction == "mean"  ? Reduction::mean
                      : reduction == "sum" ? Reduction::sum
                                           : Reduction::none;
  options.ignore_index = c.option("ignore_index", options.ignore_index);
  options.label_smoothing = c.option("label_smoothing", options.label_smoothing);
  if (c.has("weight")) options.weight = c.array<T>("weight");
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(linear)

BOOST_AUTO_TEST_CASE_TEMPLATE(equals_pytorch, T, Types) {
  const auto cases = Reference("layers.json").cases("linear/");
  BOOST_TEST(cases.size() == 4u);
  for (const ReferenceCase& c : cases) {
    const bool bias = c.option("bias", true);
    Linear<T> layer(3, 4, {.bias = bias});
    fill_from(c, layer, bias ? 2 : 1);
    Tape<T> tape;
    const auto x = tape.variable(c.array<T>("input"));
    const auto y = layer(x);
    expect_reference(y.value(), c, "output");
    y.backward(c.array<T>("cotangent/output"));
    expect_reference(x.grad(), c, "grad/input");
    expect_reference_gradients(layer, c);
  }
}

BOOST_AUTO_TEST_CASE(gradients) {
  Linear<double> layer(3, 2);
  const auto f = [&](const auto& x) { return tapestry::tanh(layer(x)); };
  for (const auto& x : {sample<double>({3}), sample<double>({4, 3}), sample<double>({2, 2, 3})}) {
    const auto by_input = tapestry::gradcheck(f, x, {.second_order = true});
    BOOST_TEST(by_input.passed, by_input.message);
    const auto by_weights =
        tapestry::gradcheck([&](auto& tape) { return f(tape.constant(x)); },
                            tapestry::parameters(layer), {.second_order = true});
    BOOST_TEST(by_weights.passed, by_weights.message);
  }
}

BOOST_AUTO_TEST_CASE(starts_uniform) {
  tapestry::seed(3);
  Linear<float> layer(25, 400);
  expect_uniform(layer.weight().value(), 0.2);
  expect_uniform(layer.bias().value(), 0.2);
  const Array<float> first = layer.weight().value();
  BOOST_TEST(max_difference(Linear<float>(25, 400).weight().value(), first) > 0.1);
  tapestry::seed(3);
  BOOST_TEST(max_difference(Linear<float>(25, 400).weight().value(), first) == 0.0);
}

BOOST_AUTO_TEST_CASE(bad_input) {
  BOOST_CHECK_EXCEPTION(Linear<float>(0, 1), ArgumentError,
                        says("[linear] input_size must be positive"));
  BOOST_CHECK_EXCEPTION(Linear<float>(1, 0), ArgumentError,
                        says("[linear] output_size must be positive"));
  Linear<float> layer(3, 4);
  Tape<float> tape;
  const auto wrong = tape.variable(zeros<float>({2, 4}));
  const auto scalar = tape.variable(zeros<float>({}));
  const std::size_t size = tape.size();
  BOOST_CHECK_EXCEPTION(layer(wrong), ShapeError,
                        says("[linear] input (2, 4) does not end in 3 features (in linear)"));
  layer.set_name("decoder.head");
  BOOST_CHECK_EXCEPTION(layer(scalar), ShapeError,
                        says("[linear] input () does not end in 3 features (in decoder, head)"));
  BOOST_TEST(tape.size() == size);
  tape.clear();
  BOOST_CHECK_THROW(layer(wrong), tapestry::StaleVariable);
  BOOST_CHECK_THROW(layer(Variable<float>{}), tapestry::StaleVariable);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(embedding)

BOOST_AUTO_TEST_CASE_TEMPLATE(equals_pytorch, T, Types) {
  const auto cases = Reference("layers.json").cases("embedding/");
  BOOST_TEST(cases.size() == 2u);
  for (const ReferenceCase& c : cases) {
    Embedding<T> layer(7, 3);
    fill_from(c, layer, 1);
    Tape<T> tape;
    const auto y = layer(tape, c.indices("tokens"));
    expect_reference(y.value(), c, "output");
    y.backward(c.array<T>("cotangent/output"));
    expect_reference_gradients(layer, c);
  }
}

BOOST_AUTO_TEST_CASE(gradients) {
  Embedding<double> layer(4, 2);
  const Indices tokens = indices({3, 0, 3, 1, 3});
  const auto result =
      tapestry::gradcheck([&](auto& tape) { return tapestry::tanh(layer(tape, tokens)); },
                          tapestry::parameters(layer), {.second_order = true});
  BOOST_TEST(result.passed, result.message);
}

BOOST_AUTO_TEST_CASE(starts_normal) {
  tapestry::seed(5);
  Embedding<double> layer(500, 20);
  double total = 0, squares = 0;
  for (const double value : layer.weight().value()) {
    total += value;
    squares += value * value;
  }
  BOOST_TEST(std::abs(total / 1e4) < 0.04);  // four deviations
  BOOST_TEST(std::abs(squares / 1e4 - 1) < 0.06);
  tapestry::seed(5);
  BOOST_TEST(max_difference(Embedding<double>(500, 20).weight().value(), layer.weight().value()) ==
             0.0);
}

BOOST_AUTO_TEST_CASE(bad_input) {
  BOOST_CHECK_EXCEPTION(Embedding<float>(0, 1), ArgumentError,
                        says("[embedding] count must be positive"));
  BOOST_CHECK_EXCEPTION(Embedding<float>(1, 0), ArgumentError,
                        says("[embedding] size must be positive"));
  Embedding<float> layer(5, 2);
  Tape<float> tape;
  BOOST_CHECK_EXCEPTION(layer(tape, indices({1, 5})), IndexError,
                        says("[embedding] token 5 at element 1 of (2,) is outside the vocabulary "
                             "of 5 (in embedding)"));
  BOOST_CHECK_EXCEPTION(layer(tape, indices({-1})), IndexError,
                        says("[embedding] token -1 at element 0 of (1,) is outside the vocabulary "
                             "of 5 (in embedding)"));
  BOOST_TEST(tape.size() == 0u);
  BOOST_TEST(layer(tape, indices({})).shape().str() == "(0, 2)");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(cross_entropy)

BOOST_AUTO_TEST_CASE_TEMPLATE(equals_pytorch, T, Types) {
  const auto cases = Reference("losses.json").cases();
  BOOST_TEST(cases.size() == 28u);
  for (const ReferenceCase& c : cases) {
    for (const bool primitive : {false, true}) {
      BOOST_TEST_CONTEXT((primitive ? "primitive" : "fused")) {
        Tape<T> tape;
        tape.set_primitive(primitive);
        const auto logits = tape.variable(c.array<T>("logits"));
        const auto loss = softmax_cross_entropy(logits, c.indices("targets"), loss_options<T>(c));
        expect_reference(loss.value(), c, "output");
        loss.backward(c.array<T>("cotangent/output"));
        expect_reference(logits.grad(), c, "grad/logits");
        // The logits, the loss and its normaliser; or all that the definition consists of.
        BOOST_TEST((tape.size() > 3) == primitive);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(fused_equals_primitive) {
  for (const ReferenceCase& c : Reference("losses.json").cases()) {
    if (c.name() == "none/large_logits") continue;  // rounding of numbers in the thousands
    const auto run = [&](bool primitive) {
      Tape<double> tape;
      tape.set_primitive(primitive);
      const auto logits = tape.variable(c.array("logits"));
      const auto loss =
          softmax_cross_entropy(logits, c.indices("targets"), loss_options<double>(c));
      loss.backward(c.array("cotangent/output"));
      return std::pair(Array<double>(loss.value()), Array<double>(logits.grad()));
    };
    const auto [loss, grad] = run(false);
    const auto [expanded_loss, expanded_grad] = run(true);
    BOOST_TEST(relative_difference(loss, expanded_loss) < 1e-14, c.name());
    BOOST_TEST(relative_difference(grad, expanded_grad) < 1e-14, c.name());
  }
}

// Differences of large numbers, which are exact, must not be lost in their sum with small ones.
BOOST_AUTO_TEST_CASE(large_logits_keep_all_digits) {
  for (const bool primitive : {false, true}) {
    Tape<float> tape;
    tape.set_primitive(primitive);
    const auto logits = tape.variable(Array<float>{{20000.5f, 20000.0f}});
    const auto loss = softmax_cross_entropy(logits, indices({1}));
    loss.backward();
    BOOST_TEST(std::abs(loss.item() - 0.974076984) < 1e-6);
    BOOST_TEST(std::abs(logits.grad()(0, 0) - 0.622459331) < 1e-6);
    BOOST_TEST(std::abs(logits.grad()(0, 1) + 0.622459331) < 1e-6);
  }
}

BOOST_AUTO_TEST_CASE(gradients) {
  const Indices targets = indices({2, 0, -100, 3});
  const Array<double> logits = sample<double>({4, 4});
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    for (const double smoothing : {0.0, 0.3}) {
      CrossEntropyOptions<double> options{.reduction = reduction, .label_smoothing = smoothing};
      if (smoothing > 0) options.weight = Array<double>{0.5, 1.5, 2.0, 0.1};
      const auto result = tapestry::gradcheck(
          [&](const auto& x) { return softmax_cross_entropy(2 * x, targets, options); }, logits,
          {.second_order = true});
      BOOST_TEST(result.passed, result.message);
    }
  }
}

BOOST_AUTO_TEST_CASE(of_a_model) {
  Embedding<double> embed(5, 3);
  Linear<double> head(3, 5);
  const Indices tokens = indices({0, 4, 4, 2}), targets = indices({4, 4, 2, 1});
  const auto loss = [&](auto& tape) {
    return softmax_cross_entropy(head(embed(tape, tokens)), targets);
  };
  const auto result = tapestry::gradcheck(
      loss, tapestry::ParameterList<double>{&embed.weight(), &head.weight(), &head.bias()},
      {.second_order = true});
  BOOST_TEST(result.passed, result.message);
}

BOOST_AUTO_TEST_CASE(nothing_counts) {  // 0 / 0, as in PyTorch
  Tape<float> tape;
  const auto logits = tape.variable(sample<float>({2, 3}));
  BOOST_TEST(std::isnan(softmax_cross_entropy(logits, indices({-100, -100})).item()));
  BOOST_TEST(
      softmax_cross_entropy(logits, indices({-100, -100}), {.reduction = Reduction::sum}).item() ==
      0.0f);
}

BOOST_AUTO_TEST_CASE(bad_input) {
  Tape<float> tape;
  const auto logits = tape.variable(zeros<float>({2, 3}));
  const std::size_t size = tape.size();
  const auto loss = [&](const Indices& targets, const CrossEntropyOptions<float>& options = {}) {
    return softmax_cross_entropy(logits, targets, options);
  };
  const std::string op = "[softmax_cross_entropy] ";
  BOOST_CHECK_EXCEPTION(loss(indices({0, 3})), IndexError,
                        says(op + "target 3 at element 1 is outside the 3 classes of logits "
                                  "(2, 3)"));
  BOOST_CHECK_EXCEPTION(loss(indices({-1, 0})), IndexError,
                        says(op + "target -1 at element 0 is outside the 3 classes of logits "
                                  "(2, 3)"));
  BOOST_CHECK_EXCEPTION(loss(indices({0})), ShapeError,
                        says(op + "logits (2, 3) need targets of shape (2,), not (1,)"));
  BOOST_CHECK_EXCEPTION(loss(indices({0, 1}), {.label_smoothing = 1.5}), ArgumentError,
                        says(op + "label smoothing must lie in [0, 1], not 1.5"));
  BOOST_CHECK_THROW(loss(indices({0, 1}), {.label_smoothing = std::nan("")}), ArgumentError);
  BOOST_CHECK_EXCEPTION(loss(indices({0, 1}), {.weight = zeros<float>({2})}), ShapeError,
                        says(op + "class weights (2,) do not fit logits (2, 3)"));
  BOOST_TEST(tape.size() == size);
  BOOST_CHECK_NO_THROW(loss(indices({0, 3}), {.ignore_index = 3}));
}

BOOST_AUTO_TEST_SUITE_END()
