// SPDX-License-Identifier: MIT
// Groups of parameters, and learning rates that change.
#define BOOST_TEST_MODULE optim_schedule
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "allocations.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "reference.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/random.hpp"
#include "tapestry/layers.hpp"
#include "tapestry/optim.hpp"

namespace tp = tapestry;
using namespace tapestry::optim;
using tapestry::ArgumentError;
using tapestry::Array;
using tapestry::IndexError;
using tapestry::Parameter;
using tapestry::ParameterList;
using tapestry::test::allocations;
using tapestry::test::Reference;
using tapestry::test::ReferenceCase;
using tapestry::test::says;
using tapestry::test::TemporaryFolder;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();

/// Two parameters with a gradient of 1, each a group.
struct Pair {
  Parameter<double> a{Array<double>{1.0}, "a"}, b{Array<double>{1.0}, "b"};
  std::vector<ParameterGroup<double>> groups{{.parameters = {&a}, .learning_rate = 0.5},
                                             {.parameters = {&b}, .weight_decay = 0.5}};
  Pair() {
    a.grad().fill(1);
    b.grad().fill(1);
  }
};

struct TwoRates : Pair {
  SGD<double> optimizer{groups, {.learning_rate = 0.02}};
};

struct Net {
  tp::layers::Embedding<float> table{5, 3};
  tp::layers::LSTM<float> lstm{
      {.input_size = 3, .hidden_size = 4, .num_layers = 2, .dropout = 0.3}};
  void visit(auto&& part) {
    part("table", table);
    part("lstm", lstm);
  }
};

/// Two groups, whose rates a scheduler raises and then lowers.
struct Scheduled {
  Net net;
  AdamW<float> adamw{{{.parameters = tp::parameters(net.lstm)},
                      {.parameters = tp::parameters(net.table), .learning_rate = 0.05}},
                     {.learning_rate = 0.02}};
  LRScheduler<float> scheduler{adamw, warm_up(4, cosine({.steps = 5, .floor = 0.1}))};

  /// Of each step, the loss and both rates.
  std::vector<double> train(int steps) {
    std::vector<double> seen;
    const tp::Indices tokens{{0, 1}, {2, 3}, {4, 0}};
    for (int i = 0; i < steps; ++i) {
      tp::Tape<float> tape;
      const auto output = net.lstm(net.table(tape, tokens)).output;
      const auto loss = tp::mean(tp::square(output - 1.0F));
      adamw.zero_grad();
      loss.backward();
      adamw.step();
      scheduler.step();
      seen.push_back(loss.value()());
      for (const std::size_t group : {0, 1}) seen.push_back(adamw.learning_rate(group));
    }
    return seen;
  }
};

void expect_rates(const ReferenceCase& c, std::size_t row, const Optimizer<double>& optimizer) {
  const Array<double> rates = c.array("rates");
  for (std::size_t g = 0; g < optimizer.groups(); ++g)
    BOOST_TEST(std::abs(optimizer.learning_rate(g) - rates(row, g)) < 1e-14,
               c.name() << ", group " << g << " in row " << row << ": "
                        << optimizer.learning_rate(g) << ", not " << rates(row, g));
}

