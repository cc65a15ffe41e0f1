// SPDX-License-Identifier: MIT
// What char_rnn reads and writes: checkpoints that claim what they do not hold, outputs that would
// be the end of an input, an output that nobody reads or that has no room.
#include <sys/resource.h>

#undef BOOST_TEST_MAIN  // which char_rnn.cpp has
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <tapestry/layers/safetensors.hpp>
#include <utility>
#include <vector>

#include "char_rnn.hpp"

namespace tp = tapestry;
namespace fs = std::filesystem;
using namespace tp::test;
using nlohmann::json;

namespace {

/// A checkpoint's file with other texts in its metadata.
std::string with_metadata(const std::string& file, const std::function<void(json&)>& change) {
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  json header = json::parse(file.substr(sizeof(length), length));
  const std::string data = file.substr(sizeof(length) + length);
  change(header["__metadata__"]);
  const std::string text = header.dump();
  length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text + data;
}

std::string shell(const std::string& text) { return "'" + text + "'"; }

/// Runs a line of bash, in which $char_rnn is the program.
Outcome bash(const std::string& line) {
  return run({"/bin/bash", "-c", std::string("char_rnn=") + TAPESTRY_CHAR_RNN + "; " + line});
}

std::string in_words(const Words& words) {
  std::string line;
  for (const std::string& word : words) line += shell(word) + " ";
  return line;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(files)

BOOST_AUTO_TEST_CASE(a_checkpoint_is_held_to_what_it_says) {
  const Place place;
  BOOST_REQUIRE(char_rnn(place.training()).code == 0);
  const std::string file = read_bytes(place.last), other = place / "other.safetensors";
  const auto refuse = [&](const std::function<void(json&)>& change, const std::string& part) {
    write_bytes(other, with_metadata(file, change));
    const Outcome outcome = char_rnn({"sample", other, "--length", "5"});
    BOOST_TEST(outcome.code == 1, part);
    BOOST_TEST(is_one_line(outcome.error), outcome.error);
    BOOST_TEST(has(outcome.error, part), outcome.error << " has no " << part);
    BOOST_TEST(outcome.peak_megabytes < 200, part);
  };
  const auto option = [&](const char* at, const json& value, const std::string& part) {
    refuse(
        [&](json& metadata) {
          json options = json::parse(metadata["options"].get<std::string>());
          options[json::json_pointer(at)] = value;
          metadata["options"] = options.dump();
        },
        part);
  };
  option("/model/hidden", 16.9, "model.hidden");
  option("/model/hidden", 1e300, "model.hidden");
  option("/model/hidden", -8, "model.hidden");
  option("/model/hidden", "8", "model.hidden");
  option("/model/hidden", 0, "model.hidden");
  option("/model/hidden", 100'000, "model.hidden");
  option("/model/layers", 1'000'000, "model.layers");
  option("/model/layers", 1, "model.layers");
  option("/model/layers", true, "model.layers");
  option("/model/embedding", 6, "model.embedding");
  option("/model/cell", "gru", "model.cell");
  option("/model/cell", "transformer", "model.cell");
  option("/model/dropout", 1.5, "model.dropout");
  option("/tokens/unit", "byte", "tokens.unit");
  option("/tokens/min_count", 0.5, "tokens.min_count");
  option("/epochs", nullptr, "epochs");
  option("/seed", 1e30, "seed");
  option("/optimizer", "magic", "optimizer");
  option("/schedule/kind", 3, "schedule.kind");
  option("/learning_rate", "fast", "learning_rate");

  const auto text = [&](const char* key, const std::string& value, const std::string& part) {
    refuse([&](json& metadata) { metadata[key] = value; }, part);
  };
  text("options", "[", "options");
  text("options", "{}", "there is no text");
  text("text", "-1", "fingerprint");
  text("vocabulary", R"({"unit":"character","special":0,"unknown":null,"symbols":["a"]})",
       "vocabulary");
  refuse([](json& metadata) { metadata.erase("vocabulary"); }, "has no 'vocabulary'");
  text("format", "\x1b[2J", "another model");
  // Brackets within brackets, of which each would be some 70 bytes.
  text("vocabulary", std::string(5'000'000, '['), "vocabulary");
  text("options", std::string(5'000'000, '['), "options");
}

BOOST_AUTO_TEST_CASE(numbers_that_overflow_are_refused) {
  const Place place;
  for (const auto& [words, part] :
       {std::pair{Words{"--steps", "0", "--epochs", "999999999999999999"}, "--epochs"},
        {Words{"--sequence", "100000000000000000", "--batch", "1000000000000000"}, "too short"},
        {Words{"--sequence", "4294967296", "--batch", "4294967296"}, "too short"},
        {Words{"--threads", "1000000"}, "threads"}}) {
    const Outcome outcome = char_rnn(place.training(words));
    BOOST_TEST(outcome.code == 1, part);
    BOOST_TEST(is_one_line(outcome.error), outcome.error);
    BOOST_TEST(has(outcome.error, part), outcome.error);
    BOOST_TEST(!fs::exists(place.run), part);
  }
}

BOOST_AUTO_TEST_CASE(outputs_that_are_inputs_or_of_another_kind_are_refused) {
  const Place place;
  BOOST_REQUIRE(char_rnn(place.training()).code == 0);
  const std::string hard = place / "hard.html", soft = place / "soft.dot",
                    page = place / "text.html", far = place / "far.dot";
  fs::create_hard_link(place.text, hard);
  fs::create_symlink(place.best, soft);
  fs::copy_file(place.text, page);
  fs::create_symlink(place / "thesis.txt", far);
  fs::create_symlink(place.best, place / "drawn.svg");
  const std::string best = read_bytes(place.best), text = read_bytes(place.text);
  const std::vector<Words> cases{
      {"graph", place.best, "--output", place.best},
      {"graph", place.best, "--output", soft},
      {"graph", place.best, "--output", far},
      {"graph", place.best, "--output", place / "drawn.dot"},
      {"graph", place.best, "--output", place / "new.safetensors"},
      {"graph", place.best, "--output", place / "new"},
      {"graph", place.best, "--output", "/dev/full"},
      {"inspect", place.best, "--text", place.text, "--output", place.text},
      {"inspect", place.best, "--text", place.text, "--output", hard},
      {"inspect", place.best, "--text", page, "--output", page},
      {"inspect", place.best, "--text", place.text, "--output", place.best},
      {"inspect", place.best, "--text", place.text, "--output", place / "page.dot"},
      {"inspect", place.best, "--text", place.text, "--output", place.path()}};
  for (const Words& words : cases) {
    const Outcome outcome = char_rnn(words);
    BOOST_TEST(outcome.code == 1, words.back());
    BOOST_TEST(is_one_line(outcome.error), outcome.error);
    BOOST_TEST(has(outcome.error, words.back().substr(0, words.back().rfind('.'))), outcome.error);
    BOOST_TEST((read_bytes(place.best) == best));
    BOOST_TEST(read_bytes(place.text) == text);
    BOOST_TEST(!fs::exists(place / "thesis.txt"));
  }
  for (const std::string& line :
       {"$char_rnn inspect " + place.best + " --text " + place.text + " >> " + place.text,
        "$char_rnn sample " + place.best + " >> " + place.best})
    BOOST_TEST(has(bash(line).error, "standard output is also what is read"), line);
  BOOST_TEST(char_rnn({"graph", place.best, "--output", place / "Good.GV"}).code == 0);
}

BOOST_AUTO_TEST_CASE(training_does_not_write_over_its_text) {
  for (const std::string name : {"metrics.csv", "loss.svg", "best.safetensors"}) {
    const Place place;
    fs::create_directory(place.run);
    const std::string text = read_bytes(place.text), inside = place.run + "/" + name;
    fs::create_hard_link(place.text, inside);
    for (const std::string& from : {inside, place.text}) {
      Words words = place.training({"--overwrite"});
      words[2] = from;
      const Outcome outcome = char_rnn(words);
      BOOST_TEST(outcome.code == 1, name);
      BOOST_TEST(has(outcome.error, "is also what is read"), outcome.error);
    }
    BOOST_TEST(read_bytes(inside) == text);
  }
}

BOOST_AUTO_TEST_CASE(training_that_nobody_listens_to_any_more_saves_and_ends) {
  const Place place;
  const std::string words = in_words(place.training({"--steps", "100000000"}));
  const Outcome outcome = bash("$char_rnn " + words + "| head -n 2; exit ${PIPESTATUS[0]}");
  BOOST_TEST(outcome.code == 1);
  BOOST_TEST(has(outcome.error, "go on with"), outcome.error);
  const std::string step = tp::read_metadata(place.last).empty() ? "" : read_bytes(place.last);
  BOOST_TEST(!step.empty());
  BOOST_TEST(fs::exists(place.best));
  BOOST_TEST(fs::exists(place.run + "/metrics.csv"));
  BOOST_TEST(char_rnn({"sample", place.best, "--length", "5"}).code == 0);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_printed_is_an_error) {
  const Place place, full;
  BOOST_REQUIRE(char_rnn(place.training()).code == 0);
  const std::string page = place / "cells.html", dot = place / "graph.dot";
  const std::vector<Words> commands{
      {"--help"},
      {"train", "--help"},
      full.training(),
      {"sample", place.best, "--length", "5"},
      {"inspect", place.best, "--text", place.text, "--unit", "3", "--output", page},
      {"graph", place.best, "--output", dot}};
  for (const Words& words : commands) {
    const Outcome outcome = bash("$char_rnn " + in_words(words) + "> /dev/full");
    BOOST_TEST(outcome.code == 1, words[0]);
    BOOST_TEST(has(outcome.error, "cannot write to the standard output"), outcome.error);
    const Outcome closed = bash("$char_rnn " + in_words(words) + ">&-");
    BOOST_TEST(closed.code == 1, words[0]);
  }
  // All the same, the work was done.
  for (const std::string& path : {full.last, full.best, page, dot}) BOOST_TEST(fs::exists(path));
  BOOST_TEST(char_rnn({"sample", full.best, "--length", "5"}).code == 0);

  // A reader that has seen enough is no fault to speak of.
  for (const std::string length : {"100000", "0"}) {
    const Outcome outcome = bash("$char_rnn sample " + place.best + " --length " + length +
                                 " | head -c 100; exit ${PIPESTATUS[0]}");
    BOOST_TEST(outcome.code == 1);
    BOOST_TEST(outcome.output.size() == 100u);
    BOOST_TEST(outcome.error.empty(), outcome.error);
  }
  // Files that may not grow are like a full disk.
  const Place limited;
  const Outcome outcome = bash("ulimit -f 1; $char_rnn " + in_words(limited.training()));
  BOOST_TEST(outcome.code == 1);
  BOOST_TEST(has(outcome.error, "File too large"), outcome.error);
}

BOOST_AUTO_TEST_CASE(a_byte_order_mark_is_no_character) {
  const Place place, marked;
  write_bytes(marked.text, "\xEF\xBB\xBF" + read_bytes(place.text));
  BOOST_TEST(char_rnn(place.training()).code == 0);
  const Outcome outcome = char_rnn(marked.training());
  BOOST_TEST(outcome.code == 0, outcome.error);
  const std::string key = "vocabulary";
  BOOST_TEST(tp::read_metadata(place.last).at(key) == tp::read_metadata(marked.last).at(key));
  BOOST_TEST(
      char_rnn({"inspect", marked.best, "--text", marked.text, "--output", marked / "cells.html"})
          .code == 0);
  BOOST_TEST(char_rnn({"train", "--resume", "--output", marked.run}).code == 0);
}

BOOST_AUTO_TEST_CASE(one_layer_has_its_dropout_before_the_head) {
  const Place place;
  const Outcome outcome = char_rnn(place.training({"--layers", "1"}));
  BOOST_TEST(outcome.code == 0, outcome.error);
}

BOOST_AUTO_TEST_SUITE_END()
