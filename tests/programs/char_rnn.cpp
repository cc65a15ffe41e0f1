// SPDX-License-Identifier: MIT
// The program char_rnn, used as a person uses it, and as nobody should.
#define BOOST_TEST_MODULE char_rnn
#include <sched.h>
#include <sys/mount.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <tapestry/layers.hpp>
#include <utility>
#include <vector>

#include "char_rnn.hpp"

namespace tp = tapestry;
namespace fs = std::filesystem;
using namespace tp::test;

namespace {

/// All numbers of a checkpoint but the time that it took.
std::map<std::string, std::string> numbers(const std::string& path) {
  const std::string file = read_bytes(path);
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  const auto header = nlohmann::json::parse(file.substr(sizeof(length), length));
  std::map<std::string, std::string> found;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__" || name == "counters.seconds") continue;
    const std::size_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    found[name] = file.substr(sizeof(length) + length + begin, end - begin);
  }
  return found;
}

/// metrics.csv without its last columns, which are times and memory.
std::string losses(const std::string& run) {
  std::istringstream file(read_bytes(run + "/metrics.csv"));
  std::string text;
  for (std::string line; std::getline(file, line);) {
    for (int i = 0; i < 3; ++i) line.resize(line.rfind(','));
    text += line + "\n";
  }
  return text;
}

void check_same_run(const Place& a, const Place& b) {
  BOOST_TEST(losses(a.run) == losses(b.run));
  BOOST_TEST((numbers(a.last) == numbers(b.last)));
  BOOST_TEST((numbers(a.best) == numbers(b.best)));
}

}  // namespace

BOOST_AUTO_TEST_CASE(trains_samples_inspects_and_draws) {
  for (const std::string cell : {"rnn", "lstm", "gru"}) {
    const Place place;
    const Outcome trained = char_rnn(place.training({"--cell", cell, "--learning-rate", "0.02"}));
    BOOST_TEST(trained.code == 0, trained.error);
    BOOST_TEST(has(trained.output, "step 40"));
    BOOST_TEST(!has(trained.output, "\r"));  // no terminal, no bar that redraws itself
    BOOST_TEST(has(losses(place.run), "step,epoch,train_loss,validation_loss"));

    // The checkpoint alone is enough.
    const std::string alone = place / "alone.safetensors";
    fs::rename(place.best, alone);
    fs::remove_all(place.run);
    const Words draw{"sample", alone, "--prime", "She ", "--length", "50", "--seed", "7"};
    const Outcome sample = char_rnn(draw);
    BOOST_TEST(sample.code == 0, sample.error);
    BOOST_TEST(sample.output.size() == 4U + 50U + 1U);
    BOOST_TEST(sample.output.substr(0, 4) == "She ");
    BOOST_TEST(char_rnn(draw).output == sample.output);

    const std::string page = place / "cells.html", dot = place / "graph.dot";
    const Outcome inspected =
        char_rnn({"inspect", alone, "--text", place.text, "--unit", "3", "--output", page});
    BOOST_TEST(inspected.code == 0, inspected.error);
    BOOST_TEST(has(inspected.output, "Unit 3 is highest at the end of"));
    BOOST_TEST(has(read_bytes(page), "<html"));
    const Outcome drawn = char_rnn({"graph", alone, "--steps", "2", "--output", dot});
    BOOST_TEST(drawn.code == 0, drawn.error);
    for (const std::string part : {"embed", cell.c_str(), "head", "step 1", "loss"})
      BOOST_TEST(has(read_bytes(dot), part), part);
  }
}

BOOST_AUTO_TEST_CASE(a_run_goes_on_bitwise_after_an_interrupt_and_after_a_kill) {
  const Place straight(400), interrupted(400), killed(400);
  const Words more{"--steps", "300"};
  BOOST_TEST(char_rnn(straight.training(more)).code == 0);

  const tp::test::Running first(command(interrupted.training(more)));
  first.wait_for("step 20 ");
  first.send(SIGINT);
  const Outcome stopped = first.wait();
  BOOST_TEST(stopped.code == 0, stopped.error);
  BOOST_TEST(has(stopped.output, "go on with"));
  BOOST_TEST(char_rnn({"train", "--resume", "--output", interrupted.run}).code == 0);
  check_same_run(straight, interrupted);

  const tp::test::Running second(command(killed.training(more)));
  second.wait_for("step 20 ");
  second.send(SIGKILL);
  BOOST_TEST(second.wait().code == -1);
  BOOST_TEST(char_rnn({"train", "--resume", "--output", killed.run}).code == 0);
  check_same_run(straight, killed);
}

