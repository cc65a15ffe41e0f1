// SPDX-License-Identifier: MIT
// What a user can do to the way gradients flow: stop, scale, watch, replace, keep, recompute.
#define BOOST_TEST_MODULE controls
#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "allocations.hpp"
#include "errors.hpp"
#include "expect_grad.hpp"
#include "tapestry/layers/linear.hpp"
#include "tapestry/layers/lstm.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry::test {
namespace {

using Types = std::tuple<float, double>;
constexpr GradientOptions differentiable{.differentiable = true};

template <class A, class B>
bool same_bits(const A& a, const B& b) {
  return a.size() == b.size() && std::equal(a.data(), a.data() + a.size(), b.data());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gradients_can_be_stopped_scaled_and_reversed, T, Types) {
  Tape<T> tape;
  const auto x = tape.variable({T{1}, T{2}}, "x");
  const std::size_t used = tape.memory_used();
  const auto stopped = stop_gradient(x);
  const auto scaled = scale_gradient(x, 0.25);
  const auto reversed = scale_gradient(x, -1);
  BOOST_TEST(stopped.value().data() == x.value().data());
  BOOST_TEST(scaled.value().data() == x.value().data());
  BOOST_TEST(tape.memory_used() - used <= 64u);  // the factors
  BOOST_TEST(!stopped.requires_grad());
  sum(square(scaled) + T{10} * reversed + stopped * x).backward();
  BOOST_TEST(x.grad()(0) == T(0.5 - 10 + 1));
  BOOST_TEST(x.grad()(1) == T(1 - 10 + 2));
  const auto [dx] = gradients(sum(square(scaled)), {x}, differentiable);
  const auto [ddx] = gradients(sum(dx), {x});
  BOOST_TEST(ddx.value()(0) == T(0.125));  // the factor counts for each order
  BOOST_CHECK_THROW(scale_gradient(x, std::nan("")), ArgumentError);
}

BOOST_AUTO_TEST_CASE(a_hook_sees_the_whole_gradient_once_and_can_replace_it) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto h = square(x);
  std::vector<Values> seen;
  h.register_hook([&](const Variable<double>& g) { seen.emplace_back(g.value()); });
  const auto doubled = h.register_hook([](const auto& g) { return g * 2.0; });
  h.register_hook([&](const auto& g) { seen.emplace_back(g.value()); });
  const auto y = sum(h * 3.0) + sum(h) + sum(sqrt(h));
  y.backward();
  BOOST_REQUIRE(seen.size() == 2u);
  expect_close(seen[0], {4.5, 4.25}, 0, "complete");
  expect_close(seen[1], {9, 8.5}, 0, "after the second hook");
  expect_close(as_values(h.grad()), {9, 8.5}, 0, "kept");
  expect_close(as_values(x.grad()), {18, 34}, 0, "behind the hooks");
  doubled.remove();
  tape.zero_grad();
  y.backward();
  BOOST_TEST(seen.size() == 4u);
  expect_close(as_values(x.grad()), {9, 17}, 0, "after removal");
  doubled.remove();
  tape.clear();
  doubled.remove();
}

BOOST_AUTO_TEST_CASE(hooks_of_leaves_see_the_total_of_the_pass) {
  Parameter<double> p(Values{1.0, 2.0}, "p");
  Tape<double> tape;
  const auto x = tape.variable({3.0, 4.0}, "x");
  const auto w = tape.watch(p);
  std::vector<Values> of_x;
  std::vector<Values> of_w;
  x.register_hook([&](const auto& g) { of_x.emplace_back(g.value()); });
  w.register_hook([&](const auto& g) {
    of_w.emplace_back(g.value());
    return g * 10.0;
  });
  const auto y = sum(x * w) + sum(x) + sum(w * w);
  for (int pass = 1; pass <= 2; ++pass) {
    y.backward();
    BOOST_REQUIRE(of_x.size() == static_cast<std::size_t>(pass));
    BOOST_REQUIRE(of_w.size() == static_cast<std::size_t>(pass));
    expect_close(of_x.back(), {2, 3}, 0, "x, this pass");
    expect_close(of_w.back(), {5, 8}, 0, "w, this pass");
    expect_close(as_values(x.grad()), {2.0 * pass, 3.0 * pass}, 0, "x, all passes");
    expect_close(as_values(p.grad()), {50.0 * pass, 80.0 * pass}, 0, "p, all passes");
  }
  const auto other = tape.variable(1.0);
  other.backward();  // does not reach them
  BOOST_TEST(of_x.size() == 2u);
  x.backward({1.0, 1.0});  // the root itself is a leaf
  expect_close(of_x.back(), {1, 1}, 0, "as a root");
  expect_close(as_values(x.grad()), {5, 7}, 0, "as a root");
}

