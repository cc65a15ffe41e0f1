// SPDX-License-Identifier: MIT
// The numbers of two course documents: "RNN by Hand" (Davis, Colgate) and the forward step of the
// CS187 lab (Harvard), whose outputs were worked out on paper.
#define BOOST_TEST_MODULE rnn_by_hand
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "tapestry/tapestry.hpp"

namespace tp = tapestry;

namespace {

template <class Expression>
void check(const Expression& actual, const std::vector<double>& expected) {
  BOOST_REQUIRE_EQUAL(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    BOOST_CHECK_SMALL(actual.data()[i] - expected[i], 1e-14);
}

struct Step {
  const char* word;
  std::vector<double> hidden;
  std::vector<double> logits;
  const char* prediction;
};

}  // namespace

BOOST_AUTO_TEST_CASE(davis_hidden_states_logits_and_predictions) {
  tp::Tape<double> tape;
  const auto embedding = tape.variable(
      {{1, 0, 1, 0}, {2, -1, 3, 5}, {-1, 2, 1, 4}, {5, 2, -1, 3}, {4, 0, 1, 1}, {1, 3, 4, -1}});
  const auto u = tape.variable({{3, -1, 0}, {1, 4, -3}, {2, 5, -1}, {4, 2, 3}});
  const auto w = tape.variable({{2, -3, 1}, {4, 1, 4}, {-5, 3, 2}});
  const auto v = tape.variable({{1, 0, 1, 0, 1, 0}, {4, 2, 1, 5, 2, 3}, {0, -3, -1, 4, 3, -1}});
  const auto words =
      tp::data::Vocabulary::of_symbols({"BOS", "the", "cat", "is", "outside", "EOS"});
  const std::vector<Step> steps{
      {"BOS", {5, 4, 0}, {21, 8, 9, 20, 13, 12}, "BOS"},
      {"the", {57, 8, 36}, {89, -92, 29, 184, 181, -12}, "is"},
  };
  auto h = tape.constant({0, 0, 0});
  for (const Step& step : steps) {
    const auto input = take(embedding, tp::Indices(words.token(step.word)));
    h = relu(matmul(h, w) + matmul(input, u));
    const auto logits = matmul(h, v);
    check(h.value(), step.hidden);
    check(logits.value(), step.logits);
    BOOST_CHECK_EQUAL(words.symbol(tp::data::sample(logits.value(), 0)), step.prediction);
  }
}

// The layer computes the same when its weights are the transposed matrices of the document.
BOOST_AUTO_TEST_CASE(davis_by_the_layer) {
  tp::layers::RNN<double> rnn({.input_size = 4,
                               .hidden_size = 3,
                               .activation = tp::layers::Activation::relu,
                               .bias = false});
  rnn.weights(0).weight_ih.value() = {{3, 1, 2, 4}, {-1, 4, 5, 2}, {0, -3, -1, 3}};
  rnn.weights(0).weight_hh.value() = {{2, 4, -5}, {-3, 1, 3}, {1, 4, 2}};
  tp::Tape<double> tape;
  const tp::Array<double> sentence = {{{1, 0, 1, 0}}, {{2, -1, 3, 5}}};
  const auto [output, state] = rnn(tape.constant(sentence));
  check(output.value(), {5, 4, 0, 57, 8, 36});
  check(state.h.value(), {57, 8, 36});
}

// h1 = ReLU(U x1) = (0.6, 0.1); h2 = ReLU(U x2 + V h1) = (0.15 + 0.28, 0.1 + 0.47); o = W h.
BOOST_AUTO_TEST_CASE(lab_forward_step) {
  tp::Tape<double> tape;
  const auto u = tape.variable({{-0.3, 0.6}, {0.2, 0.1}});
  const auto v = tape.variable({{0.4, 0.4}, {0.9, -0.7}});
  const auto w = tape.variable({{0.2, 0.1}, {-0.2, 0.5}});
  const auto h1 = relu(matmul(u, tape.constant({0.0, 1.0})) + matmul(v, tape.constant({0, 0})));
  const auto h2 = relu(matmul(u, tape.constant({0.3, 0.4})) + matmul(v, h1));
  check(h1.value(), {0.6, 0.1});
  check(matmul(w, h1).value(), {0.13, -0.07});
  check(h2.value(), {0.43, 0.57});
  check(matmul(w, h2).value(), {0.143, 0.199});
}

// d h1 / d U(1,1) = 0, since the first element of x1 is 0.
BOOST_AUTO_TEST_CASE(lab_gradient_by_a_weight) {
  tp::Tape<double> tape;
  const auto u = tape.variable({{-0.3, 0.6}, {0.2, 0.1}});
  const auto h1 = relu(matmul(u, tape.constant({0.0, 1.0})));
  select(h1, 0, 0).backward();
  check(u.grad(), {0, 1, 0, 0});
}
