// SPDX-License-Identifier: MIT
// The threads of the library: the same bits with any number of them, whoever calls. The preset tsan
// runs this under the thread sanitizer.
#define BOOST_TEST_MODULE parallel
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <vector>

#include "fused/linear.hpp"
#include "recurrent_program.hpp"
#include "tapestry/kernels/team.hpp"
#include "tapestry/tapestry.hpp"

#if __has_include(<sys/wait.h>)
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace tapestry;
using detail::parallel;

namespace {

using Types = std::tuple<float, double>;

/// Sets the number of threads until the end of a scope.
struct WithThreads {
  explicit WithThreads(int count) { set_num_threads(count); }
  WithThreads(const WithThreads&) = delete;
  WithThreads& operator=(const WithThreads&) = delete;
  ~WithThreads() { set_num_threads(1); }
};

enum class Kind { lstm, gru, rnn };

/// A language model of fused ops.
template <class T>
struct Model {
  static constexpr std::size_t units = 70;
  static constexpr std::size_t words = 500;
  Kind kind;
  Parameter<T> embedding, w_ih, w_hh, b_ih, b_hh, weight, bias;
  std::shared_ptr<const layers::StepProgram<T>> program;

  explicit Model(Kind k) : kind(k), program(make_program(k)) {
    const std::size_t rows = units * (k == Kind::lstm ? 4 : k == Kind::gru ? 3 : 1);
    embedding = make({words, 40});
    w_ih = make({rows, 40});
    w_hh = make({rows, units});
    b_ih = make({rows});
    b_hh = make({rows});
    weight = make({words, units});
    bias = make({words});
  }
  static std::shared_ptr<const layers::StepProgram<T>> make_program(Kind k) {
    using namespace layers;
    if (k == Kind::lstm)
      return test::program_of<cells::LSTM, T>(LSTMOptions{.input_size = 40, .hidden_size = units});
    if (k == Kind::gru)
      return test::program_of<cells::GRU, T>(GRUOptions{.input_size = 40, .hidden_size = units});
    return test::program_of<cells::RNN<T>, T>(
        RNNOptions<T>{.input_size = 40, .hidden_size = units});
  }
  static Parameter<T> make(const Shape& shape) {
    return Parameter<T>(layers::uniform<T>(shape, 0.3));
  }
  ParameterList<T> parameters() { return {&embedding, &w_ih, &w_hh, &b_ih, &b_hh, &weight, &bias}; }