Schedule schedule_of(std::string_view name) {
  if (name == "schedule/step_decay") return step_decay({.every = 4, .factor = 0.3});
  if (name == "schedule/cosine") return cosine({.steps = 20});
  if (name == "schedule/exponential") return exponential(0.9);
  if (name == "schedule/warm_up") return warm_up(5, cosine({.steps = 15}));
  return cosine({.steps = 12, .floor = 0.1});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(groups)

BOOST_FIXTURE_TEST_CASE(have_rates_and_decays_of_their_own, Pair) {
  SGD<double> sgd(groups, {.learning_rate = 0.25, .weight_decay = 1.0});
  BOOST_TEST(sgd.groups() == 2u);
  BOOST_TEST(sgd.parameters().size() == 2u);
  sgd.step();
  BOOST_TEST(a.value()(0) == 1 - 0.5 * (1 + 1.0));
  BOOST_TEST(b.value()(0) == 1 - 0.25 * (1 + 0.5));
}

BOOST_FIXTURE_TEST_CASE(rates_one_by_one_and_all_at_once, TwoRates) {
  BOOST_TEST(optimizer.learning_rate() == 0.5);
  BOOST_TEST(optimizer.learning_rate(0) == 0.5);
  BOOST_TEST(optimizer.learning_rate(1) == 0.02);
  optimizer.set_learning_rate(1, 0.125);
  optimizer.step();
  BOOST_TEST(a.value()(0) == 0.5);
  BOOST_TEST(b.value()(0) == 1 - 0.125 * 1.5);
  optimizer.set_learning_rate(0.75);
  BOOST_TEST(optimizer.learning_rate(0) == 0.75);
  BOOST_TEST(optimizer.learning_rate(1) == 0.75);
  BOOST_CHECK_EXCEPTION((void)optimizer.learning_rate(2), IndexError,
                        says("[SGD] there is no group 2 among 2"));
  BOOST_CHECK_THROW(optimizer.set_learning_rate(2, 0.1), IndexError);
  BOOST_CHECK_THROW(optimizer.set_learning_rate(1, -0.1), ArgumentError);
  BOOST_TEST(optimizer.learning_rate(1) == 0.75);
}

// The example of ParameterGroup's documentation.
BOOST_AUTO_TEST_CASE(by_the_names_of_the_parameters) {
  Net net;
  ParameterList<> weights, biases, table;
  for (const auto& [name, p] : tp::named_parameters(net))
    (name == "table.weight"            ? table
     : name.find("bias") < name.size() ? biases
                                       : weights)
        .push_back(p);
  AdamW adamw({{.parameters = weights},
               {.parameters = biases, .weight_decay = 0.0},
               {.parameters = table, .learning_rate = 1e-4}},
              {.learning_rate = 3e-3});
  static_assert(std::is_same_v<decltype(adamw), AdamW<float>>);
  BOOST_TEST(adamw.groups() == 3u);
  BOOST_TEST(weights.size() == 4u);
  BOOST_TEST(biases.size() == 4u);
  BOOST_TEST(adamw.parameters()[8] == &net.table.weight());
  BOOST_TEST(adamw.learning_rate(2) == 1e-4);
  for (const ParameterList<>& list : {weights, biases, table})
    for (Parameter<float>* p : list) {
      p->value().fill(1);
      p->grad().fill(0);
    }
  adamw.step();
  BOOST_TEST(weights[0]->value()(0, 0) == 1 - 3e-3F * 1e-2F);
  BOOST_TEST(biases[0]->value()(0) == 1.0F);
  BOOST_TEST(table[0]->value()(0, 0) == 1 - 1e-4F * 1e-2F);
}

BOOST_FIXTURE_TEST_CASE(names_in_files, TwoRates) {
  std::string names;
  optimizer.visit([&](const std::string& name, auto&) { names += name + " "; });
  BOOST_TEST(names == "SGD.learning_rate SGD.learning_rate.1 SGD.step.a SGD.step.b ");
  Adagrad adagrad({&a, &b});
  names.clear();
  adagrad.visit([&](const std::string& name, auto&) { names += name + " "; });
  BOOST_TEST(names ==
             "Adagrad.learning_rate Adagrad.step.a Adagrad.sum.a Adagrad.step.b Adagrad.sum.b ");
  RMSprop rmsprop({&a}, {.momentum = 0.5, .centered = true});
  names.clear();
  rmsprop.visit([&](const std::string& name, auto&) { names += name + " "; });
  BOOST_TEST(names ==
             "RMSprop.learning_rate RMSprop.step.a RMSprop.square_avg.a RMSprop.momentum_buffer.a "
             "RMSprop.grad_avg.a ");
}

BOOST_FIXTURE_TEST_CASE(that_cannot_be, Pair) {
  const auto expect = [&](const std::string& text) {
    BOOST_CHECK_EXCEPTION(Adam<double>{groups}, ArgumentError, says("[Adam] " + text));
  };
  groups[1].parameters.push_back(&a);
  expect("parameter 'a' is in groups 0 and 1");
  groups[1].parameters = {&b, &b};
  expect("parameter 'b' is in the list twice");
  groups[1].parameters = {};
  BOOST_TEST(Adam<double>{groups}.groups() == 2u);
  groups[0].parameters = {};
  expect("the list of parameters is empty");
  groups[1] = {.parameters = {&b}, .weight_decay = -1.0};
  expect("weight_decay of group 1 must be finite and not negative, got -1");
  groups[0].learning_rate = not_a_number;
  expect("learning_rate of group 0 must be finite and not negative, got nan");
  groups.clear();
  expect("the list of parameters is empty");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(schedules)

BOOST_AUTO_TEST_CASE(those_of_pytorch) {
  for (const ReferenceCase& c : Reference("optim.json").cases("schedule/")) {
    TwoRates run;
    const Array<double> rates = c.array("rates");
    SGD<double> one({&run.a}, {.learning_rate = 0.5});
    SGD<double>& optimizer = rates.shape()[1] == 1 ? one : run.optimizer;
    LRScheduler scheduler(optimizer, schedule_of(c.name()));
    for (std::size_t row = 0; row < rates.shape()[0]; ++row) {
      BOOST_TEST(scheduler.steps() == row);
      BOOST_TEST(scheduler.factor() * 0.5 == optimizer.learning_rate());
      expect_rates(c, row, optimizer);
      scheduler.step();
    }
  }
}

BOOST_AUTO_TEST_CASE(by_hand) {
  BOOST_TEST(constant()(1000) == 1.0);
  const Schedule floor = cosine({.steps = 10, .floor = 0.25});
  BOOST_TEST(floor(0) == 1.0);
  BOOST_TEST(floor(5) == 0.625);
  for (const std::uint64_t step : {10, 11, 20, 1000}) BOOST_TEST(floor(step) == 0.25);
  const Schedule warm = warm_up(4, exponential(0.5));
  const std::vector<double> expected{0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.25};
  for (std::size_t step = 0; step < expected.size(); ++step)
    BOOST_TEST(warm(step) == expected[step]);
  BOOST_TEST(warm_up(0, exponential(0.5))(1) == 0.5);
  BOOST_TEST(step_decay({.every = 3, .factor = 0.5})(5) == 0.5);
}

BOOST_AUTO_TEST_CASE(scheduled_rates_go_on_whatever_the_order_of_the_parts) {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  const auto start = [] {
    tp::seed(7);
    return Scheduled();
  };
  for (const bool scheduler_first : {false, true}) {
    const auto parts = [&](Scheduled& run, auto&& use) {
      if (scheduler_first)
        use(tp::bundle(run.net, run.scheduler, run.adamw, tp::default_generator()));
      else
        use(tp::bundle(run.net, run.adamw, run.scheduler, tp::default_generator()));
    };
    for (const int before : {2, 6, 11}) {  // warming up, cooling down, and at the floor
      Scheduled first = start();
      auto seen = first.train(before);
      parts(first, [&](auto&& all) { tp::save(all, path); });
      tp::seed(100);
      Scheduled second;
      (void)second.train(3);
      parts(second, [&](auto&& all) { tp::load(all, path); });
      BOOST_TEST(second.scheduler.steps() == static_cast<std::uint64_t>(before));
      const auto after = second.train(13 - before);
      seen.insert(seen.end(), after.begin(), after.end());
      BOOST_TEST((seen == start().train(13)));
    }
  }
}

BOOST_FIXTURE_TEST_CASE(of_ones_own, TwoRates) {
  LRScheduler scheduler(optimizer,
                        [](std::uint64_t step) { return step == 2 ? not_a_number : 4.0; });
  BOOST_TEST(optimizer.learning_rate(0) == 2.0);
  BOOST_TEST(optimizer.learning_rate(1) == 0.08);
  scheduler.step();
  BOOST_CHECK_EXCEPTION(scheduler.step(), ArgumentError,
                        says("[LRScheduler] the schedule gives the factor nan for step 2, which "
                             "makes no learning rate of 0.5"));
  BOOST_TEST(scheduler.steps() == 1u);
  BOOST_TEST(optimizer.learning_rate(0) == 2.0);
}

BOOST_FIXTURE_TEST_CASE(that_cannot_be, TwoRates) {
  BOOST_CHECK_EXCEPTION((void)step_decay({.factor = 0.5}), ArgumentError,
                        says("[step_decay] every must be positive, got 0"));
  BOOST_CHECK_EXCEPTION((void)cosine({.floor = 0.5}), ArgumentError,
                        says("[cosine] steps must be positive, got 0"));
  for (const double bad : {-0.5, infinite, not_a_number}) {
    BOOST_CHECK_THROW((void)step_decay({.every = 1, .factor = bad}), ArgumentError);
    BOOST_CHECK_THROW((void)cosine({.steps = 1, .floor = bad}), ArgumentError);
    BOOST_CHECK_THROW((void)exponential(bad), ArgumentError);
    BOOST_CHECK_THROW(ReduceLROnPlateau(optimizer, {.factor = bad}), ArgumentError);
    BOOST_CHECK_THROW(ReduceLROnPlateau(optimizer, {.threshold = bad}), ArgumentError);
    BOOST_CHECK_THROW(ReduceLROnPlateau(optimizer, {.min_learning_rate = bad}), ArgumentError);
    BOOST_CHECK_THROW(LRScheduler(optimizer, [bad](std::uint64_t) { return bad; }), ArgumentError);
  }
  BOOST_CHECK_EXCEPTION((void)warm_up(3, nullptr), ArgumentError,
                        says("[warm_up] the schedule is empty"));
  BOOST_CHECK_EXCEPTION(LRScheduler(optimizer, nullptr), ArgumentError,
                        says("[LRScheduler] the schedule is empty"));
  BOOST_CHECK_EXCEPTION(ReduceLROnPlateau(optimizer, {.factor = 1.0}), ArgumentError,
                        says("[ReduceLROnPlateau] factor must be in [0, 1), got 1"));
  BOOST_TEST(optimizer.learning_rate(0) == 0.5);
}

BOOST_FIXTURE_TEST_CASE(steps_allocate_nothing, TwoRates) {
  LRScheduler scheduler(optimizer, warm_up(3, cosine({.steps = 9})));
  ReduceLROnPlateau plateau(optimizer, {.patience = 0});
  const std::size_t before = allocations();
  for (int i = 0; i < 12; ++i) {
    scheduler.step();
    (void)plateau.step(1.0);
  }
  const std::size_t allocated = allocations() - before;
  BOOST_TEST(allocated == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(plateau)

BOOST_AUTO_TEST_CASE(those_of_pytorch) {
  for (const ReferenceCase& c : Reference("optim.json").cases("plateau/")) {
    TwoRates run;
    PlateauOptions options;
    options.factor = c.option("factor", options.factor);
    options.patience = c.option("patience", options.patience);
    options.threshold = c.option("threshold", options.threshold);
    options.min_learning_rate = c.option("min_learning_rate", options.min_learning_rate);
    ReduceLROnPlateau scheduler(run.optimizer, options);
    const Array<double> metrics = c.array("metrics");
    for (std::size_t row = 0; row < metrics.size(); ++row) {
      const double before = run.optimizer.learning_rate();
      const bool changed = scheduler.step(metrics(row));
      BOOST_TEST(changed == (before != run.optimizer.learning_rate()));
      expect_rates(c, row, run.optimizer);
    }
    BOOST_TEST(run.optimizer.learning_rate() < 0.5);
  }
}

BOOST_FIXTURE_TEST_CASE(a_nan_is_no_improvement, TwoRates) {
  ReduceLROnPlateau scheduler(optimizer, {.factor = 0.5, .patience = 1});
  BOOST_TEST(!scheduler.step(not_a_number));
  BOOST_TEST(scheduler.bad_steps() == 1u);
  BOOST_TEST(scheduler.best() == infinite);
  BOOST_TEST(scheduler.step(not_a_number));
  BOOST_TEST(optimizer.learning_rate() == 0.25);
  BOOST_TEST(!scheduler.step(3.0));
  BOOST_TEST(scheduler.best() == 3.0);
}

BOOST_FIXTURE_TEST_CASE(goes_on_from_a_file, TwoRates) {
  const TemporaryFolder folder;
  std::vector<Parameter<double>> model;
  ReduceLROnPlateau first(optimizer, {.factor = 0.5, .patience = 2});
  for (const double metric : {2.0, 1.0, 1.5}) (void)first.step(metric);
  tp::save(tp::bundle(model, optimizer, first), folder / "x");

  TwoRates again;
  ReduceLROnPlateau second(again.optimizer, {.factor = 0.5, .patience = 2});
  tp::load(tp::bundle(model, second, again.optimizer), folder / "x");
  BOOST_TEST(second.best() == 1.0);
  BOOST_TEST(second.bad_steps() == 1u);
  (void)second.step(1.2);
  BOOST_TEST(again.optimizer.learning_rate() == 0.5);
  BOOST_TEST(second.step(1.2));
  BOOST_TEST(again.optimizer.learning_rate() == 0.25);

  using State = ReduceLROnPlateau<double>::State;
  for (const State& bad : {State{not_a_number, 0}, State{1, -1}, State{1, 0.5}, State{1, infinite}})
    BOOST_TEST(!ReduceLROnPlateau<double>::is_state(bad));
  BOOST_TEST(ReduceLROnPlateau<double>::is_state({infinite, 0}));
}

BOOST_AUTO_TEST_SUITE_END()
