// SPDX-License-Identifier: MIT
// Text files as tokens: what is read is what encode gives, whatever the size, and bad files are
// refused in one line.
#define BOOST_TEST_MODULE text_tokens
#include "tapestry/data/text_file.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "errors.hpp"
#include "files.hpp"
#include "random_text.hpp"
#include "tapestry/data/sequence_batches.hpp"

using tapestry::ArgumentError;
using tapestry::FileError;
using tapestry::Generator;
using tapestry::IndexError;
using tapestry::Indices;
using tapestry::data::fingerprint;
using tapestry::data::SequenceBatches;
using tapestry::data::TextTokens;
using tapestry::data::TokenArray;
using tapestry::data::TokenRange;
using tapestry::data::Unit;
using tapestry::data::Vocabulary;
using tapestry::data::vocabulary_of_file;
using tapestry::test::random_text;
using tapestry::test::says;
using tapestry::test::TemporaryFolder;
using tapestry::test::write_bytes;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_instrumented = true;
#else
constexpr bool is_instrumented = false;
#endif

namespace {

/// The most memory that the process has had, in MB.
double peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:" && status >> word) return std::stod(word) / 1024;
  throw std::runtime_error("no VmHWM in /proc/self/status");
}

std::vector<std::int64_t> tokens_of(const tapestry::data::TokenSource& source, std::size_t first,
                                    std::size_t count) {
  std::vector<std::int64_t> tokens(count);
  source.read(first, tokens);
  return tokens;
}

/// Checks random parts, the whole and the ends of a file's tokens.
void expect_tokens(const TextTokens& file, const Indices& all, Generator& generator) {
  BOOST_TEST(file.size() == all.size());
  const auto expect = [&](std::size_t first, std::size_t count) {
    const auto tokens = tokens_of(file, first, count);
    BOOST_TEST(std::equal(tokens.begin(), tokens.end(), all.data() + first),
               count << " tokens from " << first);
  };
  expect(0, all.size());
  expect(all.size(), 0);
  expect(all.size() - 1, 1);
  for (int i = 0; i < 200; ++i) {
    const std::size_t first = generator.below(all.size());
    expect(first, generator.below(std::min<std::size_t>(all.size() - first, 700) + 1));
  }
}

}  // namespace

// First, while the process is small. So many tokens that not each sixteenth has its place noted.
BOOST_AUTO_TEST_CASE(memory_is_bounded) {
  const TemporaryFolder folder;
  const std::string path = folder / "big";
  constexpr int lines = 500'000;
  const auto line = [](int i) {
    return "line " + std::to_string(i % 1000) +
           " of a text with some w\u00f6rds, and the same letters again and again\n";
  };
  {
    std::ofstream file(path, std::ios::binary);
    for (int i = 0; i < lines; ++i) file << line(i);
  }
  const double before = peak_memory();
  for (const Unit unit : {Unit::character, Unit::word}) {
    const auto tokens = std::make_shared<TextTokens>(path, vocabulary_of_file(path, unit));
    SequenceBatches batches(tokens, {.steps = 100, .batch = 20});
    for (int i = 0; i < 20; ++i) (void)batches.next();
    std::size_t first = 0;
    std::map<std::size_t, std::size_t> counts;  // tokens of a line of so many bytes
    for (int i = 0; i < lines; ++i) {
      const std::string text = line(i);
      if (counts[text.size()] == 0) counts[text.size()] = tokens->vocabulary().encode(text).size();
      const std::size_t count = counts[text.size()];
      if (i % 997 == 0)
        BOOST_TEST(tokens->vocabulary().decode(tokens_of(*tokens, first, count)) == text);
      first += count;
    }
    BOOST_TEST(tokens->size() == first);
  }
  BOOST_TEST_MESSAGE("before " << before << " MB, at most " << peak_memory() << " MB");
  if (!is_instrumented) BOOST_TEST(peak_memory() < before + 16);
}

