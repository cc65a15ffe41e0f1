// SPDX-License-Identifier: MIT
// Attention, and the modules for dropout and layer norm.
#define BOOST_TEST_MODULE attention
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "errors.hpp"
#include "layer_checks.hpp"
#include "reference.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers/attention.hpp"
#include "tapestry/layers/dropout.hpp"
#include "tapestry/layers/layer_norm.hpp"

using namespace tapestry::test;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::gradcheck;
using tapestry::ShapeError;
using tapestry::Tape;
using tapestry::Variable;
using tapestry::layers::AdditiveAttention;
using tapestry::layers::DotAttention;
using tapestry::layers::Dropout;
using tapestry::layers::GeneralAttention;
using tapestry::layers::LayerNorm;

namespace {

using Types = std::tuple<float, double>;
using Lengths = std::vector<std::size_t>;

/// Calls `body` with the attention of a case.
template <class T, class Body>
void with_attention(const ReferenceCase& c, const Body& body) {
  const auto kind = c.option<std::string>("kind", "");
  const std::size_t q = c.option<std::size_t>("query_size", 0);
  const std::size_t m = c.option<std::size_t>("memory_size", 0);
  if (kind == "additive")
    body(AdditiveAttention<T>(q, m, 4), 3);
  else if (kind == "general")
    body(GeneralAttention<T>(q, m), 1);
  else
    body(DotAttention<T>({.scaled = kind == "scaled"}), 0);
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(equals_pytorch, T, Types) {
  const auto cases = Reference("attention.json").cases("attention/");
  BOOST_TEST(cases.size() == 16u);
  for (const ReferenceCase& c : cases) {
    with_attention<T>(c, [&](auto attention, std::size_t parameters) {
      fill_from(c, attention, parameters);
      Tape<T> tape;
      const auto query = tape.variable(c.array<T>("query"));
      const auto values = tape.variable(c.array<T>("values"));
      const auto memory = attention.memory(values, c.option("lengths", Lengths{}));
      const auto [context, weights] = attention(query, memory);
      expect_reference(context.value(), c, "context");
      expect_reference(weights.value(), c, "weights");
      backward_from<T>(tape, c, {"context", "weights"}, {context, weights});
      expect_reference(query.grad(), c, "grad/query");
      expect_reference(values.grad(), c, "grad/values");
      expect_reference_gradients(attention, c);
    });
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(padding_has_no_weight_and_no_gradient, T, Types) {
  for (const ReferenceCase& c : Reference("attention.json").cases("attention/")) {
    const auto lengths = c.option("lengths", Lengths{});
    with_attention<T>(c, [&](auto attention, std::size_t) {
      Tape<T> tape;
      tape.detect_anomaly();
      const auto query = tape.variable(c.array<T>("query"));
      Array<T> huge = c.array<T>("values");  // in the padding, what would win every comparison
      for (std::size_t s = 0; s < 4; ++s)
        for (std::size_t b = 0; b < 3; ++b)
          for (std::size_t k = 0; k < huge.shape()[2] && s >= lengths[b]; ++k)
            huge(s, b, k) =
                k == 1 ? std::numeric_limits<T>::quiet_NaN() : T(1e4) * query.value()(0, b, 0);
      const auto values = tape.variable(huge);
      const auto [context, weights] = attention(query, attention.memory(values, lengths));
      sum(square(context) + sum(weights * weights)).backward();
      for (std::size_t s = 0; s < 4; ++s)
        for (std::size_t b = 0; b < 3; ++b) {
          BOOST_TEST((weights.value()(0, b, s) == 0) == (s >= lengths[b]));
          for (std::size_t k = 0; k < huge.shape()[2] && s >= lengths[b]; ++k)
            BOOST_TEST(values.grad()(s, b, k) == 0);
        }
    });
  }
}

BOOST_AUTO_TEST_CASE(weights_add_up_to_one) {
  AdditiveAttention<double> attention(3, 5, 2);
  Tape<double> tape;
  const auto memory = attention.memory(tape.variable(sample<double>({4, 3, 5})), {2, 4, 1});
  const auto attended = attention(tape.variable(sample<double>({2, 3, 3})), memory);
  BOOST_TEST(max_difference(Array<double>(sum(attended.weights, -1).value()),
                            Array<double>{{1, 1, 1}, {1, 1, 1}}) < 1e-15);
}

// One sequence is attended to by queries of any batch, as hypotheses of a beam search do.
BOOST_AUTO_TEST_CASE(one_memory_for_many_queries) {
  AdditiveAttention<double> additive(3, 3, 2);
  GeneralAttention<double> general(3, 3);
  DotAttention<double> dot;
  const auto check = [](auto& attention) {
    Tape<double> tape;
    const auto values = tape.variable(sample<double>({4, 1, 3}));
    const auto query = tape.variable(sample<double>({1, 2, 3}, 7));
    const auto shared = attention(query, attention.memory(values, {3})).context;
    const auto twice = tapestry::concatenate<double>({values, values}, 1);
    const auto own = attention(query, attention.memory(twice, {3, 3})).context;
    BOOST_TEST(max_difference(shared.value(), own.value()) < 1e-15);
  };
  check(additive);
  check(general);
  check(dot);
}

BOOST_AUTO_TEST_CASE(second_derivatives) {
  AdditiveAttention<double> additive(2, 3, 2);
  GeneralAttention<double> general(2, 3);
  DotAttention<double> dot({.scaled = true});
  const auto check = [](auto& attention, std::size_t memory_size) {
    const auto result = gradcheck(
        [&](const auto& query, const auto& values) {
          return attention(query, attention.memory(values, {2, 3})).context;
        },
        sample<double>({2, 2, 2}, 3), sample<double>({3, 2, memory_size}), {.second_order = true});
    BOOST_TEST(result.passed, result.message);
  };
  check(additive, 3);
  check(general, 3);
  check(dot, 2);
  const Array<double> query = sample<double>({2, 2, 2}), values = sample<double>({3, 2, 3});
  const auto by_weights = gradcheck(
      [&](auto& tape) {
        return additive(tape.constant(query), additive.memory(tape.constant(values), {2, 3}))
            .context;
      },
      tapestry::parameters(additive), {.second_order = true});
  BOOST_TEST(by_weights.passed, by_weights.message);
}

BOOST_AUTO_TEST_CASE(bad_input) {
  BOOST_CHECK_EXCEPTION(AdditiveAttention<float>(3, 0, 1), ArgumentError,
                        says("[linear] input_size must be positive"));
  GeneralAttention<float> attention(3, 5);
  Tape<float> tape;
  const auto values = tape.variable(sample<float>({4, 2, 5}));
  const auto memory = attention.memory(values);
  const auto flat = tape.variable(sample<float>({2, 5}));
  const auto query = tape.variable(sample<float>({1, 3, 3}));
  const auto wide = tape.variable(sample<float>({1, 2, 4}));
  const std::size_t size = tape.size();
  BOOST_CHECK_EXCEPTION(attention.memory(flat), ShapeError,
                        says("[attention] memory (2, 5) must have shape (S, B, M), S > 0"));
  BOOST_CHECK_EXCEPTION(attention.memory(query), ShapeError,
                        says("[linear] input (1, 3, 3) does not end in 5 features (in linear)"));
  BOOST_CHECK_EXCEPTION(attention.memory(values, {4}), ShapeError,
                        says("[attention] 1 lengths for a batch of 2 sequences"));
  BOOST_CHECK_EXCEPTION(attention.memory(values, {4, 0}), ArgumentError,
                        says("[attention] length 0 of sequence 1 is outside [1, 4]"));
  BOOST_CHECK_EXCEPTION(attention.memory(values, {5, 1}), ArgumentError,
                        says("[attention] length 5 of sequence 0 is outside [1, 4]"));
  BOOST_CHECK_EXCEPTION(attention(query, memory), ShapeError,
                        says("[attention] queries (1, 3, 3) do not fit keys (4, 2, 3)"));
  BOOST_CHECK_EXCEPTION(attention(wide, memory), ShapeError,
                        says("[attention] queries (1, 2, 4) do not fit keys (4, 2, 3)"));
  BOOST_TEST(tape.size() == size);
}

BOOST_AUTO_TEST_SUITE(layer_norm)

BOOST_AUTO_TEST_CASE_TEMPLATE(equals_pytorch, T, Types) {
  const auto cases = Reference("attention.json").cases("layer_norm/");
  BOOST_TEST(cases.size() == 4u);
  for (const ReferenceCase& c : cases) {
    const bool affine = c.option("affine", true);
    LayerNorm<T> norm(4, {.epsilon = c.option("epsilon", 0.0), .affine = affine});
    fill_from(c, norm, affine ? 2 : 0);
    Tape<T> tape;
    const auto x = tape.variable(c.array<T>("input"));
    const auto y = norm(x);
    expect_reference(y.value(), c, "output");
    y.backward(c.array<T>("cotangent/output"));
    expect_reference(x.grad(), c, "grad/input");
    expect_reference_gradients(norm, c);
  }
}

BOOST_AUTO_TEST_CASE(second_derivatives) {
  LayerNorm<double> norm(4);
  norm.weight().value() = sample<double>({4});
  const auto result = gradcheck([&](const auto& x) { return norm(x); }, sample<double>({2, 4}, 3),
                                {.second_order = true});
  BOOST_TEST(result.passed, result.message);
}

BOOST_AUTO_TEST_CASE(bad_input) {
  BOOST_CHECK_EXCEPTION(LayerNorm<float>(0), ArgumentError,
                        says("[layer_norm] size must be positive"));
  BOOST_CHECK_EXCEPTION(LayerNorm<float>(1, {.epsilon = -1}), ArgumentError,
                        says("[layer_norm] epsilon must be finite and not negative, not "
                             "-1.000000"));
  LayerNorm<float> norm(3);
  Tape<float> tape;
  BOOST_CHECK_EXCEPTION(norm(tape.variable(sample<float>({2, 4}))), ShapeError,
                        says("[layer_norm] input (2, 4) does not end in 3 features (in "
                             "layer_norm)"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(dropout)

BOOST_AUTO_TEST_CASE(in_training_only) {
  tapestry::seed(1);
  Dropout<double> drop(0.25);
  Tape<double> tape;
  Array<double> ones = Array<double>::from_shape({10000});
  ones.fill(1);
  const auto y = drop(tape.variable(ones));
  std::size_t dropped = 0;
  for (const double value : y.value()) {
    if (value == 0) ++dropped;
    BOOST_REQUIRE((value == 0 || std::abs(value - 1 / 0.75) < 1e-15));
  }
  BOOST_TEST(std::abs(static_cast<double>(dropped) / 1e4 - 0.25) < 0.02);
  tapestry::eval(drop);
  const auto same = drop(y);
  BOOST_TEST(max_difference(same.value(), y.value()) == 0);
  tapestry::train(drop);
  BOOST_TEST(max_difference(drop(y).value(), y.value()) > 0);
}

BOOST_AUTO_TEST_CASE(bad_input) {
  BOOST_CHECK_EXCEPTION(Dropout<float>(1.5), ArgumentError,
                        says("[dropout] p must lie in [0, 1], not 1.500000"));
}

BOOST_AUTO_TEST_SUITE_END()