BOOST_AUTO_TEST_CASE(hooks_take_part_in_gradients) {
  Parameter<double> p(Values{2.0}, "p");
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto w = tape.watch(p);
  const auto h = x * w;
  x.register_hook([](const auto& g) { return g * g; });
  w.register_hook([](const auto& g) { return g + 1.0; });
  h.register_hook([](const auto& g) { return g * 3.0; });
  const auto y = sum(h * x);
  for (const bool record : {false, true}) {
    const auto [dx, dw, dh] = gradients(y, {x, w, h}, {.differentiable = record});
    expect_close(as_values(dh.value()), {3, 6}, 0, "by h");
    expect_close(as_values(dw.value()), {3 * 1 + 6 * 2 + 1}, 0, "by w");
    expect_close(as_values(dx.value()), {8 * 8, 16 * 16}, 0, "by x");
    BOOST_TEST(dx.requires_grad() == record);
  }
  BOOST_TEST(!p.has_grad());
  // (h + 3 x w)² by the hooks of h and x; h, as it stands here, depends on w through its hook, too.
  const auto [dx] = gradients(y, {x}, differentiable);
  const auto [dw] = gradients(sum(dx), {w});
  BOOST_TEST(dw.item() == 96 * 5 + 1);
}

BOOST_AUTO_TEST_CASE(hooks_that_go_wrong_leave_a_working_tape) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto c = tape.constant(1.0, "c");
  const auto h = square(x).named("h");
  const auto y = sum(h);
  y.backward();
  const auto wrong = h.register_hook([](const auto& g) { return sum(g); });
  BOOST_CHECK_EXCEPTION(y.backward(), ShapeError,
                        says("[register_hook] a hook of 'h' returned a gradient of shape (), not "
                             "(2,)"));
  wrong.remove();
  const auto throwing = x.register_hook([](const auto&) { throw std::runtime_error("no"); });
  BOOST_CHECK_THROW(y.backward(), std::runtime_error);
  throwing.remove();
  Variable<double> stolen;
  x.register_hook([&](const auto& g) { stolen = g; });
  tape.zero_grad();
  y.backward();
  expect_close(as_values(x.grad()), {2, 4}, 0, "afterwards");
  BOOST_TEST(!stolen.valid());
  BOOST_CHECK_EXCEPTION(c.register_hook([](const auto&) {}), GradientError,
                        says("[register_hook] 'c' needs no gradient: it is a constant, or was "
                             "computed from constants or without recording"));
}

BOOST_AUTO_TEST_CASE(hooks_go_with_what_they_belong_to) {
  auto counter = std::make_shared<int>(0);
  {
    Tape<double> tape;
    const auto x = tape.variable(2.0);
    const auto mark = tape.mark();
    square(x).register_hook([counter](const auto&) { ++*counter; });
    BOOST_TEST(counter.use_count() == 2);
    tape.rewind(mark);
    BOOST_TEST(counter.use_count() == 1);
    x.register_hook([counter, x](const auto&) { ++*counter; });  // holds a variable of its tape
    square(x).backward();
    BOOST_TEST(*counter == 1);
  }
  BOOST_TEST(counter.use_count() == 1);
}

/// Bytes allocated by `f`, copies included.
template <class F>
std::size_t bytes_of(const F& f) {
  const std::size_t before = allocated_bytes();
  f();
  return allocated_bytes() - before;
}

