// SPDX-License-Identifier: MIT
// Batches of separate sequences, drawing tokens, and figures of a training run.
#define BOOST_TEST_MODULE batches
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "errors.hpp"
#include "files.hpp"
#include "tapestry/data.hpp"
#include "tapestry/layers/bundle.hpp"
#include "tapestry/layers/linear.hpp"
#include "tapestry/layers/safetensors.hpp"

namespace tp = tapestry;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::Generator;
using tapestry::Indices;
using tapestry::data::accuracy;
using tapestry::data::BucketBatches;
using tapestry::data::BucketOptions;
using tapestry::data::Mean;
using tapestry::data::MovingAverage;
using tapestry::data::PaddedBatch;
using tapestry::data::probabilities;
using tapestry::data::sample;
using tapestry::data::SampleOptions;
using tapestry::test::says;
using tapestry::test::TemporaryFolder;
using Sequences = std::vector<std::vector<std::int64_t>>;

namespace {

const double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// Sequence i has the tokens 1000 i + 1, 1000 i + 2, ...
Sequences sequences_of(const std::vector<std::size_t>& lengths) {
  Sequences sequences;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    auto& sequence = sequences.emplace_back(lengths[i]);
    std::iota(sequence.begin(), sequence.end(), static_cast<std::int64_t>(1000 * i + 1));
  }
  return sequences;
}

Sequences random_sequences(std::size_t count, std::uint64_t seed) {
  Generator generator(seed);
  std::vector<std::size_t> lengths(count);
  for (std::size_t& length : lengths) length = 1 + generator.below(60);
  return sequences_of(lengths);
}

/// Checks that a batch is what its `order` and `lengths` say.
void expect_padded(const PaddedBatch& batch, const Sequences& sequences, std::int64_t padding) {
  const std::size_t count = batch.order.size();
  BOOST_TEST(batch.lengths.size() == count);
  BOOST_TEST(batch.tokens.dimension() == 2u);
  BOOST_TEST(batch.tokens.shape()[0] ==
             *std::max_element(batch.lengths.begin(), batch.lengths.end()));
  BOOST_TEST(batch.tokens.shape()[1] == count);
  for (std::size_t b = 0; b < count; ++b) {
    const auto& sequence = sequences[batch.order[b]];
    BOOST_TEST(batch.lengths[b] == sequence.size());
    bool same = true;
    for (std::size_t t = 0; t < batch.tokens.shape()[0]; ++t)
      same = same && batch.tokens(t, b) == (t < sequence.size() ? sequence[t] : padding);
    BOOST_TEST(same);
  }
}