BOOST_AUTO_TEST_CASE(texts_that_cannot_be_used_give_one_line_and_leave_nothing_behind) {
  const std::map<std::string, std::pair<std::string, std::string>> cases{
      {"empty", {"", "is empty"}},
      {"one character", {"a", "too short"}},
      {"shorter than a sequence", {"abcabc", "too short"}},
      {"not UTF-8", {std::string(2000, 'a') + "\xff" + std::string(9, 'b'), "UTF-8 at byte 2000"}},
      {"binary",
       {std::string("\x7f"
                    "ELF\0\0",
                    6) +
            std::string(900, 'x'),
        "zero byte at byte 4"}}};
  for (const auto& [name, content_and_part] : cases) {
    const Place place;
    write_bytes(place.text, content_and_part.first);
    const Outcome outcome = char_rnn(place.training());
    BOOST_TEST(outcome.code == 1, name);
    BOOST_TEST(is_one_line(outcome.error), outcome.error);
    BOOST_TEST(has(outcome.error, content_and_part.second), outcome.error);
    BOOST_TEST(has(outcome.error, "text.txt"), outcome.error);
    BOOST_TEST(!fs::exists(place.run), name);
  }
  const Place place;
  const Outcome missing = char_rnn({"train", "--text", place / "no.txt", "--output", place.run});
  BOOST_TEST(missing.code == 1);
  BOOST_TEST(has(missing.error, "No such file"), missing.error);
  const Outcome folder = char_rnn({"train", "--text", place.path(), "--output", place.run});
  BOOST_TEST(folder.code == 1);
  BOOST_TEST(is_one_line(folder.error), folder.error);
}

BOOST_AUTO_TEST_CASE(a_text_of_100_MB_is_read_in_bounded_memory) {
  const Place place;
  std::string line =
      "A line of about a hundred characters, which is written again and again, é and ü, ";
  line += "until the file is large\n";
  std::string block;
  while (block.size() < 1'000'000) block += line;
  {
    std::ofstream file(place.text, std::ios::binary);
    for (std::size_t i = 0; i < 100; ++i) file << block;
  }
  const Outcome outcome = char_rnn(place.training({"--validation", "0.001", "--steps", "5"}));
  BOOST_TEST(outcome.code == 0, outcome.error);
  BOOST_TEST(outcome.peak_megabytes < 100);
}

