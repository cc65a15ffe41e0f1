// SPDX-License-Identifier: MIT
// Sequence to sequence, with and without attention.
#define BOOST_TEST_MODULE encoder_decoder
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "errors.hpp"
#include "layer_checks.hpp"
#include "reference.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers.hpp"
#include "tapestry/optim.hpp"

using namespace tapestry::test;
using namespace tapestry::layers;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::Indices;
using tapestry::ShapeError;
using tapestry::Tape;

namespace {

using Types = std::tuple<float, double>;
using Lengths = std::vector<std::size_t>;

/// Compares a model with those of the reference of its kind and attention.
template <class Model, class... Attention>
void expect_equals_pytorch(const std::string& name, std::size_t layers, std::size_t parameters,
                           const Attention&... attention) {
  using T = typename Model::value_type;
  for (const ReferenceCase& c : Reference("attention.json").cases("encoder_decoder/" + name)) {
    Model model({.source_tokens = 6,
                 .target_tokens = 5,
                 .embedding_size = 2,
                 .hidden_size = 3,
                 .num_layers = layers},
                attention...);
    fill_from(c, model, parameters + 8 * layers);
    Tape<T> tape;
    const auto [logits, weights] =
        model(tape, c.indices("source"), c.option("lengths", Lengths{}), c.indices("inputs"),
              {.teacher_forcing = c.option("free", false) ? 0.0 : 1.0});
    expect_reference(logits.value(), c, "logits");
    BOOST_REQUIRE(weights.has_value() == Model::attends);
    if (weights) {
      expect_reference(weights->value(), c, "weights");
      backward_from<T>(tape, c, {"logits", "weights"}, {logits, *weights});
    } else {
      backward_from<T>(tape, c, {"logits"}, {logits});
    }
    expect_reference_gradients(model, c);
  }
}

template <class Recurrent>
void expect_all_equal_pytorch(const std::string& kind, std::size_t layers) {
  using T = typename Recurrent::value_type;
  using Additive = AdditiveAttention<T>;
  using General = GeneralAttention<T>;
  expect_equals_pytorch<EncoderDecoder<Recurrent>>(kind + "/none", layers, 4);
  expect_equals_pytorch<EncoderDecoder<Recurrent, Additive>>(kind + "/additive", layers, 8,
                                                             Additive(3, 3, 4));
  expect_equals_pytorch<EncoderDecoder<Recurrent, General>>(kind + "/general", layers, 6,
                                                            General(3, 3));
}

Indices tokens(std::size_t steps, std::size_t batch, std::uint64_t count, std::uint64_t seed = 1) {
  tapestry::Generator generator(seed);
  Indices result = Indices::from_shape({steps, batch});
  for (auto& token : result) token = static_cast<std::int64_t>(generator.below(count));
  return result;
}

using Model = EncoderDecoder<GRU<double>, GeneralAttention<double>>;

Model small_model() {
  tapestry::seed(2);
  return Model({.source_tokens = 6, .target_tokens = 5, .embedding_size = 3, .hidden_size = 4},
               GeneralAttention<double>(4, 4));
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(equals_pytorch, T, Types) {
  expect_all_equal_pytorch<RNN<T>>("rnn", 1);
  expect_all_equal_pytorch<LSTM<T>>("lstm", 2);
  expect_all_equal_pytorch<GRU<T>>("gru", 1);
}

// What the sources of a batch give does not depend on the others, nor on the padding.
BOOST_AUTO_TEST_CASE(each_source_as_if_alone) {
  Model model = small_model();
  Indices source = tokens(4, 3, 6);
  const Indices inputs = tokens(3, 3, 5, 2);
  const Lengths lengths{2, 4, 1};
  Tape<double> tape;
  const auto together = model(tape, source, lengths, inputs).logits;
  for (std::size_t b = 0; b < 3; ++b) {
    Indices own = Indices::from_shape({lengths[b], 1}), own_inputs = Indices::from_shape({3, 1});
    for (std::size_t s = 0; s < lengths[b]; ++s) own(s, 0) = source(s, b);
    for (std::size_t t = 0; t < 3; ++t) own_inputs(t, 0) = inputs(t, b);
    const auto alone = model(tape, own, {}, own_inputs).logits;
    for (std::size_t t = 0; t < 3; ++t)
      for (std::size_t v = 0; v < 5; ++v)
        BOOST_TEST(std::abs(alone.value()(t, 0, v) - together.value()(t, b, v)) < 1e-14);
  }
}

BOOST_AUTO_TEST_CASE(dropout_between_layers_in_training) {
  EncoderDecoder<GRU<>> model({.source_tokens = 5,
                               .target_tokens = 5,
                               .embedding_size = 3,
                               .hidden_size = 4,
                               .num_layers = 2,
                               .dropout = 0.5});
  const Indices tokens{{0, 1}, {2, 3}, {4, 0}};
  const auto logits = [&] {
    Tape<float> tape;
    return Array<float>(model(tape, tokens, {}, tokens).logits.value());
  };
  BOOST_TEST((logits() != logits()));
  tapestry::eval(model);
  BOOST_TEST((logits() == logits()));
}

BOOST_AUTO_TEST_CASE(inputs_are_targets_one_step_later) {
  const Indices targets{{1, 2}, {3, 4}, {5, 6}};
  const Indices expected{{9, 9}, {1, 2}, {3, 4}};
  BOOST_TEST(max_difference(decoder_inputs(targets, 9), expected) == 0);
}

// Fed with what it wrote itself, teacher forcing is free running.
BOOST_AUTO_TEST_CASE(free_running_feeds_back) {
  Model model = small_model();
  const Indices source = tokens(4, 8, 6), other = tokens(6, 8, 5, 3);
  Indices inputs = tokens(6, 8, 5, 2);
  Tape<double> tape;
  const auto free = model(tape, source, {}, inputs, {.teacher_forcing = 0}).logits;
  Indices same_start = other;
  std::copy_n(inputs.data(), 8, same_start.data());
  const auto again = model(tape, source, {}, same_start, {.teacher_forcing = 0}).logits;
  BOOST_TEST(max_difference(free.value(), again.value()) == 0);
  const Indices written = argmax(free, -1);
  std::copy_n(written.data(), written.size() - 8, inputs.data() + 8);
  const auto forced = model(tape, source, {}, inputs).logits;
  BOOST_TEST(max_difference(free.value(), forced.value()) < 1e-14);
}

// With a probability between, about that share of the true tokens is read: the second step of 2000
// sequences with equal first steps equals that of teacher forcing, or that of free running.
BOOST_AUTO_TEST_CASE(scheduled_sampling) {
  Model model = small_model();
  const std::size_t batch = 2000;
  Indices source = Indices::from_shape({1, batch}), inputs = Indices::from_shape({2, batch});
  source.fill(1);
  inputs.fill(0);
  Tape<double> tape;
  const auto first = model(tape, source, {}, inputs);
  const std::int64_t own = argmax(first.logits, -1)(0, 0);
  for (std::size_t b = 0; b < batch; ++b) inputs(1, b) = (own + 1) % 5;
  const auto forced = model(tape, source, {}, inputs).logits;
  const auto free = model(tape, source, {}, inputs, {.teacher_forcing = 0}).logits;
  const auto mixed = model(tape, source, {}, inputs, {.teacher_forcing = 0.3}).logits;
  std::size_t true_tokens = 0;
  for (std::size_t b = 0; b < batch; ++b) {
    const auto near = [&](const auto& logits) {
      return std::abs(logits.value()(1, b, 0) - mixed.value()(1, b, 0)) < 1e-13;
    };
    BOOST_REQUIRE(near(forced) != near(free));
    if (near(forced)) ++true_tokens;
  }
  BOOST_TEST(std::abs(static_cast<double>(true_tokens) / batch - 0.3) < 0.045);
}

BOOST_AUTO_TEST_CASE(gradients) {
  const Indices source = tokens(3, 2, 6), inputs = tokens(2, 2, 5, 2);
  Model model = small_model();
  const auto f = [&](auto& tape) { return model(tape, source, {3, 1}, inputs).logits; };
  const auto result = tapestry::gradcheck(f, tapestry::parameters(model), {.second_order = true});
  BOOST_TEST(result.passed, result.message);
}

// Greedy translation is free running, and no beam finds less than what greedy does.
BOOST_AUTO_TEST_CASE(translates) {
  Model model = small_model();
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Indices source = tokens(4, 1, 6, seed);
    Tape<double> tape;
    Indices start = Indices::from_shape({6, 1});
    start.fill(0);
    const auto logits = model(tape, source, {}, start, {.teacher_forcing = 0}).logits;
    const std::size_t size = tape.size();
    const auto greedy = model.translate(tape, source, 0, {.width = 1, .max_length = 6});
    const Indices written = argmax(logits, -1);
    BOOST_REQUIRE(greedy.size() == 1u);
    BOOST_TEST(greedy[0].tokens == std::vector<std::int64_t>(written.begin(), written.end()),
               boost::test_tools::per_element());
    const double log_probability = max(log_softmax(logits), -1).value()(0, 0);
    BOOST_TEST(greedy[0].log_probability < log_probability);
    const auto wide = model.translate(tape, source, 0, {.width = 500, .max_length = 4, .best = 3});
    const auto narrow = model.translate(tape, source, 0, {.width = 1, .max_length = 4});
    BOOST_TEST(wide.size() == 3u);
    BOOST_TEST(wide[0].score >= narrow[0].score);
    BOOST_TEST(tape.size() <= size + 2);  // log_softmax and max above
  }
}

// It learns: reversal of strings of one to four letters.
BOOST_AUTO_TEST_CASE(learns_to_reverse) {
  constexpr std::size_t longest = 4, batch = 32;
  constexpr std::int64_t letters = 4, end = letters, start = letters + 1;
  tapestry::seed(3);
  EncoderDecoder<GRU<>, DotAttention<>> model({.source_tokens = letters + 1,
                                               .target_tokens = letters + 2,
                                               .embedding_size = 16,
                                               .hidden_size = 32});
  tapestry::optim::Adam adam(tapestry::parameters(model), {.learning_rate = 0.01});
  tapestry::Generator generator(4);
  Indices source = Indices::from_shape({longest, batch});
  Indices targets = Indices::from_shape({longest + 1, batch});
  Lengths lengths(batch), target_lengths(batch);
  const auto draw = [&] {
    source = tokens(longest, batch, letters, generator.bits());
    for (std::size_t b = 0; b < batch; ++b) {
      lengths[b] = 1 + generator.below(longest);
      target_lengths[b] = lengths[b] + 1;
      for (std::size_t t = 0; t <= longest; ++t)
        targets(t, b) = t < lengths[b] ? source(lengths[b] - 1 - t, b) : end;
    }
  };
  Tape tape;
  for (int step = 0; step < 250; ++step) {
    draw();
    tape.clear();
    const auto logits = model(tape, source, lengths, decoder_inputs(targets, start)).logits;
    sequence_cross_entropy(logits, targets, target_lengths).backward();
    adam.step();
    adam.zero_grad();
  }
  draw();
  tape.clear();
  const auto logits =
      model(tape, source, lengths, decoder_inputs(targets, start), {.teacher_forcing = 0}).logits;
  const Indices written = argmax(logits, -1);
  std::size_t exact = 0;
  for (std::size_t b = 0; b < batch; ++b) {
    bool same = true;
    for (std::size_t t = 0; t < target_lengths[b]; ++t)
      same = same && written(t, b) == targets(t, b);
    if (same) ++exact;
  }
  BOOST_TEST(exact >= 30u);
  Indices word = Indices::from_shape({3, 1});
  std::copy_n(std::initializer_list<std::int64_t>{0, 2, 1}.begin(), 3, word.data());
  const auto found = model.translate(tape, word, start, {.width = 3, .end = end, .max_length = 9});
  BOOST_TEST(found[0].tokens == (std::vector<std::int64_t>{1, 2, 0}),
             boost::test_tools::per_element());
  BOOST_TEST(found[0].ended);
}

BOOST_AUTO_TEST_CASE(bad_input) {
  Model model = small_model();
  tapestry::name_parts(model);
  Tape<double> tape;
  const Indices source = tokens(4, 2, 6), inputs = tokens(3, 2, 5);
  const Indices flat{1, 2}, none = Indices::from_shape({0, 2});
  const auto call = [&](const Indices& s, const Lengths& lengths, const Indices& i, double p = 1) {
    return model(tape, s, lengths, i, {.teacher_forcing = p});
  };
  const std::string op = "[encoder_decoder] ";
  BOOST_CHECK_EXCEPTION(call(flat, {}, inputs), ShapeError,
                        says(op + "source (2,) must have shape (steps, B), of one step at least"));
  BOOST_CHECK_EXCEPTION(call(source, {}, none), ShapeError,
                        says(op + "inputs (0, 2) must have shape (steps, B), of one step at "
                                  "least"));
  BOOST_CHECK_EXCEPTION(call(source, {1}, inputs), ShapeError,
                        says(op + "1 lengths for a batch of 2 sequences"));
  BOOST_CHECK_EXCEPTION(call(source, {1, 0}, inputs), ArgumentError,
                        says(op + "length 0 of sequence 1 is outside [1, 4]"));
  BOOST_CHECK_EXCEPTION(call(source, {}, inputs, 1.5), ArgumentError,
                        says(op + "teacher_forcing must lie in [0, 1], not 1.500000"));
  BOOST_CHECK_EXCEPTION(call(source, {}, tokens(3, 1, 5)), ShapeError,
                        says("[gru] initial h (1, 2, 4) must have shape (1, 1, 4) (in decoder)"));
  BOOST_CHECK_EXCEPTION(
      call(tokens(2, 2, 1000), {}, inputs), tapestry::IndexError,
      [](const tapestry::Error& e) { return std::string(e.what()).starts_with("[embedding]"); });
  BOOST_CHECK_EXCEPTION(model.translate(tape, source, 0, {}), ShapeError,
                        says("[translate] source (4, 2) must have shape (S, 1): one sequence at a "
                             "time"));
  BOOST_CHECK_EXCEPTION(static_cast<void>(decoder_inputs(flat, 0)), ShapeError,
                        says(op + "targets (2,) must have shape (steps, B), of one step at "
                                  "least"));
  BOOST_TEST(tape.size() == 0u);
}
