// SPDX-License-Identifier: MIT
// Models and optimizers that move, are copied or end, what was moved from, and static objects.
// Meant for the address sanitizer too.
#define BOOST_TEST_MODULE moved
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "line_model.hpp"
#include "tapestry/tapestry.hpp"

namespace tapestry::test {
namespace {

using Values = Array<double>;

ParameterList<double> list_of(Line& line) { return parameters<double>(line); }

// Models and optimizers --------------------------------------------------------------------------

struct Training {
  Line model;
  optim::Adam<double> adam{list_of(model), {.learning_rate = 0.1}};
  optim::LRScheduler<double> scheduler{adam, optim::exponential(0.9)};
  optim::ReduceLROnPlateau<double> plateau{adam, {.patience = 0}};

  double step() {
    const double loss = model.loss_and_gradient(1.5, -1);
    adam.step();
    adam.zero_grad();
    scheduler.step();
    static_cast<void>(plateau.step(loss));
    return loss;
  }
};

double last_of(int steps, auto& training) {
  double loss = 0;
  while (steps-- > 0) loss = training.step();
  return loss;
}

BOOST_AUTO_TEST_CASE(a_struct_of_model_and_optimizer_can_be_moved) {
  Training in_place;
  const double expected = last_of(20, in_place);

  auto first = std::make_unique<Training>();
  static_cast<void>(last_of(10, *first));
  Training second = std::move(*first);
  BOOST_CHECK_THROW(first->adam.step(), ArgumentError);
  BOOST_CHECK_THROW(first->adam.zero_grad(), ArgumentError);
  BOOST_CHECK_THROW(first->adam.set_learning_rate(1), IndexError);
  BOOST_CHECK_THROW(static_cast<void>(first->adam.learning_rate()), IndexError);
  BOOST_CHECK_THROW(first->scheduler.step(), ArgumentError);
  BOOST_CHECK_THROW(static_cast<void>(first->scheduler.factor()), ArgumentError);
  BOOST_CHECK_THROW(static_cast<void>(first->plateau.step(1)), ArgumentError);
  first.reset();
  static_cast<void>(last_of(5, second));
  Training third;
  static_cast<void>(third.step());
  third = std::move(second);
  std::vector<Training> several;
  several.push_back(std::move(third));
  several.reserve(100);
  BOOST_TEST(last_of(5, several[0]) == expected);
  std::swap(several[0].model, in_place.model);
}

BOOST_AUTO_TEST_CASE(a_copy_of_model_and_optimizer_must_be_told_which_belong_together) {
  Training in_place;
  const double expected = last_of(20, in_place);

  Training original;
  static_cast<void>(last_of(10, original));
  Training copy = original;
  BOOST_TEST(
      contains(message_of<ArgumentError>([&] { copy.adam.step(); }), "bind(parameters(model))"));
  BOOST_CHECK_THROW(copy.scheduler.step(), ArgumentError);
  BOOST_CHECK_THROW(static_cast<void>(copy.plateau.step(1)), ArgumentError);
  copy.adam.bind(list_of(copy.model));
  copy.scheduler.bind(copy.adam);
  copy.plateau.bind(copy.adam);
  BOOST_TEST(last_of(10, copy) == expected);
  BOOST_TEST(last_of(10, original) == expected);
}

BOOST_AUTO_TEST_CASE(assigning_a_copy_of_model_and_optimizer_keeps_them_apart) {
  Line model, other;
  optim::Adam<double> adam(list_of(model), {.learning_rate = 0.1});
  optim::Adam<double> other_adam(list_of(other), {.learning_rate = 0.1});
  static_cast<void>(model.loss_and_gradient(1.5, -1));
  adam.step();
  other = model;
  other_adam = adam;
  BOOST_TEST(other_adam.parameters()[0] == &other.w);
  adam.step();
  other_adam.step();
  BOOST_TEST(other.w.value()(0) == model.w.value()(0));
}

BOOST_AUTO_TEST_CASE(an_optimizer_can_be_put_back_to_what_it_was) {
  Line model;
  optim::Adam<double> adam(list_of(model), {.learning_rate = 0.1});
  const auto step = [&] {
    static_cast<void>(model.loss_and_gradient(1.5, -1));
    adam.step();
    adam.zero_grad();
    return model.w.value()(0);
  };
  static_cast<void>(step());
  const Line model_then = model;
  const optim::Adam<double> adam_then = adam;
  const double after = step();
  model = model_then;
  adam = adam_then;
  BOOST_TEST(step() == after);
}

BOOST_AUTO_TEST_CASE(an_optimizer_notices_that_a_parameter_is_gone) {
  auto model = std::make_unique<Line>();
  optim::SGD<double> sgd(list_of(*model), {.learning_rate = 0.1});
  model->w = Parameter<double>(Values{3.0}, "w");  // the same parameter, with another value
  static_cast<void>(model->loss_and_gradient(1, 0));
  sgd.step();
  const Line taken = std::move(*model);
  sgd.step();
  model.reset();
  sgd.step();
  BOOST_TEST(sgd.parameters()[0] == &taken.w);
  auto alone = std::make_unique<Line>();
  optim::SGD<double> other(list_of(*alone), {.learning_rate = 0.1});
  alone.reset();
  BOOST_TEST(contains(message_of<ArgumentError>([&] { other.step(); }), "no longer exists"));
  BOOST_CHECK_THROW(other.zero_grad(), ArgumentError);
  BOOST_CHECK_THROW(static_cast<void>(other.parameters()), ArgumentError);
}

BOOST_AUTO_TEST_CASE(bind_checks_what_it_is_given) {
  Line model;
  optim::SGD<double> sgd(list_of(model), {.learning_rate = 0.1});
  Parameter<double> large(Values{1.0, 2.0});
  BOOST_CHECK_THROW(sgd.bind({&model.w}), ArgumentError);
  BOOST_CHECK_THROW(sgd.bind({&model.w, &model.w}), ArgumentError);
  BOOST_CHECK_THROW(sgd.bind({&model.w, &large}), ShapeError);
  BOOST_TEST(sgd.parameters()[1] == &model.b);
}

static_assert(!std::is_copy_constructible_v<Bundle<Line, optim::Adam<double>>>);
static_assert(std::is_nothrow_move_constructible_v<Parameter<float>>);
static_assert(std::is_nothrow_move_assignable_v<Parameter<float>>);
static_assert(std::is_nothrow_move_constructible_v<layers::LSTM<>>);

// Moved-from objects -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_was_moved_from_says_so) {
  Parameter<double> p(Values{1.0, 2.0}, "p");
  const Parameter<double> q = std::move(p);
  Tape<double> tape;
  BOOST_CHECK_THROW(static_cast<void>(p.value()), ArgumentError);
  BOOST_CHECK_THROW(static_cast<void>(std::as_const(p).value()), ArgumentError);
  BOOST_CHECK_THROW(static_cast<void>(p.grad()), ArgumentError);
  BOOST_CHECK_THROW(static_cast<void>(p.shape()), ArgumentError);
  BOOST_CHECK_THROW(static_cast<void>(tape.watch(p)), ArgumentError);
  const Parameter<double> copy = p;
  BOOST_CHECK_THROW(static_cast<void>(copy.size()), ArgumentError);
  p = q;
  BOOST_TEST(p.value()(1) == 2.0);
  const auto x = tape.variable({1.0});
  auto moved = x;
  const auto into = std::move(moved);
  BOOST_CHECK_THROW(static_cast<void>(moved.value()), StaleVariable);
}

template <class Layer, class Call>
void check_moved(Layer layer, const Call& call) {
  Layer other = std::move(layer);
  call(other);
  BOOST_CHECK_THROW(call(layer), ArgumentError);
  BOOST_CHECK_THROW(save(layer, "moved.safetensors"), Error);
  BOOST_CHECK_THROW((optim::SGD<float>(parameters(layer), {.learning_rate = 1})), ArgumentError);
  layer = std::move(other);
  call(layer);
  BOOST_CHECK_THROW(call(other), ArgumentError);
}

BOOST_AUTO_TEST_CASE(layers_that_were_moved_from_say_so) {
  Tape<> tape;
  const auto x = tape.constant(xt::ones<float>({2, 1, 3}));
  const auto row = tape.constant(xt::ones<float>({1, 3}));
  const auto on_sequence = [&](auto& layer) { static_cast<void>(layer(x)); };
  const auto on_row = [&](auto& layer) { static_cast<void>(layer(row)); };
  check_moved(layers::LSTM<>({.input_size = 3, .hidden_size = 2}), on_sequence);
  check_moved(layers::GRU<>({.input_size = 3, .hidden_size = 2}), on_sequence);
  check_moved(layers::RNN<>({.input_size = 3, .hidden_size = 2}), on_sequence);
  check_moved(layers::LSTMCell<>({.input_size = 3, .hidden_size = 2}), on_row);
  check_moved(layers::GRUCell<>({.input_size = 3, .hidden_size = 2}), on_row);
  check_moved(layers::RNNCell<>({.input_size = 3, .hidden_size = 2}), on_row);
  check_moved(layers::Linear<>(3, 2), on_row);
  check_moved(layers::LayerNorm<>(3), on_row);
  check_moved(layers::Embedding<>(3, 2), [&](auto& layer) {
    static_cast<void>(layer(tape, Indices{0, 1}));
  });
  layers::LSTM<> lstm({.input_size = 3, .hidden_size = 2});
  const layers::LSTM<> taken = std::move(lstm);
  BOOST_CHECK_THROW(static_cast<void>(lstm.weights(0)), ArgumentError);
  layers::Dropout<> dropout(0.5);
  const layers::Dropout<> other = std::move(dropout);
  BOOST_CHECK_THROW(static_cast<void>(dropout(x)), ArgumentError);
}

// Static objects ---------------------------------------------------------------------------------

/// Works in its destructor, when the memory that the kernels keep for a thread has been given back.
struct Late {
  std::unique_ptr<layers::LSTM<>> lstm;
  ~Late() {
    if (!lstm) return;
    Tape<> tape;
    const auto x = tape.constant(xt::ones<float>({3, 2, 8}));
    const auto y = lstm->operator()(x).output;
    const auto z = matmul(y, transpose(y, {0, 2, 1}));
    const auto all = logsumexp(z, 1) + norm(z, 1) + var(z, 1) + sum(cumsum(z, 1), 1) + mean(z, 1);
    sum(all).backward();
    if (registered_ops().empty()) std::abort();
  }
};
Late late;

BOOST_AUTO_TEST_CASE(static_objects_may_compute_in_their_destructors) {
  late.lstm =
      std::make_unique<layers::LSTM<>>(layers::LSTMOptions{.input_size = 8, .hidden_size = 8});
  Late now{
      std::make_unique<layers::LSTM<>>(layers::LSTMOptions{.input_size = 8, .hidden_size = 8})};
}

}  // namespace
}  // namespace tapestry::test