BOOST_AUTO_TEST_CASE(tokens_are_those_of_encode) {
  const TemporaryFolder folder;
  Generator generator(1);
  const std::string path = folder / "text";
  for (const std::size_t characters : {1u, 2u, 100u, 1000u, 120'000u}) {  // up to several parts
    const std::string text = random_text(generator, characters);
    write_bytes(path, text);
    const std::string trained = random_text(generator, 30);
    for (const auto& vocabulary :
         {vocabulary_of_file(path, Unit::character), vocabulary_of_file(path, Unit::word),
          Vocabulary::of_words(trained, {.unknown = "<unk>", .special = {"<s>"}}),
          Vocabulary::of_characters(trained, {.unknown = "<unk>"})}) {
      const TextTokens file(path, vocabulary);
      expect_tokens(file, vocabulary.encode(text), generator);
      BOOST_TEST(file.bytes() == text.size());
      BOOST_TEST(file.fingerprint() == fingerprint(text));
      BOOST_TEST((file.vocabulary() == vocabulary));
    }
    BOOST_TEST((vocabulary_of_file(path, Unit::character) == Vocabulary::of_characters(text)));
    BOOST_TEST((vocabulary_of_file(path, Unit::word) == Vocabulary::of_words(text)));
  }
}

BOOST_AUTO_TEST_CASE(tokens_of_a_list_of_symbols) {
  const TemporaryFolder folder;
  Generator generator(2);
  const std::string longest(20'000, 'x');  // longer than what is read at once
  const auto vocabulary = Vocabulary::of_symbols({"a", "ab", "é", "x", longest});
  std::string text;
  for (int i = 0; i < 300; ++i) text += vocabulary.symbols()[generator.below(5)];
  write_bytes(folder / "text", text);
  expect_tokens(TextTokens(folder / "text", vocabulary), vocabulary.encode(text), generator);
}

BOOST_AUTO_TEST_CASE(fingerprints) {
  // by a few lines of Python: FNV-1a of the bytes and of their number in eight
  BOOST_TEST(fingerprint("") == 0xA8C7F832281A39C5u);
  BOOST_TEST(fingerprint("a") == 0xDEDF9F982E43402Du);
  BOOST_TEST(fingerprint("w\u00f6rd") == 0x9E530758F47C7A58u);
  BOOST_TEST(fingerprint("ab") != fingerprint("ba"));
  BOOST_TEST(fingerprint(std::string(1, '\0')) != fingerprint(std::string(2, '\0')));
}

BOOST_AUTO_TEST_CASE(batches_are_the_same_bit_by_bit) {
  const TemporaryFolder folder;
  Generator generator(3);
  const std::string text = random_text(generator, 20'000);
  write_bytes(folder / "text", text);
  const auto vocabulary = Vocabulary::of_characters(text);
  const auto file = std::make_shared<const TextTokens>(folder / "text", vocabulary);
  for (const auto& [steps, batch] : {std::pair{7u, 5u}, std::pair{50u, 32u}, std::pair{999u, 1u}}) {
    SequenceBatches in_memory(vocabulary.encode(text), {.steps = steps, .batch = batch});
    SequenceBatches streamed(file, {.steps = steps, .batch = batch});
    BOOST_TEST(streamed.batches_per_epoch() == in_memory.batches_per_epoch());
    for (std::size_t i = 0; i < in_memory.batches_per_epoch() + 2; ++i) {
      const auto a = in_memory.next(), b = streamed.next();
      BOOST_TEST((a.tokens == b.tokens && a.targets == b.targets));
    }
  }
  const auto part = std::make_shared<TokenRange>(file, 10, 91);
  SequenceBatches last(part, {.steps = 9, .batch = 10});
  BOOST_TEST(last.next().tokens(0, 1) == vocabulary.encode(text)(19));
  BOOST_CHECK_EXCEPTION(
      SequenceBatches(part, {.steps = 13, .batch = 7}), ArgumentError,
      says(
          "[SequenceBatches] 13 steps x batch of 7 needs at least 92 tokens, the sequence has 91"));
}

BOOST_AUTO_TEST_CASE(threads_read_the_same) {
  const TemporaryFolder folder;
  Generator generator(4);
  const std::string text = random_text(generator, 50'000);
  write_bytes(folder / "text", text);
  const TextTokens file(folder / "text", Vocabulary::of_words(text));
  const Indices all = file.vocabulary().encode(text);
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (std::size_t k = 0; k < wrong.size(); ++k)
    threads.emplace_back([&, k] {
      for (std::size_t first = k; first + 100 < all.size(); first += 397) {
        const auto tokens = tokens_of(file, first, 100);
        wrong[k] += std::equal(tokens.begin(), tokens.end(), all.data() + first) ? 0 : 1;
      }
    });
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(wrong == std::vector<int>(4));
}

BOOST_AUTO_TEST_CASE(sources_in_memory) {
  const auto array = std::make_shared<TokenArray>(Indices{5, 6, 7, 8});
  const TokenRange middle(array, 1, 2);
  BOOST_TEST(array->size() == 4u);
  BOOST_TEST(middle.size() == 2u);
  BOOST_TEST(tokens_of(*array, 1, 3) == (std::vector<std::int64_t>{6, 7, 8}));
  BOOST_TEST(tokens_of(middle, 0, 2) == (std::vector<std::int64_t>{6, 7}));
  BOOST_TEST(tokens_of(middle, 2, 0).empty());
  const std::string text = " are asked for, there are ";
  BOOST_CHECK_EXCEPTION(tokens_of(*array, 2, 3), IndexError,
                        says("[TokenSource] 3 tokens from number 2 on" + text + "4"));
  BOOST_CHECK_EXCEPTION(tokens_of(middle, 1, 2), IndexError,
                        says("[TokenSource] 2 tokens from number 1 on" + text + "2"));
  BOOST_CHECK_EXCEPTION(TokenRange(array, 3, 2), IndexError,
                        says("[TokenRange] 2 tokens from number 3 on" + text + "4"));
  BOOST_CHECK_THROW(TokenRange(array, 1, ~std::size_t{0}), IndexError);
  BOOST_CHECK_THROW(TokenRange(array, ~std::size_t{0}, 1), IndexError);
  BOOST_CHECK_EXCEPTION(TokenRange(nullptr, 0, 0), ArgumentError,
                        says("[TokenRange] there is no source"));
  BOOST_CHECK_EXCEPTION(SequenceBatches(std::shared_ptr<const TokenArray>()), ArgumentError,
                        says("[SequenceBatches] there is no source"));
  BOOST_CHECK_EXCEPTION(TokenArray(Indices{{1, 2}}), tapestry::ShapeError,
                        says("[TokenArray] tokens must have one axis, their shape is (1, 2)"));
}

BOOST_AUTO_TEST_CASE(bad_files) {
  const TemporaryFolder folder;
  const auto vocabulary = Vocabulary::of_characters("abc");
  const auto refuse = [&](const std::string& path, const std::string& reason) {
    BOOST_CHECK_EXCEPTION(TextTokens(path, vocabulary), FileError,
                          says("[TextTokens] " + path + ": " + reason));
    BOOST_CHECK_EXCEPTION((void)vocabulary_of_file(path, Unit::word), FileError,
                          says("[vocabulary_of_file] " + path + ": " + reason));
  };
  const auto refuse_bytes = [&](const std::string& bytes, const std::string& reason) {
    write_bytes(folder / "bad", bytes);
    refuse(folder / "bad", reason);
  };
  refuse(folder / "none", "cannot open it: No such file or directory");
  refuse(folder.path(), "it is a folder");
  refuse("/dev/null", "it is not a regular file");
  BOOST_REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  refuse(folder / "pipe", "it is not a regular file");
  refuse_bytes("", "it is empty");
  refuse_bytes(std::string("abcabcabcabcabcab\0\xFF", 19),
               "it is not text: a zero byte at byte 17");
  refuse_bytes("ab\xFF" + std::string(1, '\0'), "it is not valid UTF-8 at byte 2 (0xFF)");
  refuse_bytes("ab\xE2\x82", "it is not valid UTF-8 at byte 2 (0xE2)");
  // across the border of two parts of 64 KiB
  const std::string before(65535, 'a');
  refuse_bytes(before + "\xE2\x82z", "it is not valid UTF-8 at byte 65535 (0xE2)");
  refuse_bytes(before + "\xE2" + std::string(1, '\0'), "it is not text: a zero byte at byte 65536");
  refuse_bytes(before + "ab\x80", "it is not valid UTF-8 at byte 65537 (0x80)");
}

// Some editors write one at the start. As a symbol it would be in no other text.
BOOST_AUTO_TEST_CASE(a_byte_order_mark_at_the_start_is_no_symbol) {
  const TemporaryFolder folder;
  const std::string path = folder / "text", mark = "\xEF\xBB\xBF";
  const std::string text = "the cat " + mark + "\n" + std::string(70'000, 'a');
  for (const Unit unit : {Unit::character, Unit::word}) {
    write_bytes(path, mark + text);
    const Vocabulary vocabulary = vocabulary_of_file(path, unit);
    const auto of_text = unit == Unit::word ? Vocabulary::of_words : Vocabulary::of_characters;
    BOOST_TEST((vocabulary == of_text(text, {})));
    BOOST_TEST((vocabulary == of_text(mark + text, {})));
    const std::string within = unit == Unit::word ? " " + mark : mark;
    BOOST_TEST(vocabulary.contains(within));
    const TextTokens tokens(path, vocabulary);
    BOOST_TEST(tokens.size() == vocabulary.encode(mark + text).size());
  }
  const std::string plain = "the cat\n";
  write_bytes(path, mark + plain);
  const Vocabulary vocabulary = vocabulary_of_file(path, Unit::character);
  BOOST_TEST((vocabulary == Vocabulary::of_characters(plain)));
  const TextTokens tokens(path, vocabulary);
  const Indices all = vocabulary.encode(plain);
  BOOST_TEST((vocabulary.encode(mark + plain) == all));
  BOOST_TEST(tokens.bytes() == plain.size() + 3);
  Generator generator(2);
  expect_tokens(tokens, all, generator);
  write_bytes(path, mark);
  BOOST_CHECK_EXCEPTION(
      (void)vocabulary_of_file(path, Unit::character), FileError,
      says("[vocabulary_of_file] " + path + ": it is empty, but for a byte order mark"));
}

BOOST_AUTO_TEST_CASE(unknown_symbols) {
  const TemporaryFolder folder;
  const std::string path = folder / "text";
  write_bytes(path, std::string(70'000, 'a') + "éb");
  BOOST_CHECK_EXCEPTION(
      TextTokens(path, Vocabulary::of_characters("ab")), IndexError,
      says("[TextTokens] " + path + ": no symbol for 'é' (U+00E9) at byte 70000"));
  BOOST_CHECK_EXCEPTION(
      TextTokens(path, Vocabulary::of_symbols({"a", "aa"})), IndexError,
      says("[TextTokens] " + path + ": no symbol for 'é' (U+00E9) at byte 70000"));
  write_bytes(path, "the cat\n");
  BOOST_CHECK_EXCEPTION(TextTokens(path, Vocabulary::of_words("the dog")), IndexError,
                        says("[TextTokens] " + path + ": no symbol for ' cat' at byte 3"));
  const TextTokens small(path, Vocabulary::of_words("the cat\n"));
  BOOST_CHECK_EXCEPTION(tokens_of(small, 2, 2), IndexError,
                        says("[TokenSource] 2 tokens from number 2 on are asked for, there are 3"));
}

BOOST_AUTO_TEST_CASE(files_that_change) {
  const TemporaryFolder folder;
  const std::string path = folder / "text", text(5000, 'a');
  const auto changed = says("[TextTokens] " + path + ": it was written to after it was opened");
  const auto vocabulary = Vocabulary::of_characters("ab");
  const auto write_later = [&](const std::string& bytes) {
    const auto written = std::filesystem::last_write_time(path);
    write_bytes(path, bytes);
    std::filesystem::last_write_time(path, written + std::chrono::seconds(1));
  };
  for (const std::string& bytes :
       {text.substr(1), text + "a", std::string(5000, 'b'), std::string()}) {
    write_bytes(path, text);
    const auto file = std::make_shared<TextTokens>(path, vocabulary);
    SequenceBatches batches(file, {.steps = 10, .batch = 3});
    (void)batches.next();
    write_later(bytes);
    BOOST_CHECK_EXCEPTION(tokens_of(*file, 100, 20), FileError, changed);
    const auto state = batches.state();
    BOOST_CHECK_EXCEPTION((void)batches.next(), FileError, changed);
    BOOST_TEST((batches.state() == state));
  }
  // one that takes its name is another file
  write_bytes(path, text);
  const TextTokens file(path, vocabulary);
  write_bytes(folder / "other", "bbb");
  std::filesystem::rename(folder / "other", path);
  BOOST_TEST(tokens_of(file, 4990, 10) == std::vector<std::int64_t>(10, 0));
  TextTokens moved(TextTokens(path, vocabulary));
  BOOST_TEST(tokens_of(moved, 1, 2) == (std::vector<std::int64_t>{1, 1}));
}