// Here and below: that the instructions are not quadratic either is seen by overhead/growth.
BOOST_AUTO_TEST_CASE(the_memory_for_hooks_grows_with_their_number) {
  const auto run = [](int n) {
    Tape<float> tape;
    int called = 0;
    const auto x = tape.variable(1.0F);
    auto y = x;
    for (int i = 0; i < n; ++i) {
      const auto leaf = tape.variable(0.0F);
      leaf.register_hook([&](const auto&) { ++called; });
      y = y + leaf;
      y.register_hook([&](const auto&) { ++called; });
    }
    y.backward();
    BOOST_TEST(called == 2 * n);
    BOOST_TEST(x.grad()() == 1);
  };
  BOOST_TEST(bytes_of([&] { run(20000); }) < 20 * bytes_of([&] { run(2000); }));
}

BOOST_AUTO_TEST_CASE(the_memory_for_a_checkpoint_grows_with_what_it_uses) {
  const auto run = [](int n) {
    Tape<float> tape;
    std::vector<Variable<float>> outside;
    for (int i = 0; i < n; ++i) outside.push_back(tape.variable(1.0F));
    const auto y = checkpoint(
        [&](const auto& x) {
          auto total = x;
          for (const Variable<float>& v : outside) total = total + v;
          return total;
        },
        outside[0]);
    BOOST_TEST(y.item() == static_cast<float>(n + 1));
  };
  BOOST_TEST(bytes_of([&] { run(100000); }) < 20 * bytes_of([&] { run(10000); }));
}

BOOST_AUTO_TEST_CASE(gradients_of_results_can_be_retained) {
  Tape<double> tape;
  const auto x = tape.variable(sample({600}, -1, 1), "x");  // large enough to be given back
  const auto build = [&](bool retain) {
    const auto h = tanh(x);
    if (retain) BOOST_TEST(h.retain_grad().index() == h.index());
    return std::pair(h.index(), sum(square(h)));
  };
  const auto [lost, first] = build(false);
  const auto [kept, second] = build(true);
  tape.backward(std::vector<Variable<double>>{first, second});
  BOOST_TEST(tape.state().entries[lost].grad == nullptr);
  BOOST_REQUIRE(tape.state().entries[kept].grad != nullptr);
  BOOST_TEST(tape.state().entries[kept].grad[5] == 2 * std::tanh(x.value()(5)));
  BOOST_CHECK_THROW(tape.constant(1.0).retain_grad(), GradientError);
}

BOOST_AUTO_TEST_CASE(a_frozen_parameter_gets_no_gradient) {
  layers::Linear<double> first(3, 4);
  layers::Linear<double> second(4, 2);
  first.weight().set_requires_grad(false);
  const auto run = [&] {
    Tape<double> tape;
    const auto x = tape.constant(sample({5, 3}, -1, 1));
    sum(square(second(tanh(first(x))))).backward();
  };
  run();
  BOOST_TEST(!first.weight().has_grad());
  BOOST_TEST(first.bias().has_grad());
  BOOST_TEST(second.weight().has_grad());
  const Values expected(first.bias().grad());
  first.weight().set_requires_grad(true);
  first.bias().zero_grad();
  run();
  BOOST_TEST(first.weight().has_grad());
  BOOST_TEST(same_bits(first.bias().grad(), expected));
}

// Checkpoints ------------------------------------------------------------------------------------

/// A network of blocks with weights used several times, dropout, and something from outside.
template <class T>
struct Net {
  using value_type = T;
  layers::LSTM<T> lstm{{.input_size = 3, .hidden_size = 4, .num_layers = 2, .dropout = 0.5}};
  layers::Linear<T> mix{4, 3};
  Parameter<T> scale{Array<T>{T(0.5), T(1.5), T(2)}, "scale"};

  auto visit(auto&& part) { return part("lstm", lstm), part("mix", mix), part("scale", scale); }

  /// Blocks with tied weights; x and `bias` are used within and without.
  Variable<T> operator()(Tape<T>& tape, const Variable<T>& x, const Variable<T>& bias,
                         bool checkpoints) {
    const auto block = [this, &tape, bias](const Variable<T>& v) {
      const auto s = tape.watch(scale);
      const auto h = dropout(tanh(mix(lstm(v * s).output)), 0.25);
      return h * tape.watch(scale) + v * bias;
    };
    Variable<T> h = x * bias;
    for (int i = 0; i < 3; ++i) h = checkpoints ? checkpoint(block, h) : block(h);
    return sum(square(h) * x) + sum(bias);
  }
};