std::vector<std::vector<std::size_t>> epoch_of(BucketBatches& batches) {
  std::vector<std::vector<std::size_t>> orders;
  for (std::size_t i = 0; i < batches.batches_per_epoch(); ++i) {
    BOOST_TEST(batches.at_start() == (i == 0));
    orders.push_back(batches.next().order);
  }
  BOOST_TEST(batches.at_start());
  return orders;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(buckets)

BOOST_AUTO_TEST_CASE(each_sequence_once_an_epoch) {
  for (const std::size_t count : {1u, 2u, 31u, 32u, 33u, 257u}) {
    const Sequences sequences = random_sequences(count, count);
    for (const BucketOptions& options :
         {BucketOptions{.padding = -1}, BucketOptions{.batch = 5, .buckets = 3},
          BucketOptions{.batch = 1, .buckets = 1000}, BucketOptions{.buckets = 1},
          BucketOptions{.batch = 7, .shuffle = false}}) {
      BucketBatches batches(sequences, options);
      BOOST_TEST(batches.batches_per_epoch() == (count + options.batch - 1) / options.batch);
      for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
        BOOST_TEST(batches.epoch() == epoch);
        std::vector<int> seen(count);
        std::size_t smaller = 0, padded = 0, all = 0;
        const double share = batches.padded_share();
        for (std::size_t i = 0; i < batches.batches_per_epoch(); ++i) {
          const PaddedBatch batch = batches.next();
          expect_padded(batch, sequences, options.padding);
          for (const std::size_t which : batch.order) ++seen[which];
          smaller += batch.order.size() < options.batch ? 1 : 0;
          all += batch.tokens.size();
          padded += batch.tokens.size() -
                    std::accumulate(batch.lengths.begin(), batch.lengths.end(), std::size_t{0});
        }
        BOOST_TEST(seen == std::vector<int>(count, 1), boost::test_tools::per_element());
        BOOST_TEST(smaller == (count % options.batch > 0 ? 1u : 0u));
        BOOST_TEST(share == static_cast<double>(padded) / static_cast<double>(all),
                   boost::test_tools::tolerance(1e-12));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(by_hand) {
  const Sequences sequences = sequences_of({3, 1, 2, 1, 3});
  BucketBatches batches(sequences, {.batch = 2, .padding = 9, .shuffle = false});
  const PaddedBatch first = batches.next();
  BOOST_TEST(first.order == (std::vector<std::size_t>{1, 3}));
  BOOST_TEST((first.tokens == Indices{{1001, 3001}}));
  PaddedBatch second;
  batches.next(second);
  BOOST_TEST(second.order == (std::vector<std::size_t>{2, 0}));
  BOOST_TEST(second.lengths == (std::vector<std::size_t>{2, 3}));
  BOOST_TEST((second.tokens == Indices{{2001, 1}, {2002, 2}, {9, 3}}));
  batches.next(second);
  BOOST_TEST(second.order == (std::vector<std::size_t>{4}));
  BOOST_TEST(batches.padded_share() == 1.0 / 11, boost::test_tools::tolerance(1e-15));
}

BOOST_AUTO_TEST_CASE(buckets_save_padding) {
  const Sequences sequences = random_sequences(1000, 5);
  const auto share = [&](std::size_t buckets) {
    return BucketBatches(sequences, {.batch = 10, .buckets = buckets}).padded_share();
  };
  BOOST_TEST(share(1) > 0.3);  // the mean of 10 numbers and the largest of them
  BOOST_TEST(share(8) < 0.1);
  BOOST_TEST(share(100) < 0.02);
  BOOST_TEST(share(100) ==
             BucketBatches(sequences, {.batch = 10, .shuffle = false}).padded_share());
}

BOOST_AUTO_TEST_CASE(epochs_and_seeds_differ) {
  const Sequences sequences = random_sequences(200, 6);
  BucketBatches batches(sequences, {.batch = 10, .buckets = 4});
  const auto first = epoch_of(batches), second = epoch_of(batches);
  BOOST_TEST((first != second));
  const auto sets = [](const auto& orders) {
    std::set<std::set<std::size_t>> all;
    for (const auto& order : orders) all.insert({order.begin(), order.end()});
    return all;
  };
  BOOST_TEST((sets(first) != sets(second)));  // other sequences meet, not only in other places
  BucketBatches sorted(sequences, {.batch = 10, .buckets = 20});  // of a batch each
  std::vector<std::size_t> some_length;
  for (const auto& order : epoch_of(sorted)) some_length.push_back(sequences[order[0]].size());
  BOOST_TEST(!std::is_sorted(some_length.begin(), some_length.end()));
  BucketBatches same(sequences, {.batch = 10, .buckets = 4});
  BOOST_TEST((epoch_of(same) == first));
  BucketBatches other(sequences, {.batch = 10, .buckets = 4, .seed = 2});
  BOOST_TEST((epoch_of(other) != first));
  BOOST_TEST((epoch_of(other) != second));
  BucketBatches still(sequences, {.batch = 10, .shuffle = false});
  const auto once = epoch_of(still);
  BOOST_TEST((epoch_of(still) == once));
}

BOOST_AUTO_TEST_CASE(orders_are_even) {  // of two sequences in a batch of one, either is first
  BucketBatches batches(sequences_of({1, 1}), {.batch = 1, .buckets = 1});
  int first = 0;
  for (int epoch = 0; epoch < 2000; ++epoch) {
    first += batches.next().order[0] == 0 ? 1 : 0;
    (void)batches.next();
  }
  BOOST_TEST(std::abs(first - 1000) < 5 * std::sqrt(500.0));
}

BOOST_AUTO_TEST_CASE(they_go_on_from_a_file) {
  const TemporaryFolder folder;
  const Sequences sequences = random_sequences(100, 7);
  tp::layers::Linear<float> model(1, 1);
  BucketBatches batches(sequences, {.batch = 8});
  for (int i = 0; i < 17; ++i) (void)batches.next();  // into the second epoch
  Mean mean;
  mean.add(2, 3);
  mean.add(nan_value, 0);
  MovingAverage average(0.9);
  average.add(5);
  tp::save(tp::bundle(model, tp::named("batches", batches), tp::named("mean", mean),
                      tp::named("average", average)),
           folder / "run");
  BucketBatches resumed(sequences, {.batch = 8});
  Mean mean2;
  MovingAverage average2(0.9);
  tp::load(tp::bundle(model, tp::named("batches", resumed), tp::named("mean", mean2),
                      tp::named("average", average2)),
           folder / "run");
  BOOST_TEST(resumed.epoch() == 1u);
  for (int i = 0; i < 30; ++i) {
    const PaddedBatch a = batches.next(), b = resumed.next();
    BOOST_TEST((a.tokens == b.tokens && a.lengths == b.lengths && a.order == b.order));
  }
  mean.add(7);
  mean2.add(7);
  BOOST_TEST(mean2.value() == 13.0 / 4);
  BOOST_TEST(mean2.count() == 3u);
  BOOST_TEST((mean.state() == mean2.state()));
  average.add(1);
  average2.add(1);
  BOOST_TEST((average.state() == average2.state()));
  resumed.set_state({3, 1000});  // of other sequences
  BOOST_TEST(resumed.state()[1] == 1000 % resumed.batches_per_epoch());
}

BOOST_AUTO_TEST_CASE(bad_arguments) {
  const auto refuse = [](const Sequences& sequences, const BucketOptions& options,
                         const std::string& text) {
    BOOST_CHECK_EXCEPTION(BucketBatches(sequences, options), ArgumentError,
                          says("[BucketBatches] " + text));
  };
  refuse({}, {}, "there are no sequences");
  refuse({{1}, {}}, {}, "sequence 1 is empty");
  refuse({{1}}, {.batch = 0}, "batch must be at least 1, got 0");
  refuse({{1}}, {.buckets = 0}, "buckets must be at least 1, got 0");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(sampling)

void expect_probabilities(const std::vector<double>& logits, const SampleOptions& options,
                          const std::vector<double>& expected) {
  const auto p = probabilities(logits, options);
  BOOST_TEST(p.size() == expected.size());
  for (std::size_t k = 0; k < p.size(); ++k) BOOST_TEST(std::abs(p[k] - expected[k]) < 1e-15);
}

const std::vector<double> example = {std::log(0.1), std::log(0.4), std::log(0.3), std::log(0.2)};

BOOST_AUTO_TEST_CASE(probabilities_by_hand) {
  expect_probabilities(example, {}, {0.1, 0.4, 0.3, 0.2});
  expect_probabilities(example, {.temperature = 0}, {0, 1, 0, 0});
  expect_probabilities(example, {.temperature = 0.5}, {0.01 / 0.3, 0.16 / 0.3, 0.3, 0.04 / 0.3});
  expect_probabilities(example, {.top_k = 2}, {0, 4.0 / 7, 3.0 / 7, 0});
  expect_probabilities(example, {.top_k = 9}, {0.1, 0.4, 0.3, 0.2});
  expect_probabilities(example, {.top_p = 0.39}, {0, 1, 0, 0});
  expect_probabilities(example, {.top_p = 0.41}, {0, 4.0 / 7, 3.0 / 7, 0});
  expect_probabilities(example, {.top_p = 0.71}, {0, 4.0 / 9, 3.0 / 9, 2.0 / 9});
  expect_probabilities(example, {.top_p = 1e-9}, {0, 1, 0, 0});
  // of the two that are left, the first has 4/7 = 0.571
  expect_probabilities(example, {.top_k = 2, .top_p = 0.57}, {0, 1, 0, 0});
  expect_probabilities(example, {.top_k = 2, .top_p = 0.58}, {0, 4.0 / 7, 3.0 / 7, 0});
  // the temperature comes before top_p: of 0.16 / 0.3 = 0.533
  expect_probabilities(example, {.temperature = 0.5, .top_p = 0.53}, {0, 1, 0, 0});
  // ties by index
  expect_probabilities({1, 2, 2, 2}, {.top_k = 2}, {0, 0.5, 0.5, 0});
  expect_probabilities({1, 1, 1, 1}, {.top_p = 0.5}, {0.5, 0.5, 0, 0});
  expect_probabilities({-infinity, 0, -infinity}, {.top_k = 2}, {0, 1, 0});
  expect_probabilities({0, 1e300, -1e300}, {}, {0, 1, 0});
}

BOOST_AUTO_TEST_CASE(frequencies_follow_the_probabilities) {
  for (const SampleOptions& options :
       {SampleOptions{}, SampleOptions{.temperature = 2, .top_k = 3}, SampleOptions{.top_p = 0.65},
        SampleOptions{.temperature = 0}}) {
    const auto p = probabilities(example, options);
    Generator generator(1);
    std::vector<double> counts(4);
    constexpr int draws = 20'000;
    for (int i = 0; i < draws; ++i)
      counts[static_cast<std::size_t>(sample(example, options, generator))] += 1;
    for (std::size_t k = 0; k < 4; ++k)
      BOOST_TEST(std::abs(counts[k] - draws * p[k]) <= 5 * std::sqrt(draws * p[k] * (1 - p[k])));
  }
}

BOOST_AUTO_TEST_CASE(a_temperature_alone_draws_the_same) {
  const Array<float> logits{{0.5F, -1, 2}, {0, 1, 0.25F}};
  Generator a(1), b(1), c(1);
  for (int i = 0; i < 100; ++i) {
    const auto token = sample(logits, 0.7, a);
    BOOST_TEST(token == sample(logits, {.temperature = 0.7}, b));
    BOOST_TEST(token == sample(logits, {.temperature = 0.7, .top_k = 6, .top_p = 1}, c));
  }
  BOOST_TEST(sample(logits, 0) == 2);
  BOOST_TEST(sample(logits, 0, a) == 2);
  BOOST_TEST(a.bits() == b.bits());  // the likeliest needs no random number
  // as `sample` has drawn since it had a temperature only
  Generator fixed(1);
  std::vector<std::int64_t> tokens(12);
  for (auto& token : tokens) token = sample(example, 1, fixed);
  BOOST_TEST(tokens == (std::vector<std::int64_t>{1, 1, 1, 0, 1, 3, 1, 0, 2, 2, 0, 2}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bad_arguments) {
  const auto refuse = [](const std::vector<double>& logits, const SampleOptions& options,
                         const std::string& text) {
    Generator generator(1);
    const auto before = generator.state();
    BOOST_CHECK_EXCEPTION((void)sample(logits, options, generator), ArgumentError,
                          says("[sample] " + text));
    BOOST_TEST((generator.state() == before));
    BOOST_CHECK_EXCEPTION((void)probabilities(logits, options), ArgumentError,
                          says("[probabilities] " + text));
  };
  refuse({}, {}, "there are no logits");
  refuse({1, nan_value}, {}, "the logit of token 1 is NaN");
  refuse({1, infinity}, {}, "the largest logit is not finite: inf");
  refuse({-infinity}, {.temperature = 0}, "the largest logit is not finite: -inf");
  refuse({1}, {.temperature = -1}, "temperature must be finite and not negative, not -1.000000");
  refuse({1}, {.temperature = nan_value}, "temperature must be finite and not negative, not nan");
  refuse({1}, {.top_p = 0}, "top_p must be in (0, 1], not 0.000000");
  refuse({1}, {.top_p = 1.5}, "top_p must be in (0, 1], not 1.500000");
  refuse({1}, {.top_p = nan_value}, "top_p must be in (0, 1], not nan");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(metrics)

BOOST_AUTO_TEST_CASE(perplexity_and_bits) {
  BOOST_TEST(tp::data::perplexity(std::log(65.0)) == 65, boost::test_tools::tolerance(1e-14));
  BOOST_TEST(tp::data::bits(std::log(8.0)) == 3, boost::test_tools::tolerance(1e-15));
}

BOOST_AUTO_TEST_CASE(accuracy_by_hand) {
  const Array<float> logits{{1, 3, 2}, {5, 5, 0}, {0, 1, 1}, {2, 0, 1}};
  BOOST_TEST(accuracy(logits, Indices{1, 0, 1, 2}) == 0.75);
  BOOST_TEST(accuracy(logits, Indices{1, 1, 2, 0}) == 0.5);  // the first of equal ones counts
  BOOST_TEST(accuracy(logits, Indices{1, -100, -100, 1}) == 0.5);
  BOOST_TEST(accuracy(logits, Indices{1, 0, 0, 0}, 0) == 1);
  BOOST_TEST(std::isnan(accuracy(logits, Indices{2, 2, 2, 2}, 2)));
  const std::vector<float> few(11);
  BOOST_CHECK_THROW(
      (void)accuracy(std::span<const float>(few), tapestry::Shape{4, 3}, Indices{1, 0, 1, 2}),
      tapestry::ShapeError);
  Array<double> steps{1, 0, 0, 1, nan_value, 1, 2, 1};
  steps.reshape({2, 2, 2});
  BOOST_TEST(accuracy(steps, Indices{{0, 1}, {1, 0}}) == 0.75);
  tp::Tape<float> tape;
  BOOST_TEST(accuracy(tape.variable(logits).value(), Indices{1, 0, 1, 2}) == 0.75);
  BOOST_CHECK_EXCEPTION((void)accuracy(logits, Indices{1, 0}), tp::ShapeError,
                        says("[accuracy] targets of shape (2,) do not fit logits of (4, 3)"));
  BOOST_CHECK_EXCEPTION((void)accuracy(logits, Indices{{1, 0, 0, 0}}), tp::ShapeError,
                        says("[accuracy] targets of shape (1, 4) do not fit logits of (4, 3)"));
  BOOST_CHECK_EXCEPTION((void)accuracy(logits, Indices{1, 0, 3, 0}), tp::IndexError,
                        says("[accuracy] target 3 at position 2 is outside the 3 classes"));
  BOOST_CHECK_THROW((void)accuracy(logits, Indices{1, 0, -1, 0}), tp::IndexError);
}

BOOST_AUTO_TEST_CASE(means) {
  Mean mean;
  BOOST_TEST(std::isnan(mean.value()));
  mean.add(1);
  mean.add(2, 3);
  BOOST_TEST(mean.value() == 7.0 / 4);
  BOOST_TEST(mean.count() == 2u);
  BOOST_TEST(mean.weight() == 4);
  for (const double weight : {-1.0, nan_value, infinity})
    BOOST_CHECK_THROW(mean.add(1, weight), ArgumentError);
  BOOST_CHECK_EXCEPTION(mean.add(1, -1), ArgumentError,
                        says("[Mean] a weight must be finite and not negative, not -1.000000"));
  BOOST_TEST(mean.value() == 7.0 / 4);
  mean.add(nan_value);
  BOOST_TEST(std::isnan(mean.value()));
  mean.reset();
  BOOST_TEST(mean.count() == 0u);
  mean.add(4);
  BOOST_TEST(mean.value() == 4);
  BOOST_CHECK_THROW(mean.set_state({0, ~std::uint64_t{0}, 0}), ArgumentError);
}

BOOST_AUTO_TEST_CASE(moving_averages) {
  MovingAverage average(0.5);
  BOOST_TEST(std::isnan(average.value()));
  average.add(4);
  BOOST_TEST(average.value() == 4);
  average.add(1);
  BOOST_TEST(average.value() == 2);  // (1 + 4 / 2) / (1 + 1 / 2)
  MovingAverage last(0);
  last.add(1);
  last.add(7);
  BOOST_TEST(last.value() == 7);
  MovingAverage slow(0.99);
  for (int i = 0; i < 5000; ++i) slow.add(3);
  BOOST_TEST(slow.value() == 3, boost::test_tools::tolerance(1e-12));
  slow.reset();
  slow.add(1);
  BOOST_TEST(slow.value() == 1);
  BOOST_CHECK_EXCEPTION(MovingAverage(1), ArgumentError,
                        says("[MovingAverage] smoothing must be in [0, 1), not 1.000000"));
  BOOST_CHECK_THROW(MovingAverage(-0.1), ArgumentError);
  BOOST_CHECK_THROW((MovingAverage{nan_value}), ArgumentError);
  BOOST_CHECK_THROW(average.set_state({0, ~std::uint64_t{0}}), ArgumentError);
}

BOOST_AUTO_TEST_SUITE_END()
