// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE data
#include "tapestry/data.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "errors.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/shape.hpp"

using tapestry::Indices;
using tapestry::Shape;
using tapestry::data::MixedRadix;
using tapestry::data::SequenceBatch;
using tapestry::data::SequenceBatches;
using tapestry::data::Vocabulary;
using tapestry::test::says;

namespace {

std::string text_of(const Indices& array) {
  return Shape(array.shape()).str() + Vocabulary::of_characters("0123456789").decode(array);
}

Indices count_to(std::size_t n) {
  Indices sequence = Indices::from_shape({n});
  for (std::size_t i = 0; i < n; ++i) sequence(i) = static_cast<std::int64_t>(i);
  return sequence;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vocabulary)

BOOST_AUTO_TEST_CASE(characters_are_distinct_and_sorted) {
  const auto vocabulary = Vocabulary::of_characters("banana, nab");
  BOOST_TEST(vocabulary.size() == 5u);
  BOOST_TEST(vocabulary.symbols() == (std::vector<std::string>{" ", ",", "a", "b", "n"}),
             boost::test_tools::per_element());
  BOOST_TEST(text_of(vocabulary.encode("nab")) == "(3,)423");
  BOOST_TEST(vocabulary.token("b") == 3);
  BOOST_TEST(vocabulary.symbol(3) == "b");
  BOOST_TEST(vocabulary.contains("n"));
  BOOST_TEST(!vocabulary.contains("na"));
  BOOST_TEST(!vocabulary.contains(""));
}

BOOST_AUTO_TEST_CASE(code_points_of_every_length) {
  // 1 to 4 bytes, first and last of each length, both sides of the surrogates, a zero byte
  const std::string text = std::string("\0", 1) +
                           "z\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"
                           "\xF0\x90\x80\x80\xF4\x8F\xBF\xBFz";
  const auto vocabulary = Vocabulary::of_characters(text);
  BOOST_TEST(vocabulary.size() == 11u);
  const Indices tokens = vocabulary.encode(text);
  BOOST_TEST(tokens.size() == 12u);
  for (std::size_t i = 0; i < 11; ++i)  // the text ascends, up to the second z
    BOOST_TEST(tokens(i) == static_cast<std::int64_t>(i));
  BOOST_TEST(tokens(11) == 1);
  BOOST_TEST(vocabulary.decode(tokens) == text);
}

BOOST_AUTO_TEST_CASE(round_trip) {
  const std::string text = "Ein süßer Reim: ‘наука’, 学而时习之 🎈\n\tEnd.";
  const auto vocabulary = Vocabulary::of_characters(text);
  BOOST_TEST(vocabulary.decode(vocabulary.encode(text)) == text);
  for (std::size_t token = 0; token < vocabulary.size(); ++token) {
    const auto number = static_cast<std::int64_t>(token);
    BOOST_TEST(vocabulary.token(vocabulary.symbol(number)) == number);
  }
  BOOST_TEST(vocabulary.encode("").size() == 0u);
  BOOST_TEST(vocabulary.decode(vocabulary.encode("")) == "");
}

BOOST_AUTO_TEST_CASE(decode_takes_arrays_and_spans) {
  const auto vocabulary = Vocabulary::of_characters("abc");
  const std::vector<std::int64_t> tokens = {2, 0, 1};
  BOOST_TEST(vocabulary.decode(tokens) == "cab");
  BOOST_TEST(vocabulary.decode(Indices{{0, 1}, {2, 2}}) == "abcc");
}

BOOST_AUTO_TEST_CASE(symbols_keep_their_order_and_the_longest_fits) {
  const auto vocabulary = Vocabulary::of_symbols({"b", "a", "<start>", "ab", "é"});
  BOOST_TEST(vocabulary.size() == 5u);
  BOOST_TEST(text_of(vocabulary.encode("<start>aabbé")) == "(5,)21304");
  BOOST_TEST(vocabulary.decode(vocabulary.encode("<start>aabbé")) == "<start>aabbé");
  BOOST_TEST(vocabulary.token("<start>") == 2);
}

BOOST_AUTO_TEST_CASE(unknown_symbols) {
  const auto vocabulary = Vocabulary::of_characters("abcé");
  BOOST_CHECK_EXCEPTION((void)vocabulary.encode("éaxb"), tapestry::IndexError,
                        says("[Vocabulary] no symbol for 'x' at character 2 (byte 3) of the text"));
  BOOST_CHECK_EXCEPTION(
      (void)vocabulary.encode("aü"), tapestry::IndexError,
      says("[Vocabulary] no symbol for 'ü' (U+00FC) at character 1 (byte 1) of the text"));
  BOOST_CHECK_EXCEPTION(
      (void)vocabulary.encode("\n"), tapestry::IndexError,
      says("[Vocabulary] no symbol for U+000A at character 0 (byte 0) of the text"));
  BOOST_CHECK_EXCEPTION((void)vocabulary.token("<end>"), tapestry::IndexError,
                        says("[Vocabulary] '<end>' is not one of the 4 symbols"));
  BOOST_CHECK_EXCEPTION((void)vocabulary.token(""), tapestry::IndexError,
                        says("[Vocabulary] '' is not one of the 4 symbols"));
}

BOOST_AUTO_TEST_CASE(tokens_out_of_range) {
  const auto vocabulary = Vocabulary::of_characters("abc");
  BOOST_CHECK_EXCEPTION((void)vocabulary.symbol(3), tapestry::IndexError,
                        says("[Vocabulary] token 3 is outside the vocabulary of 3 symbols"));
  BOOST_CHECK_EXCEPTION((void)vocabulary.symbol(-1), tapestry::IndexError,
                        says("[Vocabulary] token -1 is outside the vocabulary of 3 symbols"));
  BOOST_CHECK_EXCEPTION(
      (void)vocabulary.decode(Indices{0, 1, 7}), tapestry::IndexError,
      says("[Vocabulary] token 7 is outside the vocabulary of 3 symbols, at position 2"));
  BOOST_CHECK_EXCEPTION(
      (void)Vocabulary::of_characters("a").decode(Indices{-1}), tapestry::IndexError,
      says("[Vocabulary] token -1 is outside the vocabulary of 1 symbol, at position 0"));
}

BOOST_AUTO_TEST_CASE(invalid_utf8) {
  const auto reject = [](const std::string& bytes, const std::string& where) {
    const auto check = says("[Vocabulary] the text is not valid UTF-8 at byte " + where);
    BOOST_CHECK_EXCEPTION((void)Vocabulary::of_characters(bytes), tapestry::ArgumentError, check);
    BOOST_CHECK_EXCEPTION((void)Vocabulary::of_symbols({bytes}), tapestry::ArgumentError, check);
    BOOST_CHECK_EXCEPTION((void)Vocabulary::of_characters("ab").encode(bytes),
                          tapestry::ArgumentError, check);
  };
  // a continuation byte on its own, and bytes that are never in UTF-8
  reject("ab\x80", "2 (0x80)");
  reject("ba\xFF", "2 (0xFF)");
  // cut off by the end and by the next character
  reject("a\xC3", "1 (0xC3)");
  reject("a\xE2\x82", "1 (0xE2)");
  reject("\xF0\x9F\x8E", "0 (0xF0)");
  reject("\xC3z", "0 (0xC3)");
  reject("\xE2\x82z", "0 (0xE2)");
  reject("\xF0\x9F\x8Ez", "0 (0xF0)");
  // overlong '/'
  reject("\xC0\xAF", "0 (0xC0)");
  reject("\xE0\x80\xAF", "0 (0xE0)");
  reject("\xF0\x80\x80\xAF", "0 (0xF0)");
  // a surrogate, and beyond U+10FFFF
  reject("\xED\xA0\x80", "0 (0xED)");
  reject("\xF4\x90\x80\x80", "0 (0xF4)");
  reject("\xF5\x80\x80\x80", "0 (0xF5)");
}

BOOST_AUTO_TEST_CASE(bad_symbols) {
  BOOST_CHECK_EXCEPTION((void)Vocabulary::of_characters(""), tapestry::ArgumentError,
                        says("[Vocabulary] the text is empty"));
  BOOST_CHECK_EXCEPTION((void)Vocabulary::of_symbols({}), tapestry::ArgumentError,
                        says("[Vocabulary] there are no symbols"));
  BOOST_CHECK_EXCEPTION((void)Vocabulary::of_symbols({"a", ""}), tapestry::ArgumentError,
                        says("[Vocabulary] a symbol is empty"));
  BOOST_CHECK_EXCEPTION((void)Vocabulary::of_symbols({"an", "a", "an"}), tapestry::ArgumentError,
                        says("[Vocabulary] symbol 'an' is given twice"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(sequence_batches)

BOOST_AUTO_TEST_CASE(time_major_and_shifted_by_one) {
  // 14 tokens, two streams of two batches of three steps: 0..5 and 6..11; 12 is only a target
  SequenceBatches batches(count_to(14), {.steps = 3, .batch = 2});
  BOOST_TEST(batches.batches_per_epoch() == 2u);
  const auto [tokens, targets] = batches.next();
  BOOST_TEST(Shape(tokens.shape()).str() == "(3, 2)");
  BOOST_TEST(Shape(targets.shape()).str() == "(3, 2)");
  BOOST_TEST((tokens == Indices{{0, 6}, {1, 7}, {2, 8}}));
  BOOST_TEST((targets == Indices{{1, 7}, {2, 8}, {3, 9}}));
  const auto second = batches.next();
  BOOST_TEST((second.tokens == Indices{{3, 9}, {4, 10}, {5, 11}}));
  BOOST_TEST((second.targets == Indices{{4, 10}, {5, 11}, {6, 12}}));
}

BOOST_AUTO_TEST_CASE(streams_continue_and_cover_all) {
  const std::size_t steps = 7, streams = 5, size = 3 * steps * streams + 1;
  SequenceBatches batches(count_to(size), {.steps = steps, .batch = streams});
  BOOST_TEST(batches.batches_per_epoch() == 3u);
  std::vector<int> seen(size, 0);
  Indices previous;
  for (std::size_t k = 0; k < 3; ++k) {
    BOOST_TEST(batches.at_start() == (k == 0));
    const auto [tokens, targets] = batches.next();
    for (std::size_t b = 0; b < streams; ++b) {
      if (k > 0) BOOST_TEST(tokens(0, b) == previous(steps - 1, b));
      for (std::size_t t = 0; t < steps; ++t) {
        BOOST_TEST(targets(t, b) == tokens(t, b) + 1);
        ++seen[static_cast<std::size_t>(tokens(t, b))];
      }
    }
    previous = targets;
  }
  BOOST_TEST(batches.at_start());
  for (std::size_t i = 0; i + 1 < size; ++i) BOOST_TEST(seen[i] == 1);
}

BOOST_AUTO_TEST_CASE(starts_again) {
  SequenceBatches batches(count_to(14), {.steps = 3, .batch = 2});
  const SequenceBatch first = batches.next();
  BOOST_TEST(!batches.at_start());
  (void)batches.next();
  BOOST_TEST(batches.at_start());
  BOOST_TEST((batches.next().tokens == first.tokens));
  BOOST_TEST(!batches.at_start());
  batches.restart();
  BOOST_TEST(batches.at_start());
  BOOST_TEST((batches.next().tokens == first.tokens));
}

BOOST_AUTO_TEST_CASE(reuses_memory) {
  SequenceBatches batches(count_to(14), {.steps = 3, .batch = 2});
  SequenceBatch batch = batches.next();
  const auto* data = batch.tokens.data();
  batches.next(batch);
  BOOST_TEST(batch.tokens.data() == data);
  BOOST_TEST((batch.tokens == Indices{{3, 9}, {4, 10}, {5, 11}}));
}

BOOST_AUTO_TEST_CASE(smallest) {
  SequenceBatches batches(count_to(2), {.steps = 1, .batch = 1});
  BOOST_TEST(batches.batches_per_epoch() == 1u);
  for (int k = 0; k < 3; ++k) {
    BOOST_TEST(batches.at_start());
    const auto [tokens, targets] = batches.next();
    BOOST_TEST(tokens(0, 0) == 0);
    BOOST_TEST(targets(0, 0) == 1);
  }
}

BOOST_AUTO_TEST_CASE(defaults) {
  SequenceBatches batches(count_to(2 * 50 * 32 + 1));
  BOOST_TEST(Shape(batches.next().tokens.shape()).str() == "(50, 32)");
  BOOST_TEST(batches.batches_per_epoch() == 2u);
}

BOOST_AUTO_TEST_CASE(bad_arguments) {
  using tapestry::ArgumentError;
  BOOST_CHECK_NO_THROW(SequenceBatches(count_to(7), {.steps = 3, .batch = 2}));
  BOOST_CHECK_EXCEPTION(SequenceBatches(count_to(6), {.steps = 3, .batch = 2}), ArgumentError,
                        says("[SequenceBatches] 3 steps x batch of 2 needs at least 7 tokens, "
                             "the sequence has 6"));
  BOOST_CHECK_EXCEPTION(SequenceBatches(count_to(0), {.steps = 3, .batch = 2}), ArgumentError,
                        says("[SequenceBatches] 3 steps x batch of 2 needs at least 7 tokens, "
                             "the sequence has 0"));
  BOOST_CHECK_EXCEPTION(SequenceBatches(count_to(6), {.steps = 0}), ArgumentError,
                        says("[SequenceBatches] steps must be at least 1, got 0"));
  BOOST_CHECK_EXCEPTION(SequenceBatches(count_to(6), {.batch = 0}), ArgumentError,
                        says("[SequenceBatches] batch must be at least 1, got 0"));
  constexpr auto huge = std::numeric_limits<std::size_t>::max();
  BOOST_CHECK_THROW(SequenceBatches(count_to(6), {.steps = huge, .batch = 1}), ArgumentError);
  BOOST_CHECK_THROW(SequenceBatches(count_to(6), {.steps = huge / 2 + 1, .batch = 2}),
                    ArgumentError);
  BOOST_CHECK_EXCEPTION(
      SequenceBatches(Indices{{1, 2}, {3, 4}}, {.steps = 1, .batch = 1}), tapestry::ShapeError,
      says("[SequenceBatches] the sequence must have one axis, its shape is (2, 2)"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(mixed_radix)

BOOST_AUTO_TEST_CASE(each_token_is_one_list_and_in_order) {
  const MixedRadix notes({3, 1, 4, 2});
  BOOST_TEST(notes.tokens() == 24);
  std::int64_t token = 0;
  for (std::int64_t a = 0; a < 3; ++a)
    for (std::int64_t c = 0; c < 4; ++c)
      for (std::int64_t d = 0; d < 2; ++d, ++token) {
        BOOST_TEST(notes.encode({a, 0, c, d}) == token);
        BOOST_TEST((notes.decode(token) == std::vector<std::int64_t>{a, 0, c, d}));
      }
}

BOOST_AUTO_TEST_CASE(arrays_have_one_axis_more) {
  const MixedRadix notes({5, 7});
  const Indices digits{{{0, 0}, {4, 6}, {1, 2}}, {{2, 0}, {0, 6}, {3, 3}}};
  const Indices tokens{{0, 34, 9}, {14, 6, 24}};
  BOOST_TEST((notes.encode(digits) == tokens));
  BOOST_TEST((notes.decode(tokens) == digits));
  const Indices none = Indices::from_shape({0, 2});
  BOOST_TEST(Shape(notes.encode(none).shape()).str() == "(0,)");
  BOOST_TEST(Shape(notes.decode(Indices::from_shape({3, 0})).shape()).str() == "(3, 0, 2)");
}

BOOST_AUTO_TEST_CASE(as_many_tokens_as_fit) {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const MixedRadix wide({most});
  BOOST_TEST(wide.encode({most - 1}) == most - 1);
  BOOST_TEST((wide.decode(most - 1) == std::vector<std::int64_t>{most - 1}));
  BOOST_CHECK_EXCEPTION(
      MixedRadix({most, 2}), tapestry::ArgumentError,
      says("[MixedRadix] the product of the sizes is more than 64 bits can hold"));
}

BOOST_AUTO_TEST_CASE(what_is_not_a_note) {
  BOOST_CHECK_EXCEPTION(MixedRadix({}), tapestry::ArgumentError,
                        says("[MixedRadix] there are no sizes"));
  BOOST_CHECK_EXCEPTION(MixedRadix({4, 0}), tapestry::ArgumentError,
                        says("[MixedRadix] sizes must be at least 1, got 0"));
  const MixedRadix notes({5, 7});
  BOOST_CHECK_EXCEPTION((void)notes.encode({1}), tapestry::ShapeError,
                        says("[MixedRadix] expects 2 integers, got 1"));
  BOOST_CHECK_EXCEPTION((void)notes.encode({4, 7}), tapestry::IndexError,
                        says("[MixedRadix] integer 1 is 7, outside [0, 7)"));
  BOOST_CHECK_EXCEPTION((void)notes.encode({-1, 0}), tapestry::IndexError,
                        says("[MixedRadix] integer 0 is -1, outside [0, 5)"));
  BOOST_CHECK_EXCEPTION((void)notes.decode(35), tapestry::IndexError,
                        says("[MixedRadix] token 35 is outside [0, 35)"));
  BOOST_CHECK_EXCEPTION((void)notes.decode(-1), tapestry::IndexError,
                        says("[MixedRadix] token -1 is outside [0, 35)"));
  const Indices wrong = Indices::from_shape({2, 3});
  BOOST_CHECK_EXCEPTION(
      (void)notes.encode(wrong), tapestry::ShapeError,
      says("[MixedRadix] the last axis must have 2 integers, the shape is (2, 3)"));
}

BOOST_AUTO_TEST_SUITE_END()
