// SPDX-License-Identifier: MIT
// Training that stops and goes on from a file: its losses are bitwise those of one that never
// stopped, and a file that does not fit changes nothing.
#define BOOST_TEST_MODULE resume
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "errors.hpp"
#include "files.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/random.hpp"
#include "tapestry/data.hpp"
#include "tapestry/layers.hpp"
#include "tapestry/optim.hpp"

namespace tp = tapestry;
using tp::Array;
using tp::Generator;
using tp::Parameter;
using tp::test::read_bytes;
using tp::test::says;
using tp::test::TemporaryFolder;

namespace {

template <class T>
struct Model {
  using value_type = T;
  static constexpr tp::layers::LSTMOptions sizes{
      .input_size = 3, .hidden_size = 5, .num_layers = 2, .dropout = 0.3};
  tp::layers::LSTM<T> lstm{sizes};
  tp::layers::Linear<T> head{5, 2};

  void visit(auto&& part) {
    part("lstm", lstm);
    part("head", head);
  }
};

template <class T>
struct WithAdam {
  using type = tp::optim::Adam<T>;
  static constexpr tp::optim::AdamOptions options{.learning_rate = 0.02, .weight_decay = 0.01};
};
template <class T>
struct WithSGD {
  using type = tp::optim::SGD<T>;
  static constexpr tp::optim::SGDOptions options{
      .learning_rate = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01};
};
using Kinds = std::tuple<std::tuple<float, WithAdam<float>>, std::tuple<double, WithAdam<double>>,
                         std::tuple<float, WithSGD<float>>, std::tuple<double, WithSGD<double>>>;

/// A whole training run: dropout draws from the default generator, inputs from one of its own, the
/// state is carried from step to step, and the learning rate shrinks by what it was.
template <class T, class With>
struct Run {
  Model<T> model;
  typename With::type optimizer{tp::parameters(model), With::options};
  Generator inputs{3};
  typename tp::layers::LSTM<T>::Carry carry{};
  std::int64_t step = 0;

  void visit(auto&& part) {
    part("", model);
    part("optimizer", optimizer);
    part("generator", tp::default_generator());
    part("inputs", inputs);
    part("h", carry.h);
    part("c", carry.c);
    part("step", step);
  }

  T train_step() {
    tp::Tape<T> tape;
    Array<T> x = Array<T>::from_shape({4, 2, 3});
    for (T& value : x) value = static_cast<T>(inputs.normal());
    const auto [output, state] = model.lstm(tape.constant(x), carry);
    const auto loss = tp::mean(tp::square(model.head(output) - T{1}));
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    optimizer.set_learning_rate(optimizer.learning_rate() * 0.9);
    carry = state.carry();
    ++step;
    return loss.value()();
  }

