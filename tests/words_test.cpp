// SPDX-License-Identifier: MIT
// Texts as words, what a vocabulary takes of a text, and vocabularies as JSON.
#define BOOST_TEST_MODULE words
#include <sys/resource.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "errors.hpp"
#include "random_text.hpp"
#include "tapestry/data/vocabulary.hpp"

using tapestry::ArgumentError;
using tapestry::Generator;
using tapestry::IndexError;
using tapestry::data::split;
using tapestry::data::Unit;
using tapestry::data::Vocabulary;
using tapestry::data::VocabularyBuilder;
using tapestry::data::VocabularyOptions;
using tapestry::test::random_text;
using tapestry::test::says;

namespace {

using Pieces = std::vector<std::string>;

constexpr std::array<Unit, 2> units = {Unit::character, Unit::word};

Vocabulary vocabulary_of(const std::string& text, Unit unit,
                         const VocabularyOptions& options = {}) {
  return unit == Unit::word ? Vocabulary::of_words(text, options)
                            : Vocabulary::of_characters(text, options);
}

void expect_words(const std::string& text, const Pieces& expected) {
  BOOST_TEST(split(text, Unit::word) == expected, boost::test_tools::per_element());
}

}  // namespace

BOOST_AUTO_TEST_CASE(words_are_split) {
  expect_words("", {});
  expect_words("To be, or not", {"To", " be", ",", " or", " not"});
  expect_words("It's o' the 'old' dogs'",
               {"It's", " o", "'", " the", " '", "old", "'", " dogs", "'"});
  expect_words("don’t ‘x’ 3rd 2026", {"don’t", " ‘", "x", "’", " 3rd", " 2026"});
  expect_words("süßer наука’, naïve—yes", {"süßer", " наука", "’", ",", " naïve", "—", "yes"});
  expect_words("x -- y... (z)", {"x", " -", "-", " y", ".", ".", ".", " (", "z", ")"});
  expect_words("学而 時🎈", {"学", "而", " 時", "🎈"});
  expect_words("ROMEO:\n  Ay me!\n", {"ROMEO", ":", "\n", " ", " Ay", " me", "!", "\n"});
  expect_words("a\r\nb \n\n\tc\t d  ",
               {"a", "\r\n", "b", " ", "\n", "\n", "\t", "c", "\t", " d", "  "});
  expect_words("2×3÷4 ª¿x", {"2", "×", "3", "÷", "4", " ª", "¿", "x"});
  expect_words("\ra_b", {"\r", "a", "_", "b"});
}