/// Runs f(checkpoints) both ways from one state of the generator, and compares the numbers.
template <class F>
void expect_same_bits(const F& f) {
  seed(5);
  const auto plain = f(false);
  const double next = default_generator().uniform();
  seed(5);
  const auto checked = f(true);
  BOOST_TEST(default_generator().uniform() == next);
  BOOST_REQUIRE(plain.size() == checked.size());
  for (std::size_t i = 0; i < plain.size(); ++i)
    BOOST_TEST(same_bits(plain[i], checked[i]), "array " << i);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_checkpoint_has_exactly_the_same_gradients, T, Types) {
  Net<T> net;
  const Array<T> input(sample({4, 2, 3}, -1, 1));
  expect_same_bits([&](bool checkpoints) {
    Tape<T> tape;
    for (Parameter<T>* p : parameters(net)) p->zero_grad();
    const auto x = tape.variable(input, "x");
    const auto bias = tape.variable({T(0.1), T(0.2), T(0.3)}, "bias");
    const auto y = net(tape, x, bias, checkpoints);
    y.backward();
    y.backward();  // a second pass adds the same again
    std::vector<Array<T>> arrays{Array<T>(y.value()), Array<T>(x.grad()), Array<T>(bias.grad())};
    for (Parameter<T>* p : parameters(net)) {
      BOOST_TEST(p->has_grad());
      arrays.push_back(p->grad());
    }
    return arrays;
  });
}

BOOST_AUTO_TEST_CASE(checkpoints_within_checkpoints) {
  Net<double> net;
  expect_same_bits([&](bool checkpoints) {
    Tape<double> tape;
    for (Parameter<double>* p : parameters(net)) p->zero_grad();
    const auto x = tape.variable(sample({4, 2, 3}, -1, 1), "x");
    const auto bias = tape.variable({0.1, 0.2, 0.3}, "bias");
    const auto whole = [&](const auto& v) { return net(tape, v, bias, checkpoints); };
    const auto y = checkpoints ? checkpoint(whole, x) : whole(x);
    y.backward();
    const auto [dx, db] = gradients(y, {x, bias});
    std::vector<Values> arrays{Values(y.value()), Values(x.grad()), Values(bias.grad()),
                               Values(dx.value()), Values(db.value())};
    for (Parameter<double>* p : parameters(net)) arrays.push_back(p->grad());
    return arrays;
  });
}

BOOST_AUTO_TEST_CASE(checkpoints_have_derivatives_of_any_order) {
  const auto block = [](const auto& a, const auto& b) { return tanh(a * b) * exp(a); };
  expect_grad("checkpoint",
              [=](const auto& x) { return checkpoint(block, checkpoint(block, x[0], x[1]), x[1]); },
              {{sample({2, 3}, -1, 1), sample({3}, -1, 1, 1)}});
  Net<double> net;
  ParameterList<double> list = parameters(net);
  const GradcheckResult result = gradcheck(
      [&](Tape<double>& tape) {
        seed(3);
        const auto x = tape.constant(sample({2, 2, 3}, -1, 1));
        return net(tape, x, tape.constant({0.1, 0.2, 0.3}), true);
      },
      list, {.second_order = true});
  BOOST_CHECK_MESSAGE(result.passed, result.message);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_keeps_no_intermediate_results) {
  Tape<double> tape;
  const auto x = tape.variable(sample({1000}, -1, 1), "x");
  const auto block = [](Variable<double> h) {
    for (int i = 0; i < 20; ++i) h = tanh(h * 1.1);
    return h;
  };
  const std::size_t before = tape.memory_used();
  const std::size_t entries = tape.size();
  auto h = x;
  for (int i = 0; i < 10; ++i) h = checkpoint(block, h);
  BOOST_TEST(tape.size() == entries + 10);
  BOOST_TEST(tape.memory_used() - before < 10u * 12000u);
  const auto y = sum(h);
  y.backward();
  BOOST_TEST(tape.memory_used() - before < 14u * 12000u);
  BOOST_TEST(tape.memory_peak() - before < 60u * 12000u);  // 400 without
}