BOOST_AUTO_TEST_CASE(checkpoints_that_are_none_are_refused) {
  const Place place;
  const std::string other = place / "other.safetensors", damaged = place / "damaged.safetensors";
  tp::layers::Linear<> linear(3, 2);
  tp::save(linear, other);
  BOOST_TEST(char_rnn(place.training()).code == 0);
  write_bytes(damaged, read_bytes(place.last).substr(0, 3000));
  for (const auto& [path, part] :
       {std::pair{other, "another model"}, std::pair{damaged, "header"},
        std::pair{place.text, "header"}, std::pair{place / "none", "No such file"}}) {
    for (const std::string what : {"sample", "graph", "inspect"}) {
      const Outcome outcome = char_rnn({what, path});
      BOOST_TEST(outcome.code == 1);
      BOOST_TEST(outcome.output.empty());
      BOOST_TEST(is_one_line(outcome.error), outcome.error);
      BOOST_TEST(has(outcome.error, part), outcome.error);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_run_is_neither_mixed_nor_lost) {
  const Place place;
  BOOST_TEST(char_rnn(place.training()).code == 0);
  const std::string before = read_bytes(place.last);
  const Outcome again = char_rnn(place.training());
  BOOST_TEST(again.code == 1);
  BOOST_TEST(has(again.error, "holds a run already"), again.error);
  const Outcome changed = char_rnn({"train", "--resume", "--output", place.run, "--hidden", "9"});
  BOOST_TEST(changed.code != 0);
  write_bytes(place.text, read_bytes(place.text) + "more");
  const Outcome other = char_rnn({"train", "--resume", "--output", place.run});
  BOOST_TEST(other.code == 1);
  BOOST_TEST(has(other.error, "not the text"), other.error);
  BOOST_TEST(read_bytes(place.last) == before);

  // Nothing of the run before is left in one that overwrites it, be it stopped at once.
  BOOST_TEST(
      char_rnn(place.training({"--overwrite", "--evaluate-every", "50", "--seconds", "1e-9"}))
          .code == 0);
  BOOST_TEST(!fs::exists(place.run + "/metrics.csv"));
  BOOST_TEST((numbers(place.best) == numbers(place.last)));
}

BOOST_AUTO_TEST_CASE(a_text_that_is_touched_ends_the_run_which_keeps_what_it_has_learned) {
  const Place straight(400), touched(400);
  const Words more{"--steps", "10000", "--evaluate-every", "10000"};
  BOOST_TEST(char_rnn(straight.training(more)).code == 0);
  const tp::test::Running running(command(touched.training(more)));
  running.wait_for("step 1/");
  fs::last_write_time(touched.text, fs::file_time_type::clock::now() + std::chrono::hours(1));
  const Outcome outcome = running.wait();
  BOOST_TEST(outcome.code == 1);
  BOOST_TEST(is_one_line(outcome.error), outcome.error);
  for (const std::string part : {"training stopped after step", "text.txt", "last.safetensors"})
    BOOST_TEST(has(outcome.error, part), outcome.error);
  BOOST_TEST(numbers(touched.last).at("counters.step") != std::string(8, '\0'));
  BOOST_TEST(char_rnn({"train", "--resume", "--output", touched.run}).code == 0);
  check_same_run(straight, touched);
}

BOOST_AUTO_TEST_CASE(says_when_there_is_nothing_to_show_or_to_do) {
  const Place place;
  const Outcome stopped = char_rnn(place.training({"--evaluate-every", "30", "--seconds", "1e-9"}));
  BOOST_TEST(has(stopped.output, "first taken after step 30"), stopped.output);
  BOOST_TEST(!has(stopped.output, "metrics.csv"), stopped.output);

  // Of two processes that were killed while they saved, one still lives as far as one can tell.
  const std::string dead = place.run + "/.tapestry-2147483647-3.tmp";
  const std::string alive = place.run + "/.tapestry-" + std::to_string(getpid()) + "-3.tmp";
  for (const std::string& left : {dead, alive}) write_bytes(left, "half");
  const Words again{"train", "--resume", "--output", place.run};
  BOOST_TEST(has(char_rnn(again).output, "metrics.csv"));
  BOOST_TEST(!fs::exists(dead));
  BOOST_TEST(fs::exists(alive));
  BOOST_TEST(has(char_rnn(again).output, "All 40 steps are done"));
}

BOOST_AUTO_TEST_CASE(metrics_that_are_not_of_a_run_are_not_lost) {
  const Place place;
  fs::create_directory(place.run);
  write_bytes(place.run + "/metrics.csv", "mine");
  const Outcome outcome = char_rnn(place.training());
  BOOST_TEST(outcome.code == 1);
  BOOST_TEST(has(outcome.error, "metrics.csv"), outcome.error);
  BOOST_TEST(read_bytes(place.run + "/metrics.csv") == "mine");
}

BOOST_AUTO_TEST_CASE(two_processes_do_not_train_in_one_folder) {
  const Place place;
  const tp::test::Running first(command(place.training({"--steps", "100000000"})));
  first.wait_for("step 20 ");
  for (const Outcome& second : {char_rnn({"train", "--resume", "--output", place.run}),
                                char_rnn(place.training({"--overwrite"}))}) {
    BOOST_TEST(second.code == 1);
    BOOST_TEST(is_one_line(second.error), second.error);
    BOOST_TEST(has(second.error, "another process is training in"), second.error);
  }
  first.send(SIGHUP);  // its terminal is closed
  BOOST_TEST(has(first.wait().output, "go on with"));
}

BOOST_AUTO_TEST_CASE(options_that_make_no_sense_are_refused) {
  const Place place;
  for (const auto& [name, value] : {std::pair{"--steps", "-1"},
                                    {"--epochs", "0"},
                                    {"--patience", "-2"},
                                    {"--clip", "nan"},
                                    {"--validation", "nan"},
                                    {"--seconds", "nan"},
                                    {"--learning-rate", "inf"},
                                    {"--steps", "99999999999999999999"},
                                    {"--min-count", "100000"}}) {
    const Outcome outcome = char_rnn(place.training({name, value}));
    BOOST_TEST(outcome.code != 0, name << ' ' << value);
    BOOST_TEST(has(outcome.error, name), outcome.error);
    BOOST_TEST(has(outcome.error, value), outcome.error);
    BOOST_TEST(outcome.error.size() < 250, outcome.error);
    BOOST_TEST(!fs::exists(place.run), name << ' ' << value);
  }
  BOOST_TEST(char_rnn(place.training()).code == 0);
  const std::vector<std::pair<Words, std::string>> cases{
      {{"sample", place.best, "--top-k", "-1"}, "--top-k"},
      {{"sample", place.best, "--length", "-1"}, "--length"},
      {{"sample", place.best, "--top-p", "0", "--prime", "She"}, "--top-p"},
      {{"sample", place.best, "--beam", "2", "--temperature", "0.5"}, "--temperature excludes"},
      {{"inspect", place.best, "--text", place.text, "--unit", "8"}, "no unit 8"},
      {{"inspect", place.best, "--text", place.text, "--unit", "-1"}, "--unit"},
      {{"graph", place.best, "--output", place / "graph.svg"}, "--output"}};
  for (const auto& [words, part] : cases) {
    const Outcome outcome = char_rnn(words);
    BOOST_TEST(outcome.code != 0, part);
    BOOST_TEST(has(outcome.error, part), outcome.error);
    BOOST_TEST(outcome.output.empty(), outcome.output);
  }
}

BOOST_AUTO_TEST_CASE(lists_what_controls_a_terminal_as_signs) {
  const Place place;
  const std::string line = "a\tb\x1b[2J\r\n";
  std::string text;
  while (text.size() < 1000) text += line;
  write_bytes(place.text, text);
  BOOST_TEST(char_rnn(place.training({"--unit", "word"})).code == 0);
  const Outcome outcome = char_rnn(
      {"inspect", "--unit", "3,5", place.best, "--prime", line, "--output", place / "cells.html"});
  BOOST_TEST(outcome.code == 0, outcome.error);
  BOOST_TEST(has(outcome.output, "Unit 5"));
  BOOST_TEST(has(outcome.output, "␍⏎"), outcome.output);
  BOOST_TEST(outcome.output.find_first_of("\t\r\x1b") == std::string::npos, outcome.output);
}

BOOST_AUTO_TEST_CASE(a_full_disk_keeps_the_checkpoint_from_before) {
  const Place roomy, place;
  BOOST_TEST(char_rnn(roomy.training()).code == 0);
  const auto room = fs::file_size(roomy.last) * 3 / 2;  // for one checkpoint and not for two
  fs::create_directory(place.run);
  const auto with_small_disk = [&](const std::function<int()>& action) {
    const pid_t child = fork();
    if (child == 0) {
      const bool mounted = unshare(CLONE_NEWNS) == 0 &&
                           mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                           mount("tmpfs", place.run.c_str(), "tmpfs", 0,
                                 ("size=" + std::to_string(room)).c_str()) == 0;
      _exit(mounted ? action() : 77);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  const int code = with_small_disk([&] {
    const Outcome outcome = char_rnn(place.training());
    if (outcome.code != 1 || !is_one_line(outcome.error)) return 2;
    if (!has(outcome.error, "No space left on device")) return 3;
    if (!has(outcome.output, "training goes on")) return 4;
    return char_rnn({"sample", place.last, "--length", "5"}).code == 0 ? 0 : 5;
  });
  if (code == 77)
    BOOST_TEST_MESSAGE("skipped: no right to mount a small disk");
  else
    BOOST_TEST(code == 0);
}

BOOST_AUTO_TEST_CASE(a_loss_that_is_not_finite_stops_with_the_op_and_the_checkpoint) {
  const Place place;
  const Outcome outcome = char_rnn(place.training({"--learning-rate", "3e38", "--warm-up", "0"}));
  BOOST_TEST(outcome.code == 1);
  BOOST_TEST(is_one_line(outcome.error), outcome.error);
  for (const std::string part : {"training stopped at step", ": [", "(in ", "last.safetensors"})
    BOOST_TEST(has(outcome.error, part), outcome.error);
  BOOST_TEST(char_rnn({"sample", place.last}).code == 0);
}

BOOST_AUTO_TEST_CASE(weights_that_are_not_finite_are_never_saved) {
  // Without held-out text no loss shows at once what the first update has done to the weights.
  for (const Words& more : {Words{"--evaluate-every", "1"}, Words{"--steps", "1"},
                            Words{"--evaluate-every", "50", "--seconds", "1e-9"}}) {
    const Place place;
    Words words = place.training({"--learning-rate", "3e38", "--warm-up", "0"});
    words.insert(words.end(), {"--validation", "0"});
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = char_rnn(words);
    BOOST_TEST(outcome.code == 1);
    BOOST_TEST(is_one_line(outcome.error), outcome.error);
    BOOST_TEST(has(outcome.error, "not finite at step 1"), outcome.error);
    BOOST_TEST(char_rnn({"sample", place.last}).code == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_terminal_gets_a_bar_that_redraws_itself) {
  const Place place;
  std::string line;
  for (const std::string& word : command(place.training())) line += "'" + word + "' ";
  const Outcome outcome = tp::test::run({"/usr/bin/script", "-qec", line, "/dev/null"});
  // A bare root file system has neither the program nor, perhaps, terminals.
  const bool no_program = outcome.code == 127;
  if (no_program || has(outcome.error, "failed to create pseudo-terminal")) {
    std::cout << "skipped: " << (no_program ? "no program 'script'" : outcome.error) << '\n';
    return;
  }
  BOOST_TEST(outcome.code == 0, outcome.output);
  for (const std::string part : {"\r━", "step 40/40", "bits/character", "tokens/s", "left"})
    BOOST_TEST(has(outcome.output, part), part);
}

BOOST_AUTO_TEST_CASE(stops_early_when_nothing_is_gained) {
  const Place place;
  const Outcome outcome = char_rnn(place.training({"--learning-rate", "0", "--patience", "2"}));
  BOOST_TEST(outcome.code == 0, outcome.error);
  BOOST_TEST(has(outcome.output, "Stopped early: no gain in 2 evaluations"), outcome.output);
  BOOST_TEST(!has(outcome.output, "step 40"));

  // It has stopped for good.
  const std::string last = read_bytes(place.last), rows = read_bytes(place.run + "/metrics.csv");
  const Outcome resumed = char_rnn({"train", "--resume", "--output", place.run});
  BOOST_TEST(has(resumed.output, "Stopped early"), resumed.output);
  BOOST_TEST((read_bytes(place.last) == last));
  BOOST_TEST(read_bytes(place.run + "/metrics.csv") == rows);
}

BOOST_AUTO_TEST_CASE(samples_by_every_rule) {
  const Place place;
  BOOST_TEST(char_rnn(place.training({"--learning-rate", "0.02"})).code == 0);
  const auto sample = [&](const Words& more) {
    Words words{"sample", place.best, "--length", "60", "--prime", "She sells "};
    words.insert(words.end(), more.begin(), more.end());
    return char_rnn(words);
  };
  const std::string greedy = sample({"--temperature", "0"}).output;
  BOOST_TEST(sample({"--top-k", "1"}).output == greedy);
  BOOST_TEST(sample({"--top-p", "0.0001"}).output == greedy);
  BOOST_TEST(sample({"--beam", "1"}).output == greedy);
  BOOST_TEST(sample({"--seed", "1"}).output != sample({"--seed", "2"}).output);
  const auto score = [&](const std::string& width) {
    const std::string text = sample({"--beam", width}).error;
    return std::stod(text.substr(text.find(':') + 1));
  };
  BOOST_TEST(score("5") >= score("1"));
  const double few = sample({}).peak_megabytes, many = sample({"--length", "50000"}).peak_megabytes;
  BOOST_TEST(many < few + 1);  // constant memory, however long
  for (const std::string length : {"5", "0"})
    BOOST_TEST(tp::test::run({"/bin/sh", "-c",
                              std::string(TAPESTRY_CHAR_RNN) + " sample " + place.best +
                                  " --length " + length + " > /dev/full"})
                   .code == 1);
  const Outcome unknown = char_rnn({"sample", place.best, "--prime", "Ωmega"});
  BOOST_TEST(unknown.code == 1);
  BOOST_TEST(has(unknown.error, "'Ω'"), unknown.error);
}

BOOST_AUTO_TEST_CASE(learns_words_with_an_unknown_one) {
  const Place place;
  const Outcome trained = char_rnn(place.training({"--unit", "word", "--min-count", "5"}));
  BOOST_TEST(trained.code == 0, trained.error);
  BOOST_TEST(has(trained.output, "bits per word"));
  const Outcome sample =
      char_rnn({"sample", place.best, "--prime", "She sells whales", "--length", "200"});
  BOOST_TEST(sample.code == 0, sample.error);
  BOOST_TEST(!has(sample.output, "<unk>"));
}