BOOST_AUTO_TEST_CASE(characters_are_split) {
  BOOST_TEST(split("aé学🎈\n", Unit::character) == (Pieces{"a", "é", "学", "🎈", "\n"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(long_words_and_spaces_are_cut) {
  const auto sizes = [](const std::string& text) {
    std::vector<std::size_t> all;
    for (const std::string& piece : split(text, Unit::word)) all.push_back(piece.size());
    return all;
  };
  using Sizes = std::vector<std::size_t>;
  BOOST_TEST(sizes(std::string(300, 'a')) == (Sizes{128, 128, 44}));
  BOOST_TEST(sizes(" " + std::string(128, 'a')) == (Sizes{129}));
  BOOST_TEST(sizes(std::string(300, ' ') + "a") == (Sizes{128, 128, 43, 2}));
  BOOST_TEST(sizes(std::string(129, ' ') + "a") == (Sizes{128, 2}));
  std::string umlauts = "x";  // a cut is between characters
  for (int i = 0; i < 100; ++i) umlauts += "ü";
  BOOST_TEST(sizes(umlauts) == (Sizes{127, 74}));
  const std::string joined = std::string(127, 'a') + "'b";  // nor does it divide an apostrophe
  BOOST_TEST(sizes(joined) == (Sizes{127, 1, 1}));
}

BOOST_AUTO_TEST_CASE(pieces_join_to_the_text) {
  Generator generator(1);
  for (int trial = 0; trial < 300; ++trial) {
    const std::string text = random_text(generator, 1 + generator.below(400));
    for (const Unit unit : units) {
      const Pieces pieces = split(text, unit);
      BOOST_TEST((std::accumulate(pieces.begin(), pieces.end(), std::string()) == text));
      const Vocabulary vocabulary = vocabulary_of(text, unit);
      const auto tokens = vocabulary.encode(text);
      BOOST_TEST(tokens.size() == pieces.size());
      BOOST_TEST((vocabulary.decode(tokens) == text));
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        BOOST_TEST(vocabulary.symbol(tokens(i)) == pieces[i]);
        BOOST_TEST(split(pieces[i], unit).size() == 1u, "'" << pieces[i] << "' falls apart");
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_text_may_come_in_any_parts) {
  Generator generator(2);
  for (int trial = 0; trial < 200; ++trial) {
    const std::string text = random_text(generator, 1 + generator.below(400));
    const std::size_t longest = trial % 3 == 0 ? 1 : trial % 3 == 1 ? 7 : 200;
    for (const Unit unit : units) {
      VocabularyBuilder builder(unit);
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = generator.below(longest + 1);
        builder.add(std::string_view(text).substr(at, size));
        at += size;
      }
      const VocabularyOptions options{.min_count = 2, .max_size = 20, .unknown = "<unk>"};
      BOOST_TEST((builder.build(options) == vocabulary_of(text, unit, options)));
      builder.add(text);  // it goes on
      BOOST_TEST((builder.build() == vocabulary_of(text + text, unit)));
    }
  }
}

BOOST_AUTO_TEST_CASE(long_words_may_come_in_any_parts) {
  for (std::size_t size = 110; size < 135; ++size)
    for (const std::string& start : {std::string(size, 'a'), " " + std::string(size, 'a'),
                                     std::string(size, ' '), std::string(size, '\t')})
      for (const std::string end : {"'b'", "\u2019\U00010400\u00e9", "\u5b66", "\r\n", " b", "."}) {
        const std::string text = start + end + "c, d";
        VocabularyBuilder builder(Unit::word);
        for (const char c : text + text) builder.add({&c, 1});
        BOOST_TEST((builder.build() == Vocabulary::of_words(text + text)));
      }
}

BOOST_AUTO_TEST_CASE(a_refused_part_is_not_counted) {
  VocabularyBuilder builder(Unit::character);
  builder.add("ab\xC3");
  BOOST_CHECK_EXCEPTION((void)builder.build(), ArgumentError,
                        says("[Vocabulary] the text is not valid UTF-8 at byte 2 (0xC3)"));
  BOOST_CHECK_EXCEPTION(builder.add("xyz"), ArgumentError,
                        says("[Vocabulary] the text is not valid UTF-8 at byte 2 (0xC3)"));
  BOOST_CHECK_EXCEPTION(builder.add("\xA9z\xFF"), ArgumentError,
                        says("[Vocabulary] the text is not valid UTF-8 at byte 5 (0xFF)"));
  builder.add("\xA9");
  BOOST_TEST(builder.build().symbols() == (Pieces{"a", "b", "é"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(frequent_words_come_first) {
  const std::string text = "b a b c a d e e e";
  const auto all = Vocabulary::of_words(text);
  BOOST_TEST(all.symbols() == (Pieces{" e", " a", " b", " c", " d", "b"}),
             boost::test_tools::per_element());
  BOOST_TEST((all.unit() == Unit::word));
  BOOST_TEST(!all.unknown().has_value());
  const auto few = Vocabulary::of_words(
      text, {.max_size = 5, .unknown = " <unk>", .special = {"<start>", "<end>"}});
  BOOST_TEST(few.symbols() == (Pieces{"<start>", "<end>", " <unk>", " e", " a"}),
             boost::test_tools::per_element());
  BOOST_TEST(few.unknown().value() == 2);
  BOOST_TEST(few.special_count() == 2u);
  BOOST_TEST((few.encode(" e what") == tapestry::Indices{3, 2}));
  BOOST_TEST(few.decode(few.encode(" e what a")) == " e <unk> a");
  const auto common = Vocabulary::of_words(text, {.min_count = 3});
  BOOST_TEST(common.symbols() == (Pieces{" e"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(frequent_characters_in_their_order) {
  const auto few = Vocabulary::of_characters("zzzaéébcc", {.max_size = 4, .unknown = "?"});
  BOOST_TEST(few.symbols() == (Pieces{"?", "c", "z", "é"}), boost::test_tools::per_element());
  BOOST_TEST((few.encode("zqé?") == tapestry::Indices{2, 0, 3, 0}));
  const auto counted = Vocabulary::of_characters("zzzaéébcc", {.min_count = 2});
  BOOST_TEST(counted.symbols() == (Pieces{"c", "z", "é"}), boost::test_tools::per_element());
  // an unknown symbol that is in the text too is there once
  const auto own = Vocabulary::of_characters("a?b", {.unknown = "?"});
  BOOST_TEST(own.symbols() == (Pieces{"?", "a", "b"}), boost::test_tools::per_element());
  BOOST_TEST(own.decode(own.encode("b?a!")) == "b?a?");
}

BOOST_AUTO_TEST_CASE(special_symbols_are_not_found_in_a_text) {
  const auto vocabulary = Vocabulary::of_characters("ab<s>", {.special = {"<s>", "x"}});
  BOOST_TEST((vocabulary.encode("<s>") == tapestry::Indices{2, 6, 3}));
  BOOST_CHECK_EXCEPTION((void)vocabulary.encode("ax"), IndexError,
                        says("[Vocabulary] no symbol for 'x' at character 1 (byte 1) of the text"));
  BOOST_TEST(vocabulary.token("x") == 1);
}

BOOST_AUTO_TEST_CASE(unknown_words) {
  const auto vocabulary = Vocabulary::of_words("the über cat\n");
  BOOST_CHECK_EXCEPTION(
      (void)vocabulary.encode("the über dog"), IndexError,
      says("[Vocabulary] no symbol for ' dog' at character 8 (byte 9) of the text"));
  BOOST_CHECK_EXCEPTION(
      (void)vocabulary.encode("the\r\n"), IndexError,
      says("[Vocabulary] no symbol for U+000D U+000A at character 3 (byte 3) of the text"));
  BOOST_CHECK_EXCEPTION((void)vocabulary.encode("the\xFF"), ArgumentError,
                        says("[Vocabulary] the text is not valid UTF-8 at byte 3 (0xFF)"));
  BOOST_CHECK_EXCEPTION((void)split("a  \xC3", Unit::word), ArgumentError,
                        says("[split] the text is not valid UTF-8 at byte 3 (0xC3)"));
}

BOOST_AUTO_TEST_CASE(options_that_make_no_sense) {
  const auto refuse = [](const VocabularyOptions& options, const std::string& text) {
    BOOST_CHECK_EXCEPTION((void)Vocabulary::of_words("a b", options), ArgumentError,
                          says("[Vocabulary] " + text));
  };
  refuse({.min_count = 0}, "min_count must be at least 1, got 0");
  refuse({.min_count = 2}, "no word is there 2 times");
  refuse({.max_size = 2, .unknown = "?", .special = {"<"}},
         "max_size 2 leaves no room beside the 2 special symbols");
  refuse({.special = {" b"}}, "the special symbol ' b' is a word of the text");
  refuse({.special = {"x", "x"}}, "symbol 'x' is given twice");
  refuse({.unknown = "x", .special = {"x"}}, "symbol 'x' is given twice");
  refuse({.special = {""}}, "a symbol is empty");
  refuse({.unknown = "\xFF"}, "the text is not valid UTF-8 at byte 0 (0xFF)");
  BOOST_CHECK_EXCEPTION((void)Vocabulary::of_words(""), ArgumentError,
                        says("[Vocabulary] the text is empty"));
  BOOST_CHECK_EXCEPTION((void)VocabularyBuilder(Unit::character).build(), ArgumentError,
                        says("[Vocabulary] the text is empty"));
}

BOOST_AUTO_TEST_CASE(json_and_back) {
  Generator generator(3);
  for (int trial = 0; trial < 50; ++trial) {
    const std::string text = random_text(generator, 200);
    for (const Unit unit : units) {
      for (const auto& options : {VocabularyOptions{}, VocabularyOptions{.min_count = 2,
                                                       .unknown = "<\"\\\n>",
                                                       .special = {"<start>", "<end>"}}}) {
        const Vocabulary vocabulary = vocabulary_of(text, unit, options);
        const std::string json = vocabulary.to_json();
        BOOST_TEST(json.find('\n') == std::string::npos);
        const Vocabulary back = Vocabulary::from_json(json);
        BOOST_TEST((back == vocabulary));
        BOOST_TEST((back.unit() == unit));
        BOOST_TEST((back.encode(text) == vocabulary.encode(text)));
      }
    }
  }
  const auto list = Vocabulary::of_symbols({"BOS", "a", "ab"});
  BOOST_TEST((Vocabulary::from_json(list.to_json()) == list));
  BOOST_TEST((Vocabulary::from_json(list.to_json()).encode("aabBOS") == list.encode("aabBOS")));
  BOOST_TEST((list != Vocabulary::of_symbols({"BOS", "ab", "a"})));
  BOOST_TEST(Vocabulary::of_characters("ba").to_json() ==
             R"({"special":0,"symbols":["a","b"],"unit":"character","unknown":null})");
}

BOOST_AUTO_TEST_CASE(json_of_something_else) {
  const auto refuse = [](const std::string& json, const std::string& reason) {
    BOOST_CHECK_EXCEPTION((void)Vocabulary::from_json(json), ArgumentError,
                          says("[Vocabulary] " + reason));
  };
  const std::string other = "the JSON is not that of a vocabulary: ";
  refuse("", other + "it is not valid at byte 1");
  refuse("{\"unit\":\"\xFF\"}", other + "it is not valid at byte 10");
  refuse("[1e999]", other + "it has a number that is too large");
  refuse(std::string(100'000, '[') + std::string(100'000, ']'), other + "it is not an object");
  refuse("[]", other + "it is not an object");
  refuse("{}", other + "it has no 'unit'");
  const std::string kinds = other + "its 'unit' is none of 'character', 'word', 'symbol'";
  refuse(R"({"unit":"byte"})", kinds);
  refuse(R"({"unit":1})", kinds);
  refuse(R"({"unit":"word"})", other + "it has no 'symbols'");
  refuse(R"({"unit":"word","symbols":"a"})", other + "its 'symbols' are not a list");
  refuse(R"({"unit":"word","symbols":["a",1]})", other + "one of its 'symbols' is not a text");
  refuse(R"({"unit":"word","symbols":[]})", other + "it has no symbols");
  const auto with = [](const std::string& unit, const std::string& symbols,
                       const std::string& special, const std::string& unknown) {
    return R"({"unit":")" + unit + R"(","symbols":)" + symbols + R"(,"special":)" + special +
           R"(,"unknown":)" + unknown + "}";
  };
  refuse(with("word", R"(["a"])", "2", "null"),
         other + "its 'special' is not a number from 0 to 1");
  refuse(with("word", R"(["a"])", "-1", "null"),
         other + "its 'special' is not a number from 0 to 1");
  refuse(with("word", R"(["a"])", "0", "0.5"), other + "its 'unknown' is not a number from 0 to 0");
  refuse(with("word", R"(["a"])", "0", "1"), other + "its 'unknown' is not a number from 0 to 0");
  refuse(with("word", R"(["a"])", "1", "0"), other + "its 'unknown' is a special symbol");
  refuse(with("symbol", R"(["a"])", "1", "null"), other + "a list of symbols has no special ones");
  refuse(with("word", R"(["a b"])", "0", "null"), "symbol 'a b' is not one word");
  refuse(with("character", R"(["ab"])", "0", "null"), "symbol 'ab' is not one character");
  refuse(with("character", R"(["a",""])", "0", "null"), "a symbol is empty");
  refuse(with("character", R"(["a","a"])", "0", "null"), "symbol 'a' is given twice");
  BOOST_CHECK_NO_THROW((void)Vocabulary::from_json(with("word", R"(["a b","c d"])", "1", "1")));
  refuse(R"({"unit":"word","unit":"word"})", other + "it has its 'unit' twice");
  refuse(with("word", R"([["a"]])", "0", "null"), other + "one of its 'symbols' is not a text");
  refuse(with("word", R"({"a":"b"})", "0", "null"), other + "its 'symbols' are not a list");
  BOOST_CHECK_NO_THROW((void)Vocabulary::from_json(
      R"({"later":[{"unit":3},[]],"unit":"word","special":0,"symbols":["a"],"unknown":null})"));
}

// As a tree, each bracket would be 70 bytes.
BOOST_AUTO_TEST_CASE(json_within_json_takes_no_more_memory_than_its_text) {
  const auto peak = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
  };
  for (const std::string begin : {"", R"({"symbols":)", R"({"later":)"}) {
    const std::string json = begin + std::string(20'000'000, '[');
    const auto before = peak();
    BOOST_CHECK_THROW((void)Vocabulary::from_json(json), ArgumentError);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    BOOST_TEST(peak() - before < 100);
#else
    (void)before;
#endif
  }
}

BOOST_AUTO_TEST_CASE(damaged_json) {
  const std::string json =
      Vocabulary::of_words("a b a \u00e9", {.unknown = "?", .special = {"<"}}).to_json();
  Generator generator(4);
  int refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string other = json;
    for (std::uint64_t n = 1 + generator.below(3); n > 0; --n) {
      const std::size_t at = generator.below(other.size());
      if (generator.below(2) == 0)
        other[at] = static_cast<char>(generator.below(256));
      else
        other.erase(at, 1 + generator.below(4));
    }
    try {
      const Vocabulary read = Vocabulary::from_json(other);
      BOOST_TEST((Vocabulary::from_json(read.to_json()) == read));
    } catch (const ArgumentError&) {
      ++refused;
    }
  }
  BOOST_TEST(refused > 1000);
}