BOOST_AUTO_TEST_CASE(a_checkpoint_may_return_several_results) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto [squared, same, twice] = checkpoint(
      [](const auto& v) {
        const auto s = square(v);
        return std::array{s, v, s};
      },
      x);
  const auto list = checkpoint([](const auto& v) { return split(v * 3.0, 2); }, x);
  BOOST_REQUIRE(list.size() == 2u);
  sum(squared * 10.0 + same + twice + list[1]).backward();
  expect_close(as_values(x.grad()), {2 * 11 + 1, 4 * 11 + 1 + 6}, 0, "gradient");
  const auto [dx] = gradients(sum(squared + twice) + sum(same), {x}, differentiable);
  expect_close(as_values(dx.value()), {5, 9}, 0, "recorded");
}

BOOST_AUTO_TEST_CASE(a_checkpoint_may_ask_for_gradients) {
  for (const bool record : {false, true}) {
    expect_same_bits([&](bool checkpoints) {
      Tape<double> tape;
      const auto x = tape.variable(sample({700}, 0.5, 1.5), "x");
      const auto penalised = [record](const auto& v) {
        const auto y = sum(pow(v, 3) * exp(v));
        const auto [slope] = gradients(y, {v}, {.differentiable = record});
        return sum(square(slope) * v) + y;
      };
      const auto h = tanh(x);
      const auto y = (checkpoints ? checkpoint(penalised, h) : penalised(h)) + sum(square(h));
      y.backward();
      return std::vector<Values>{Values(y.value()), Values(x.grad())};
    });
  }
}

BOOST_AUTO_TEST_CASE(what_a_checkpoint_cannot_do_it_says) {
  Tape<double> tape;
  Tape<double> other;
  Parameter<double> p(Values{1.0, 2.0}, "p");
  const auto x = tape.variable({1.0, 2.0}, "x");
  const std::size_t size = tape.size();
  BOOST_CHECK_THROW(checkpoint([](const auto& v) { return reshape(v, {3}); }, x), ShapeError);
  BOOST_CHECK_THROW(checkpoint([&](const auto&) { return other.variable(1.0); }, x), StaleVariable);
  BOOST_CHECK_EXCEPTION(checkpoint([](const auto&) { return std::vector<Variable<double>>(); }, x),
                        ArgumentError, says("[checkpoint] the segment returns nothing"));
  BOOST_TEST(tape.size() == size);
  int calls = 0;
  const auto unsteady =
      checkpoint([&](const auto& v) { return ++calls == 1 ? v * 2.0 : sum(v); }, x);
  BOOST_CHECK_EXCEPTION(sum(unsteady).backward(), GradientError,
                        says("[checkpoint] the segment gave other shapes when it was run again"));
  const auto y = checkpoint([&](const auto& v) { return sum(v * tape.watch(p)); }, x);
  y.backward();
  expect_close(as_values(x.grad()), {1, 2}, 0, "afterwards");
  p.touch();
  BOOST_CHECK_EXCEPTION(
      y.backward(), GradientError,
      says("[backward] parameter 'p' was changed between the forward pass and "
           "this backward pass; change it after backward(), or clear the tape and "
           "run the forward pass again"));
}

BOOST_AUTO_TEST_CASE(a_checkpoint_that_is_not_recorded_just_runs) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  int calls = 0;
  const auto f = [&](const auto& v) {
    ++calls;
    return square(v) + v;
  };
  {
    const auto off = tape.no_grad();
    BOOST_TEST(checkpoint(f, x).value()(1) == 6);
  }
  tape.set_primitive(true);
  sum(checkpoint(f, x)).backward();
  BOOST_TEST(calls == 2);
  BOOST_TEST(x.grad()(1) == 5);
}

BOOST_AUTO_TEST_CASE(hooks_work_within_checkpoints) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  int calls = 0;
  const auto y = checkpoint(
      [&](const auto& v) {
        const auto h = square(v);
        h.register_hook([&](const auto& g) {
          ++calls;
          return g * 2.0;
        });
        return sum(h);
      },
      x);
  y.backward();
  BOOST_TEST(calls == 1);
  expect_close(as_values(x.grad()), {4, 8}, 0, "gradient");
}

}  // namespace
}  // namespace tapestry::test