  Variable<T> output(Tape<T>& tape, const Variable<T>& x) {
    const std::array<Variable<T>, 5> in{x, tape.watch(w_ih), tape.watch(w_hh), tape.watch(b_ih),
                                        tape.watch(b_hh)};
    return test::run_program(program, std::span<const Variable<T>>(in), false)[0];
  }
  Variable<T> loss(Tape<T>& tape, const Indices& tokens, const Indices& targets) {
    const auto y = output(tape, take(tape.watch(embedding), tokens, 0));
    const auto logits = layers::fused_linear(y, tape.watch(weight), tape.watch(bias));
    return softmax_cross_entropy(logits, targets);
  }
};

/// What three steps of training make of a model: losses, norms, and all parameters.
template <class T>
std::vector<T> train(Kind kind) {
  seed(7);
  Generator generator(8);
  Model<T> model(kind);
  optim::Adam<T> adam(model.parameters(), {.learning_rate = 1e-2});
  optim::SGD<T> sgd(model.parameters(), {.learning_rate = 1e-2, .momentum = 0.9});
  optim::AdamW<T> adamw(model.parameters(), {.learning_rate = 1e-2});
  optim::RMSprop<T> rmsprop(model.parameters(), {.momentum = 0.9, .centered = true});
  optim::Adagrad<T> adagrad(model.parameters());
  Tape<T> tape;
  std::vector<T> results;
  for (int step = 0; step < 3; ++step) {
    tape.clear();
    adam.zero_grad();
    Indices tokens = Indices::from_shape({15, 13}), targets = tokens;
    for (auto& t : tokens) t = static_cast<std::int64_t>(generator.below(Model<T>::words));
    for (auto& t : targets) t = static_cast<std::int64_t>(generator.below(Model<T>::words));
    const auto loss = model.loss(tape, tokens, targets);
    loss.backward();
    results.push_back(loss.item());
    results.push_back(static_cast<T>(optim::clip_grad_norm(model.parameters(), 0.1)));
    step == 1 ? sgd.step() : adam.step();
    if (step == 2) adamw.step(), rmsprop.step(), adagrad.step();
  }
  for (const Parameter<T>* p : model.parameters())
    results.insert(results.end(), p->value().data(), p->value().data() + p->size());
  return results;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(training_has_the_same_bits, T, Types) {
  for (const Kind kind : {Kind::lstm, Kind::gru, Kind::rnn}) {
    const std::vector<T> alone = train<T>(kind);
    for (const int threads : {2, 3, 8}) {
      const WithThreads several(threads);
      BOOST_TEST((train<T>(kind) == alone),
                 "kind " << static_cast<int>(kind) << ", " << threads << " threads");
    }
  }
}

BOOST_AUTO_TEST_CASE(threads_of_the_user_share_the_team) {
  const std::vector<float> alone = train<float>(Kind::lstm);
  const WithThreads several(3);
  std::vector<std::vector<float>> results(4);
  std::vector<std::thread> users;
  for (auto& result : results) users.emplace_back([&result] { result = train<float>(Kind::lstm); });
  for (std::thread& user : users) user.join();
  for (const auto& result : results) BOOST_TEST((result == alone));
}

BOOST_AUTO_TEST_CASE(every_part_runs_once) {
  for (const int threads : {1, 2, 5}) {
    const WithThreads several(threads);
    for (int round = 0; round < 200; ++round) {
      const std::size_t parts = static_cast<std::size_t>(round) % 17 + 1;
      std::vector<std::atomic<int>> counts(parts);
      parallel(parts, [&](std::size_t part) { ++counts[part]; });
      for (const auto& count : counts) BOOST_TEST(count == 1);
    }
  }
}

BOOST_AUTO_TEST_CASE(parts_may_have_parts) {
  const WithThreads several(3);
  std::atomic<int> count{0};
  parallel(4, [&](std::size_t) { parallel(5, [&](std::size_t) { ++count; }); });
  BOOST_TEST(count == 20);
}

BOOST_AUTO_TEST_CASE(what_a_part_throws_arrives) {
  for (const int threads : {1, 3}) {
    const WithThreads several(threads);
    const auto fail = [](std::size_t part) {
      if (part == 3) throw std::runtime_error("part 3");
    };
    BOOST_CHECK_THROW(parallel(6, fail), std::runtime_error);
    std::atomic<int> count{0};
    parallel(6, [&](std::size_t) { ++count; });
    BOOST_TEST(count == 6);
  }
}

BOOST_AUTO_TEST_CASE(ranges_cover_all) {
  for (const std::size_t count : {0, 1, 7, 64, 100})
    for (const std::size_t parts : {1, 2, 3, 8})
      for (const std::size_t unit : {1, 16}) {
        std::size_t next = 0;
        for (std::size_t part = 0; part < parts; ++part) {
          const detail::Range range = detail::part_of(count, parts, part, unit);
          BOOST_TEST(range.first == next);
          BOOST_TEST((range.last == count || range.last % unit == 0));
          next = range.last;
        }
        BOOST_TEST(next == count);
      }
}

BOOST_AUTO_TEST_CASE(the_number_of_threads_is_checked) {
  BOOST_CHECK_THROW(set_num_threads(0), ArgumentError);
  BOOST_CHECK_THROW(set_num_threads(-3), ArgumentError);
  // So many take the machine down; 16 may always be asked for.
  BOOST_CHECK_THROW(set_num_threads(1'000'000), ArgumentError);
  BOOST_CHECK_THROW(set_num_threads(std::numeric_limits<int>::max()), ArgumentError);
  BOOST_TEST(num_threads() == 1);
  set_num_threads(16);
  BOOST_TEST(num_threads() == 16);
  set_num_threads(1);
  BOOST_TEST(num_threads() == 1);
}

// The thread sanitizer allows no threads after a fork.
#if __has_include(<sys/wait.h>) && !defined(__SANITIZE_THREAD__)
BOOST_AUTO_TEST_CASE(a_fork_has_a_team_of_its_own) {
  const std::vector<float> alone = train<float>(Kind::gru);
  const WithThreads several(3);
  BOOST_TEST((train<float>(Kind::gru) == alone));
  const pid_t child = fork();
  if (child == 0) _exit(train<float>(Kind::gru) == alone ? 42 : 1);
  int status = 0;
  BOOST_REQUIRE(waitpid(child, &status, 0) == child);
  BOOST_TEST(WIFEXITED(status));
  BOOST_TEST(WEXITSTATUS(status) == 42);
  BOOST_TEST((train<float>(Kind::gru) == alone));
}
#endif
