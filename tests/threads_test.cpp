// SPDX-License-Identifier: MIT
// Threads that train models of their own on tapes of their own, and read parameters of others.
// The preset tsan runs this under the thread sanitizer.
#define BOOST_TEST_MODULE threads
#include <barrier>
#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tapestry/tapestry.hpp"

namespace tapestry::test {
namespace {

constexpr std::size_t threads = 8;
constexpr std::size_t vocabulary = 11;

/// What all threads read: an embedding and a projection that stay as they are.
struct Shared {
  layers::Embedding<> embed{vocabulary, 5};
  layers::Linear<> project{5, 6};

  void visit(auto&& part) {
    part("embed", embed);
    part("project", project);
  }
};

/// What each thread trains.
struct Own {
  layers::LSTM<> lstm{{.input_size = 6, .hidden_size = 7, .num_layers = 2, .dropout = 0.25}};
  layers::Linear<> head{7, vocabulary};

  void visit(auto&& part) {
    part("lstm", lstm);
    part("head", head);
  }
};

/// All numbers that a thread computes.
using Results = std::vector<float>;

template <class A>
void append(Results& results, const A& array) {
  results.insert(results.end(), array.data(), array.data() + array.size());
}

Indices random_tokens(Generator& generator, std::size_t steps, std::size_t batch) {
  Indices tokens = Indices::from_shape({steps, batch});
  for (auto& token : tokens) token = static_cast<std::int64_t>(generator.below(vocabulary));
  return tokens;
}

/// One training step; every other one runs on primitive ops, and some on recorded gradients.
void train_step(Shared& shared, Own& model, Tape<>& tape, Generator& generator, std::size_t step,
                Results& results) {
  tape.clear();
  tape.set_primitive(step % 2 == 1);
  const Indices tokens = random_tokens(generator, 4, 3);
  const Indices targets = random_tokens(generator, 4, 3);
  const auto x = tanh(shared.project(shared.embed(tape, tokens)));
  const auto [output, state] = model.lstm(x);
  const auto loss = softmax_cross_entropy(model.head(output), targets);
  results.push_back(loss.item());
  append(results, state.c.value());
  if (step % 5 == 4) {
    const auto [dh] = gradients(loss, {output}, {.differentiable = true});
    const auto penalized = loss + sum(square(dh));
    results.push_back(penalized.item());
    penalized.backward();
  } else {
    loss.backward();
  }
}

/// Trains a model from the given seed, and returns what became of it.
Results train_model(Shared& shared, std::uint64_t number) {
  seed(number);
  Generator generator(number);
  Own model;
  Results results;
  Tape<> tape;
  optim::Adam adam(parameters(model), {.learning_rate = 1e-2});
  for (std::size_t step = 0; step < 20; ++step) {
    train_step(shared, model, tape, generator, step, results);
    optim::clip_grad_norm(parameters(model), 1.0);
    adam.step();
    adam.zero_grad();
  }
  for (const auto* parameter : parameters(model)) append(results, parameter->value());
  const std::string drawing = to_dot(softmax_cross_entropy(
      model.head(model.lstm(shared.project(shared.embed(tape, Indices{{1, 2}}))).output),
      Indices{{3, 4}}));
  results.push_back(static_cast<float>(drawing.size()));
  return results;
}

/// Runs `work(number)` for 8 numbers at once, each in a thread; what one throws, this throws.
void run_at_once(const std::function<void(std::size_t)>& work) {
  std::barrier start(static_cast<std::ptrdiff_t>(threads));
  std::vector<std::exception_ptr> errors(threads);
  std::vector<std::thread> running;
  for (std::size_t i = 0; i < threads; ++i)
    running.emplace_back([&, i] {
      start.arrive_and_wait();
      try {
        work(i);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    });
  for (std::thread& thread : running) thread.join();
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

Shared frozen_model() {
  seed(1);
  Shared shared;
  for (auto* parameter : parameters(shared)) parameter->set_requires_grad(false);
  return shared;
}

}  // namespace

BOOST_AUTO_TEST_CASE(eight_threads_give_the_bits_of_one) {
  Shared shared = frozen_model();
  std::vector<Results> alone(threads);
  std::vector<Results> together(threads);
  for (std::size_t i = 0; i < threads; ++i) alone[i] = train_model(shared, i);
  run_at_once([&](std::size_t i) { together[i] = train_model(shared, i); });
  for (std::size_t i = 0; i < threads; ++i) {
    BOOST_TEST(alone[i].size() > 1000u);
    BOOST_TEST((together[i] == alone[i]), "thread " << i << " computes something else");
    BOOST_TEST((i == 0 || alone[i] != alone[0]), "all threads compute the same");
  }
  for (auto* parameter : parameters(shared)) BOOST_TEST(!parameter->has_grad());
}

BOOST_AUTO_TEST_CASE(errors_stay_in_their_threads) {
  std::vector<std::string> texts(threads);
  run_at_once([&](std::size_t i) {
    for (std::size_t round = 0; round < 50; ++round) {
      Tape<> tape;
      const auto scope = tape.scope("thread " + std::to_string(i));
      const auto x = tape.variable(Array<float>::from_shape({i + 1}));
      try {
        static_cast<void>(x + tape.variable(Array<float>::from_shape({i + 2, 3})));
      } catch (const ShapeError& error) {
        texts[i] = error.what();
      }
    }
  });
  for (std::size_t i = 1; i < threads; ++i)  // (1) broadcasts to anything
    if (i != 2) BOOST_TEST(texts[i].find("thread " + std::to_string(i)) != std::string::npos);
}

}  // namespace tapestry::test