  std::vector<T> train(int steps) {
    std::vector<T> losses;
    for (int i = 0; i < steps; ++i) losses.push_back(train_step());
    return losses;
  }
};

template <class T>
std::vector<T> joined(std::vector<T> a, const std::vector<T>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

template <class Kind>
using RunOf = Run<std::tuple_element_t<0, Kind>, std::tuple_element_t<1, Kind>>;
using AdamRun = Run<float, WithAdam<float>>;
using SGDRun = Run<float, WithSGD<float>>;

/// 10 steps in one go, from a model that depends on the seed.
template <class AnyRun>
auto uninterrupted() {
  tp::seed(7);
  AnyRun run;
  return run.train(10);
}

/// The bytes of all that a run consists of.
template <class AnyRun>
std::string content(AnyRun& run) {
  const TemporaryFolder folder;
  tp::save(run, folder / "x");
  return read_bytes(folder / "x");
}

struct Larger {
  Model<float> model;
  std::vector<Parameter<float>> more{1};
  void visit(auto&& part) {
    part("", model);
    part("more", more);
  }
};

/// A run after 5 steps, in a file.
struct Saved {
  TemporaryFolder folder;
  std::string path = folder / "run.safetensors";
  std::vector<float> losses;
  Saved() {
    tp::seed(7);
    AdamRun run;
    losses = run.train(5);
    tp::save(run, path);
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(losses_are_those_of_a_run_that_never_stopped, Kind, Kinds) {
  const TemporaryFolder folder;
  tp::seed(7);
  RunOf<Kind> first;
  const auto before = first.train(5);
  tp::save(first, folder / "x.safetensors");
  tp::save_npz(first, folder / "x.npz");
  const auto expected = uninterrupted<RunOf<Kind>>();

  for (const bool npz : {false, true}) {
    tp::seed(100);
    RunOf<Kind> second;
    tp::default_generator().normal();
    if (npz)
      tp::load_npz(second, folder / "x.npz");
    else
      tp::load(second, folder / "x.safetensors");
    BOOST_TEST(second.step == 5);
    BOOST_TEST(joined(before, second.train(5)) == expected, boost::test_tools::per_element());
  }
}

BOOST_FIXTURE_TEST_CASE(the_same_as_a_bundle_in_another_order, Saved) {
  tp::seed(100);
  AdamRun run;
  Model<float> model;
  auto parts = tp::bundle(model, tp::default_generator(), tp::named("step", run.step),
                          tp::named("inputs", run.inputs), tp::named("h", run.carry.h),
                          tp::named("c", run.carry.c));
  tp::load(parts, path, {.ignore_surplus = true});
  BOOST_TEST(model.head.weight().name() == "head.weight");

  // Loading into an optimizer that was made over a model which has been loaded already.
  tp::load(run, path);
  const std::string whole = content(run);
  tp::save(tp::bundle(run.model, run.optimizer, tp::default_generator(),
                      tp::named("inputs", run.inputs), tp::named("h", run.carry.h),
                      tp::named("c", run.carry.c), tp::named("step", run.step)),
           path);
  BOOST_TEST(read_bytes(path) == whole);
  const auto resumed = joined(losses, run.train(5));
  BOOST_TEST(resumed == uninterrupted<AdamRun>(), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(batches_and_carried_states_go_on) {
  const TemporaryFolder folder;
  Model<float> model;
  tp::Indices tokens = tp::Indices::from_shape({61});
  std::iota(tokens.begin(), tokens.end(), 0);
  tp::data::SequenceBatches batches(tokens, {.steps = 5, .batch = 2});
  tp::layers::LSTM<float>::Carry carry;
  carry.h = Array<float>({{{1.0F, 2.0F}}});
  carry.c = Array<float>({{{3.0F, 4.0F}}});
  for (int i = 0; i < 4; ++i) static_cast<void>(batches.next());
  tp::save(tp::bundle(model, tp::named("batches", batches), tp::named("carry", carry)),
           folder / "run");
  tp::data::SequenceBatches resumed(tokens, {.steps = 5, .batch = 2});
  tp::layers::LSTM<float>::Carry other;
  tp::load(tp::bundle(model, tp::named("batches", resumed), tp::named("carry", other)),
           folder / "run");
  BOOST_TEST((resumed.next().tokens == batches.next().tokens));
  BOOST_TEST((other.h == carry.h));
  BOOST_TEST((other.c == carry.c));
}

// Each part is needed: without it, the losses that follow are others.
BOOST_FIXTURE_TEST_CASE(no_part_is_idle, Saved) {
  const auto expected = uninterrupted<AdamRun>();
  const auto losses_with = [&](auto&& parts_of) {
    tp::seed(100);
    AdamRun run;
    tp::load(parts_of(run), path, {.ignore_surplus = true});
    return joined(losses, run.train(5));
  };
  using tp::bundle, tp::named, tp::default_generator;
  const auto all = losses_with([](AdamRun& r) {
    return bundle(r.model, r.optimizer, default_generator(), named("inputs", r.inputs),
                  named("h", r.carry.h), named("c", r.carry.c));
  });
  BOOST_TEST((all == expected));
  const auto no_optimizer = losses_with([](AdamRun& r) {
    return bundle(r.model, default_generator(), named("inputs", r.inputs), named("h", r.carry.h),
                  named("c", r.carry.c));
  });
  BOOST_TEST((no_optimizer != expected));
  const auto no_dropout = losses_with([](AdamRun& r) {
    return bundle(r.model, r.optimizer, named("inputs", r.inputs), named("h", r.carry.h),
                  named("c", r.carry.c));
  });
  BOOST_TEST((no_dropout != expected));
  const auto no_inputs = losses_with([](AdamRun& r) {
    return bundle(r.model, r.optimizer, default_generator(), named("h", r.carry.h),
                  named("c", r.carry.c));
  });
  BOOST_TEST((no_inputs != expected));
  const auto no_carry = losses_with([](AdamRun& r) {
    return bundle(r.model, r.optimizer, default_generator(), named("inputs", r.inputs));
  });
  BOOST_TEST((no_carry != expected));
}

BOOST_FIXTURE_TEST_CASE(the_model_alone_comes_out_of_the_file, Saved) {
  Model<float> model;
  const std::string before = content(model);
  try {
    tp::load(model, path);
    BOOST_ERROR("surplus went unnoticed");
  } catch (const tp::FileError& error) {
    const std::string text = error.what();
    BOOST_TEST(text.starts_with("[load] " + path +
                                ": 36 problems: 'optimizer.Adam.learning_rate' is not in the model;"
                                " 'optimizer.Adam.step.lstm.weight_ih_l0' is not in the model; "));
    BOOST_TEST(text.ends_with("; 'step' is not in the model"));
  }
  BOOST_TEST(content(model) == before);

  tp::load(model, path, {.ignore_surplus = true});
  AdamRun run;
  tp::load(run, path);
  BOOST_TEST(content(model) == content(run.model));

  // Missing is still missing, and nothing is loaded then.
  Larger larger;
  const std::string untouched = content(larger);
  BOOST_CHECK_EXCEPTION(tp::load(larger, path, {.ignore_surplus = true}), tp::FileError,
                        says("[load] " + path + ": 1 problem: 'more.0' is missing"));
  BOOST_TEST(content(larger) == untouched);
}

namespace {

/// A model of one parameter and an optimizer that has taken a step.
template <class Optimizer>
struct Small {
  Parameter<float> w{Array<float>{1, 2}, "w"};
  Optimizer optimizer;
  Generator generator{1};

  explicit Small(auto options) : optimizer(tp::ParameterList<float>{&w}, options) {
    w.grad().fill(0.5f);
    optimizer.step();
    generator.normal();
  }
  void visit(auto&& part) {
    part("w", w);
    part("optimizer", optimizer);
    part("generator", generator);
  }
};
using SmallAdam = Small<tp::optim::Adam<float>>;
using SmallSGD = Small<tp::optim::SGD<float>>;

/// What makes the file of a SmallSGD, from numbers of one's own.
struct Forged {
  Parameter<float> w{Array<float>{1, 2}};
  Array<double> rate{0.25};
  std::uint64_t step = 1;
  Generator::State state = Generator(5).state();
  Array<std::uint64_t> generator = Array<std::uint64_t>::from_shape({state.size()});

  void visit(auto&& part) {
    std::copy(state.begin(), state.end(), generator.begin());
    part("w", w);
    part("optimizer.SGD.learning_rate", rate);
    part("optimizer.SGD.step.w", step);
    part("generator", generator);
  }
};

struct Fixture {
  TemporaryFolder folder;
  std::string path = folder / "x";

  /// Loads the file, expects "[load] path: " and `text`, and that nothing has changed.
  void expect(auto& parts, const std::string& text) {
    const std::string before = content(parts);
    BOOST_CHECK_EXCEPTION(tp::load(parts, path), tp::FileError,
                          says("[load] " + path + ": " + text));
    BOOST_TEST(content(parts) == before);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(misfits, Fixture)

BOOST_AUTO_TEST_CASE(another_optimizer) {
  SmallAdam adam(tp::optim::AdamOptions{});
  adam.w.value().fill(9);
  tp::save(adam, path);
  SmallSGD sgd(tp::optim::SGDOptions{.momentum = 0.9});
  expect(sgd,
         "7 problems: 'optimizer.SGD.learning_rate' is missing; 'optimizer.SGD.step.w' is missing; "
         "'optimizer.SGD.momentum_buffer.w' is missing; 'optimizer.Adam.learning_rate' is not in "
         "the model; 'optimizer.Adam.step.w' is not in the model; 'optimizer.Adam.exp_avg.w' is "
         "not in the model; 'optimizer.Adam.exp_avg_sq.w' is not in the model");
  SmallSGD without_momentum(tp::optim::SGDOptions{});
  tp::save(without_momentum, path);
  expect(sgd, "1 problem: 'optimizer.SGD.momentum_buffer.w' is missing");
}

BOOST_AUTO_TEST_CASE(other_parameters_and_parts) {
  Parameter<float> u{Array<float>{1, 2, 3}, "w"}, v{Array<float>{4}, "v"};
  tp::optim::SGD<float> optimizer({&u, &v}, {.momentum = 0.9});
  SmallSGD sgd(tp::optim::SGDOptions{.momentum = 0.9});
  std::int32_t generator = 3;
  std::vector<Parameter<float>> model;
  tp::save(tp::bundle(model, optimizer, tp::named("generator", generator), tp::named("w", u)),
           path);
  u.set_name("w");
  tp::save(tp::bundle(model, optimizer, tp::named("generator", generator)), path);
  expect(sgd,
         "6 problems: 'w' is missing; 'optimizer.SGD.momentum_buffer.w' has shape (3,) in the "
         "file, (2,) in the model; 'generator' is I32 in the file, U64 in the model; 'generator' "
         "has shape () in the file, (315,) in the model; 'optimizer.SGD.step.v' is not in the "
         "model; 'optimizer.SGD.momentum_buffer.v' is not in the model");
}

BOOST_AUTO_TEST_CASE(numbers_that_cannot_be) {
  SmallSGD sgd(tp::optim::SGDOptions{});
  const std::string rate = "'optimizer.SGD.learning_rate': its numbers make no sense";
  Forged forged;
  for (const double bad :
       {-0.5, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    forged.rate(0) = bad;
    tp::save(forged, path);
    expect(sgd, "1 problem: " + rate);
  }
  forged.state.back() = ~std::uint64_t{0};  // a NaN
  tp::save(forged, path);
  expect(sgd, "2 problems: " + rate + "; 'generator': its numbers make no sense");
  forged.state = Generator(5).state();
  forged.rate(0) = 0.25;
  tp::save(forged, path);
  tp::load(sgd, path);
  BOOST_TEST(sgd.optimizer.learning_rate() == 0.25);
  BOOST_TEST(sgd.generator.bits() == Generator(5).bits());
}

BOOST_AUTO_TEST_CASE(arrays_take_a_shape_only_when_they_have_none) {
  std::vector<Parameter<float>> model;
  Array<float> in_file = Array<float>::from_shape({2, 1, 3});
  in_file.fill(4);
  tp::save(tp::bundle(model, tp::named("h", in_file)), path);
  Array<float> none = Array<float>::from_shape({0}), other = Array<float>::from_shape({2, 3});
  other.fill(1);
  tp::load(tp::bundle(model, tp::named("h", none)), path);
  BOOST_TEST((none == in_file));
  auto parts = tp::bundle(model, tp::named("h", other));
  expect(parts, "1 problem: 'h' has shape (2, 1, 3) in the file, (2, 3) in the model");
  const Array<float> nine_axes = Array<float>::from_shape({1, 1, 1, 1, 1, 1, 1, 1, 1});
  Array<float> deep = nine_axes, empty = Array<float>::from_shape({0});
  tp::save(tp::bundle(model, tp::named("h", deep)), path);
  auto takes_any = tp::bundle(model, tp::named("h", empty));
  expect(takes_any,
         "1 problem: 'h' has shape (1, 1, 1, 1, 1, 1, 1, 1, 1) in the file, arrays have at most 8 "
         "axes");
  std::string header =
      R"({"h":{"dtype":"F32","shape":[0,67440737095552,8446744073709551615],"data_offsets":[0,0]}})";
  header.resize(96, ' ');
  tp::test::write_bytes(path, std::string{96, 0, 0, 0, 0, 0, 0, 0} + header);
  expect(
      takes_any,
      "1 problem: 'h' has the absurd shape (0, 67440737095552, 8446744073709551615) in the file");
}

BOOST_AUTO_TEST_CASE(names_in_a_bundle) {
  Parameter<float> unnamed{Array<float>{1}};
  tp::optim::SGD<float> one({&unnamed}, {.momentum = 0.9}), two({&unnamed}, {.momentum = 0.9});
  std::vector<Parameter<float>> model;
  BOOST_CHECK_EXCEPTION(tp::save(tp::bundle(model, one, two), path), tp::ArgumentError,
                        says("[save] two parameters have the name 'optimizer.SGD.learning_rate'"));
  auto both = tp::bundle(model, tp::named("first", one), tp::named("second", two));
  std::string names;
  tp::for_each_part(both, [&](std::string_view path, auto& part) {
    if constexpr (tp::detail::is_saved<std::remove_cvref_t<decltype(part)>>)
      names += std::string(path) + " ";
  });
  BOOST_TEST(names ==
             "first.SGD.learning_rate first.SGD.step.0 first.SGD.momentum_buffer.0 "
             "second.SGD.learning_rate second.SGD.step.0 second.SGD.momentum_buffer.0 ");
}

BOOST_AUTO_TEST_CASE(numbers_of_all_kinds) {
  std::vector<Parameter<float>> model;
  const auto all = [&model](auto& i32, auto& u32, auto& i64, auto& u64, auto& f, auto& d) {
    return tp::bundle(model, tp::named("i32", i32), tp::named("u32", u32), tp::named("i64", i64),
                      tp::named("u64", u64), tp::named("f", f), tp::named("d", d));
  };
  std::int32_t i32 = -2'000'000'000, i = 0;
  std::uint32_t u32 = 4'000'000'000, u = 0;
  std::int64_t i64 = std::numeric_limits<std::int64_t>::min(), l = 0;
  std::uint64_t u64 = ~std::uint64_t{0}, m = 0;
  float f = 0.1f, g = 0;
  double d = 1e-300, e = 0;
  tp::save(all(i32, u32, i64, u64, f, d), path);
  tp::load(all(i, u, l, m, g, e), path);
  BOOST_TEST((i == i32 && u == u32 && l == i64 && m == u64 && g == f && e == d));
  tp::save_npz(all(i32, u32, i64, u64, f, d), path);
  i = 0, u = 0, l = 0, m = 0, g = 0, e = 0;
  tp::load_npz(all(i, u, l, m, g, e), path);
  BOOST_TEST((i == i32 && u == u32 && l == i64 && m == u64 && g == f && e == d));
}

BOOST_AUTO_TEST_SUITE_END()
