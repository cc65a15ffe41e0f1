// SPDX-License-Identifier: MIT
// Losses over sequences of different lengths.
#define BOOST_TEST_MODULE sequence_loss
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "errors.hpp"
#include "layer_checks.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers/sequence_loss.hpp"

using namespace tapestry::test;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::Indices;
using tapestry::Reduction;
using tapestry::sequence_cross_entropy;
using tapestry::sequence_loss;
using tapestry::ShapeError;
using tapestry::square;
using tapestry::Tape;
using tapestry::Variable;
using Reduce = tapestry::SequenceReduction;

namespace {

using Types = std::tuple<float, double>;
using Lengths = std::vector<std::size_t>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Element losses (4, 3) of sequences of 2, 4 and 1 steps, NaN beyond the ends.
template <class T>
Array<T> elements() {
  const T x = static_cast<T>(nan);
  return Array<T>{{1, 2, 5}, {3, 4, x}, {x, 6, x}, {x, 8, x}};
}
const Lengths lengths{2, 4, 1};

Indices tokens(std::initializer_list<std::int64_t> values, std::size_t steps) {
  Indices result = Indices::from_shape({steps, values.size() / steps});
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

/// One sequence of numbers: (T, 1).
template <class T>
Array<T> sequence(std::initializer_list<T> values) {
  Array<T> result = Array<T>::from_shape({values.size(), 1});
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

}  // namespace

// The notes' example (C.31): g = [1 4 5], y = [1 2 3] and squared errors give L_seq = 8.
BOOST_AUTO_TEST_CASE_TEMPLATE(worked_example, T, Types) {
  Tape<T> tape;
  const Variable<T> g = tape.variable(sequence<T>({1, 4, 5}), "g");
  const Variable<T> y = tape.constant(sequence<T>({1, 2, 3}), "y");
  const auto loss = sequence_loss(square(g - y));
  BOOST_TEST(loss.item() == 8);
  loss.backward();
  BOOST_TEST(max_difference(g.grad(), sequence<T>({0, 4, 4})) == 0);
}

// J over it and a second sequence of one element with loss 9: (8 + 9) / 2.
BOOST_AUTO_TEST_CASE_TEMPLATE(objective_of_two_sequences, T, Types) {
  Tape<T> tape;
  const Variable<T> g = tape.variable(Array<T>{{1, 5}, {4, 100}, {5, 100}});
  const Variable<T> y = tape.constant(Array<T>{{1, 2}, {2, 0}, {3, 0}});
  const auto j = sequence_loss(square(g - y), {3, 1});
  BOOST_TEST(j.item() == 8.5);
  j.backward();
  BOOST_TEST(max_difference(g.grad(), Array<T>{{0, 3}, {2, 0}, {2, 0}}) == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(reductions, T, Types) {
  const auto expect = [](Reduce reduction, const Array<T>& value, const Array<T>& gradient) {
    Tape<T> tape;
    const auto x = tape.variable(elements<T>());
    const auto loss = sequence_loss(x, lengths, {.reduction = reduction});
    BOOST_TEST(max_difference(loss.value(), value) < 1e-6);
    sum(loss).backward();
    BOOST_TEST(max_difference(x.grad(), gradient) < 1e-7);
  };
  const Array<T> within{{1, 1, 1}, {1, 1, 0}, {0, 1, 0}, {0, 1, 0}};
  const Array<T> ends{{0, 0, 1}, {1, 0, 0}, {0, 0, 0}, {0, 1, 0}};
  expect(Reduce::mean_of_sequences, Array<T>(T(29) / 3), within / T(3));
  expect(Reduce::mean_of_steps, Array<T>(T(29) / 7), within / T(7));
  expect(Reduce::last_step, Array<T>(T(16) / 3), ends / T(3));
  expect(Reduce::sum, Array<T>(T(29)), within);
  expect(Reduce::sequences, Array<T>{4, 20, 5}, within);
  expect(Reduce::steps, Array<T>{{1, 2, 5}, {3, 4, 0}, {0, 6, 0}, {0, 8, 0}}, within);
}

BOOST_AUTO_TEST_CASE(last_steps) {
  Tape<double> tape;
  const auto x = tape.variable(sample<double>({4, 3, 2}));
  const auto last = tapestry::last_step(x, lengths);
  BOOST_TEST(last.shape().str() == "(3, 2)");
  for (std::size_t b = 0; b < 3; ++b)
    for (std::size_t k = 0; k < 2; ++k)
      BOOST_TEST(last.value()(b, k) == x.value()(lengths[b] - 1, b, k));
  const auto checked =
      tapestry::gradcheck([](const auto& v) { return tanh(tapestry::last_step(v, lengths)); },
                          x.value(), {.second_order = true});
  BOOST_TEST(checked.passed, checked.message);
  const auto flat = tape.variable(sample<double>({4, 3}));
  BOOST_TEST(tapestry::last_step(flat, lengths).shape().str() == "(3,)");
}

BOOST_AUTO_TEST_CASE(masks) {
  Tape<float> tape;
  const auto mask = tapestry::sequence_mask(tape, {2, 0, 3}, 3);
  BOOST_TEST(max_difference(mask.value(), Array<float>{{1, 0, 1}, {1, 0, 1}, {0, 0, 1}}) == 0);
  BOOST_TEST(!mask.requires_grad());
}

BOOST_AUTO_TEST_SUITE(cross_entropy)

// Equal, sequence by sequence, to the loss of each one alone.
BOOST_AUTO_TEST_CASE_TEMPLATE(equals_each_alone, T, Types) {
  const Indices targets = tokens({0, 1, 2, 1, 0, -9, 99, 1, -9, 99, 0, -9}, 4);
  Tape<T> tape;
  const auto logits = tape.variable(sample<T>({4, 3, 3}));
  double total = 0;
  std::vector<double> alone;
  for (std::size_t b = 0; b < 3; ++b) {
    Indices own = Indices::from_shape({lengths[b]});
    for (std::size_t t = 0; t < lengths[b]; ++t) own(t) = targets(t, b);
    const auto part =
        slice(select(logits, 1, static_cast<int>(b)), 0, 0, static_cast<int>(lengths[b]));
    alone.push_back(softmax_cross_entropy(part, own, {.reduction = Reduction::sum}).item());
    total += alone.back();
  }
  const auto value = [&](Reduce reduction) {
    return sequence_cross_entropy(logits, targets, lengths, {.reduction = reduction});
  };
  const double rounding = std::is_same_v<T, float> ? 1e-5 : 1e-13;
  BOOST_TEST(std::abs(sequence_cross_entropy(logits, targets, lengths).item() - total / 3) <
             rounding);
  BOOST_TEST(std::abs(value(Reduce::mean_of_steps).item() - total / 7) < rounding);
  BOOST_TEST(std::abs(value(Reduce::sum).item() - total) < rounding);
  for (std::size_t b = 0; b < 3; ++b)
    BOOST_TEST(std::abs(value(Reduce::sequences).value()(b) - alone[b]) < rounding);
  BOOST_TEST(value(Reduce::steps).value()(2, 0) == 0);
  const auto steps = value(Reduce::steps);
  const double last = (steps.value()(1, 0) + steps.value()(3, 1) + steps.value()(0, 2)) / 3;
  BOOST_TEST(std::abs(value(Reduce::last_step).item() - last) < rounding);
}

BOOST_AUTO_TEST_CASE(nothing_leaks_from_padding) {
  const Indices targets = tokens({0, 1, 2, 1, 0, 7, 7, 1, 7, 7, 0, 7}, 4);
  for (const Reduce reduction : {Reduce::mean_of_sequences, Reduce::mean_of_steps, Reduce::sum,
                                 Reduce::last_step, Reduce::sequences, Reduce::steps}) {
    Tape<double> tape;
    const auto logits = tape.variable(sample<double>({4, 3, 3}));
    sum(sequence_cross_entropy(logits, targets, lengths, {.reduction = reduction})).backward();
    for (std::size_t t = 0; t < 4; ++t)
      for (std::size_t b = 0; b < 3; ++b) {
        const bool counts = reduction == Reduce::last_step ? t + 1 == lengths[b] : t < lengths[b];
        for (std::size_t v = 0; v < 3; ++v) BOOST_TEST((logits.grad()(t, b, v) != 0) == counts);
      }
  }
}

BOOST_AUTO_TEST_CASE(padding_may_be_nan) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Array<double> losses{{1, 2}, {3, nan}, {5, nan}};
  const std::vector<std::size_t> ends{3, 1};
  Tape<double> tape;
  const auto x = tape.variable(losses);
  BOOST_TEST(sequence_loss(x, ends, {Reduce::mean_of_sequences}).item() == 5.5);
  BOOST_TEST(sequence_loss(x, ends, {Reduce::mean_of_steps}).item() == 2.75);
  BOOST_TEST(sequence_loss(x, ends, {Reduce::last_step}).item() == 3.5);
  sequence_loss(x, ends, {Reduce::sum}).backward();
  BOOST_TEST((Array<double>(x.grad()) == Array<double>{{1, 1}, {1, 0}, {1, 0}}));
}

BOOST_AUTO_TEST_CASE(masks_with_holes) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Array<double> mask{{1, 0}, {0, 1}, {1, 0}};
  Tape<double> tape;
  const auto x = tape.variable(Array<double>{{1, nan}, {nan, 4}, {5, nan}});
  BOOST_TEST(masked_sequence_loss(x, mask).item() == 5);
  BOOST_TEST(masked_sequence_loss(x, mask, {Reduce::mean_of_steps}).item() == 10.0 / 3);
  BOOST_TEST(masked_sequence_loss(x, mask, {Reduce::last_step}).item() == 4.5);
  masked_sequence_loss(x, mask, {Reduce::sum}).backward();
  BOOST_TEST((Array<double>(x.grad()) == mask));
  BOOST_CHECK_EXCEPTION(masked_sequence_loss(x, Array<double>{1, 1}), ShapeError,
                        says("[masked_sequence_loss] element losses (3, 2) and mask (2,) must both "
                             "have shape (T, B)"));
}

BOOST_AUTO_TEST_CASE(options) {
  Tape<double> tape;
  const auto logits = tape.variable(sample<double>({2, 2, 3}));
  const Indices targets = tokens({0, 2, 1, 1}, 2);
  const auto plain = sequence_cross_entropy(logits, targets, {2, 2}, {.reduction = Reduce::steps});
  const auto without_2 = sequence_cross_entropy(
      logits, targets, {2, 2}, {.reduction = Reduce::mean_of_steps, .ignore_index = 2});
  const double kept = plain.value()(0, 0) + plain.value()(1, 0) + plain.value()(1, 1);
  BOOST_TEST(std::abs(without_2.item() - kept / 3) < 1e-14);
  const Array<double> weight{1, 2, 0.5};
  for (const auto reduction : {Reduce::mean_of_steps, Reduce::sum}) {
    const auto mine =
        sequence_cross_entropy(logits, targets, {2, 2},
                               {.reduction = reduction, .label_smoothing = 0.1, .weight = weight});
    const auto other = softmax_cross_entropy(
        logits, targets,
        {.reduction = reduction == Reduce::sum ? Reduction::sum : Reduction::mean,
         .label_smoothing = 0.1,
         .weight = weight});
    BOOST_TEST(std::abs(mine.item() - other.item()) < 1e-14);
  }
}

BOOST_AUTO_TEST_CASE(gradients) {
  const Indices targets = tokens({0, 1, 2, 1, 0, 7, 7, 1, 7, 7, 0, 7}, 4);
  for (const Reduce reduction :
       {Reduce::mean_of_sequences, Reduce::mean_of_steps, Reduce::last_step, Reduce::sequences}) {
    const auto result = tapestry::gradcheck(
        [&](const auto& x) {
          return sequence_cross_entropy(2 * x, targets, lengths, {.reduction = reduction});
        },
        sample<double>({4, 3, 3}), {.second_order = true});
    BOOST_TEST(result.passed, result.message);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(bad_input) {
  Tape<float> tape;
  const auto losses = tape.variable(sample<float>({4, 3}));
  const auto logits = tape.variable(sample<float>({4, 3, 2}));
  const Indices targets = tokens({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 4);
  const std::size_t size = tape.size();
  BOOST_CHECK_EXCEPTION(sequence_loss(logits, {1, 1, 1}), ShapeError,
                        says("[sequence_loss] element losses must have shape (T, B), not "
                             "(4, 3, 2)"));
  BOOST_CHECK_EXCEPTION(sequence_loss(logits), ShapeError,
                        says("[sequence_loss] element losses must have shape (T, B), not "
                             "(4, 3, 2)"));
  BOOST_CHECK_EXCEPTION(sequence_loss(losses, Lengths{1, 1}), ShapeError,
                        says("[sequence_loss] 2 lengths for a batch of 3 sequences"));
  BOOST_CHECK_EXCEPTION(sequence_loss(losses, {4, 5, 1}), ArgumentError,
                        says("[sequence_loss] length 5 of sequence 1 is outside [0, 4]"));
  BOOST_CHECK_EXCEPTION(sequence_loss(losses, {4, 0, 1}, {.reduction = Reduce::last_step}),
                        ArgumentError,
                        says("[last_step] length 0 of sequence 1 is outside [1, 4]"));
  BOOST_CHECK_EXCEPTION(sequence_cross_entropy(losses, targets, lengths), ShapeError,
                        says("[sequence_cross_entropy] logits (4, 3) and targets (4, 3) must have "
                             "shapes (T, B, V) and (T, B)"));
  BOOST_CHECK_EXCEPTION(sequence_cross_entropy(logits, targets, Lengths{4}), ShapeError,
                        says("[sequence_cross_entropy] 1 lengths for a batch of 3 sequences"));
  Indices wrong = targets;
  wrong(1, 0) = 2;
  BOOST_CHECK_EXCEPTION(sequence_cross_entropy(logits, wrong, lengths), tapestry::IndexError,
                        says("[softmax_cross_entropy] target 2 at element 3 is outside the 2 "
                             "classes of logits (4, 3, 2)"));
  BOOST_CHECK_EXCEPTION(tapestry::last_step(slice(select(losses, 0, 0), 0, 0, 3), {1}), ShapeError,
                        says("[last_step] output must have shape (T, B, ...), not (3,)"));
  BOOST_CHECK_EXCEPTION(tapestry::sequence_mask(tape, {1, 3}, 2), ArgumentError,
                        says("[sequence_mask] length 3 of sequence 1 is outside [0, 2]"));
  BOOST_TEST(tape.size() <= size + 2);  // the operands that were made above
}
