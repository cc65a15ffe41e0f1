// SPDX-License-Identifier: MIT
// Things that change or end while others still refer to them: gradients that hooks keep, parameters
// between forward and backward, tapes during a pass. Meant for the address sanitizer too.
#define BOOST_TEST_MODULE lifetime
#include <boost/test/unit_test.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "line_model.hpp"
#include "tapestry/tapestry.hpp"

namespace tapestry::test {
namespace {

using Types = std::tuple<float, double>;
using Values = Array<double>;

// Gradients that hooks keep ----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE_TEMPLATE(a_gradient_that_a_hook_keeps_goes_stale, T, Types) {
  Tape<T> tape;
  const auto x = tape.variable({T{1}, T{2}}, "x");
  const auto h = x * T{3};
  Variable<T> last;
  int calls = 0;
  h.register_hook([&](const Variable<T>& g) {
    BOOST_TEST(!last.valid());
    last = g;
    ++calls;
  });
  const auto y = sum(h * T{5});
  for (int pass = 0; pass < 3; ++pass) y.backward();
  const auto later = tape.constant({T{100}, T{100}});
  BOOST_TEST(calls == 3);
  BOOST_TEST(!last.valid());
  BOOST_CHECK_THROW(static_cast<void>(last.value()), StaleVariable);
}

/// Keeps the gradient that its rule is given, in place of the one that it kept before.
struct Keeping {
  static constexpr auto name = "keeping";
  static constexpr Saves saves = save_nothing;
  std::shared_ptr<Variable<double>> kept;

  [[nodiscard]] Shape infer(const Shape& x) const { return x; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    std::copy_n(x.data, x.size(), y.data);
  }
  auto backward(const auto& g, const auto&, const auto&) const {
    if constexpr (requires { *kept = g; }) *kept = g;
    return g * 1.0;
  }
};

BOOST_AUTO_TEST_CASE(a_gradient_that_a_rule_keeps_goes_stale) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  const auto kept = std::make_shared<Variable<double>>();
  const auto y = sum(apply(Keeping{kept}, x) * 5.0);
  for (int pass = 0; pass < 3; ++pass) {
    y.backward();
    BOOST_TEST(!kept->valid());
    const auto other = tape.constant({100.0, 100.0});
    BOOST_TEST(!kept->valid());
  }
}

// Parameters between forward and backward --------------------------------------------------------

BOOST_AUTO_TEST_CASE(an_op_does_not_read_memory_that_a_parameter_no_longer_has) {
  Tape<double> tape;
  Parameter<double> p(Values{1.0, 2.0}, "p");
  const auto watched = tape.watch(p);
  const auto view = reshape(watched, {2, 1});
  const auto constant = watched.detach();
  p.value() = xt::ones<double>({3});
  for (const auto& v : {watched, view, constant}) {
    BOOST_TEST(contains(message_of<GradientError>([&] { static_cast<void>(v + 1.0); }),
                        "[add_scalar] parameter 'p' was given another array"));
    BOOST_CHECK_THROW(static_cast<void>(v.value()), GradientError);
    BOOST_CHECK_THROW(static_cast<void>(reshape(v, {1, 2})), GradientError);
    const auto off = tape.no_grad();
    BOOST_CHECK_THROW(static_cast<void>(v * v), GradientError);
  }
}

BOOST_AUTO_TEST_CASE(an_op_does_not_read_a_parameter_that_is_gone) {
  Tape<double> tape;
  std::optional<Parameter<double>> p(Values{1.0, 2.0});
  p->set_name("p");
  const auto watched = tape.watch(*p);
  const auto y = sum(square(watched));
  p.reset();
  BOOST_TEST(contains(message_of<GradientError>([&] { static_cast<void>(watched + 1.0); }),
                      "[add_scalar] parameter 'p' no longer exists"));
  BOOST_TEST(contains(message_of<GradientError>([&] { y.backward(); }), "no longer exists"));
  BOOST_CHECK_THROW(static_cast<void>(watched.value()), GradientError);
  BOOST_CHECK_THROW(static_cast<void>(watched.grad()), GradientError);
  BOOST_TEST(!to_dot(y, {.values = true, .gradients = true}).empty());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(backward_refuses_numbers_that_were_changed, T, Types) {
  using Change = void (*)(Parameter<T>&);
  const auto refuses = [](Change before, Change between) {
    Tape<T> tape;
    Parameter<T> p(Array<T>{T{2}, T{3}}, "p");
    before(p);
    const auto y = sum(square(tape.watch(p)));
    between(p);
    const std::string text = message_of<GradientError>([&] { y.backward(); });
    BOOST_TEST((text == "nothing was thrown" || contains(text, "parameter 'p' was changed")));
    return text != "nothing was thrown" && !p.has_grad();
  };
  const Change nothing = [](Parameter<T>&) {};
  const Change reads = [](Parameter<T>& p) { static_cast<void>(p.value()(0)); };
  for (const Change before : {nothing, reads}) {
    BOOST_TEST(refuses(before, [](Parameter<T>& p) { p.value()(0) = 100; }));
    BOOST_TEST(refuses(before, [](Parameter<T>& p) { p.value() *= T{-1}; }));
    BOOST_TEST(refuses(before, [](Parameter<T>& p) { p.value() = Array<T>{T{2}, T{4}}; }));
    BOOST_TEST(refuses(before, [](Parameter<T>& p) { p = Parameter<T>(Array<T>{T{9}, T{9}}); }));
    BOOST_TEST(refuses(before, [](Parameter<T>& p) {
      const Parameter<T> other(Array<T>{T{9}, T{9}});
      p = other;
    }));
    BOOST_TEST(!refuses(before, reads));
    BOOST_TEST(!refuses(before, [](Parameter<T>& p) { p.value()(0) = p.value()(0); }));
    BOOST_TEST(!refuses(before, nothing));
  }
}

BOOST_AUTO_TEST_CASE(backward_sees_what_is_written_through_an_old_reference) {
  Tape<double> tape;
  Parameter<double> p(xt::ones<double>({1000}), "p");
  auto& value = p.value();
  for (int step = 0; step < 3; ++step) {
    tape.clear();
    const auto y = sum(square(tape.watch(p))) + sum(tape.watch(p));
    value(999) += 1;
    BOOST_CHECK_THROW(y.backward(), GradientError);
    BOOST_CHECK_THROW(static_cast<void>(gradients(y, {y}, {.differentiable = true})),
                      GradientError);
  }
  tape.clear();
  const auto y = sum(square(tape.watch(p)));
  y.backward();
  BOOST_TEST(p.grad()(999) == 8.0);
}

BOOST_AUTO_TEST_CASE(a_rule_by_hand_after_backward_is_seen_by_the_next_pass_over_the_same_tape) {
  Tape<double> tape;
  Parameter<double> p(Values{2.0}, "p");
  const auto y = sum(square(tape.watch(p)));
  y.backward();
  p.value() -= 0.1 * p.grad();
  BOOST_CHECK_THROW(y.backward(), GradientError);
}

BOOST_AUTO_TEST_CASE(a_hook_cannot_change_what_the_pass_still_needs) {
  Tape<double> tape;
  Parameter<double> p(Values{2.0}, "p");
  const auto h = square(tape.watch(p));
  h.register_hook([&](const auto&) { p.value()(0) = 50; });
  BOOST_CHECK_THROW(sum(h).backward(), GradientError);
}

BOOST_AUTO_TEST_CASE(the_tape_follows_a_parameter_that_moves) {
  Tape<double> tape;
  auto model = std::make_unique<Line>();
  const auto y = sum(square(tape.watch(model->w)));
  Line moved = std::move(*model);
  model.reset();
  y.backward();
  BOOST_TEST(moved.w.grad()(0) == 4.0);
}

// Tapes during a pass ----------------------------------------------------------------------------

/// Calls `action` in a hook of a pass over a fresh tape, and returns what the pass said.
template <class Action>
std::string in_a_hook(const Action& action) {
  auto tape = std::make_unique<Tape<double>>();
  const auto mark = tape->mark();
  const auto x = tape->variable({1.0, 2.0}, "x");
  const auto h = square(x);
  const auto y = sum(exp(h));
  const auto later = tape->mark();
  h.register_hook([&](const auto&) { action(tape, y, mark, later); });
  return message_of<GradientError>([&] { y.backward(); });
}

BOOST_AUTO_TEST_CASE(what_a_pass_works_on_cannot_be_taken_away) {
  const std::string busy = "a gradient pass runs over this tape";
  BOOST_TEST(contains(in_a_hook([](auto& t, auto&, auto&, auto&) { t->clear(); }), busy));
  BOOST_TEST(contains(in_a_hook([](auto& t, auto&, auto& m, auto&) { t->rewind(m); }), busy));
  BOOST_TEST(contains(in_a_hook([](auto& t, auto&, auto&, auto& m) { t->rewind(m); }), busy));
  BOOST_TEST(contains(in_a_hook([](auto& t, auto&, auto&, auto&) { t->zero_grad(); }), busy));
  BOOST_TEST(contains(in_a_hook([](auto&, auto& y, auto&, auto&) { y.backward(); }), busy));
  BOOST_TEST(contains(
      in_a_hook([](auto&, auto& y, auto&, auto&) { static_cast<void>(gradients(y, {y})); }), busy));
  BOOST_TEST(contains(in_a_hook([](auto& t, auto&, auto&, auto&) { t.reset(); }),
                      "the tape was destroyed"));
}

BOOST_AUTO_TEST_CASE(a_hook_that_throws_leaves_a_tape_that_can_be_used) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto h = square(x);
  const Hook hook = h.register_hook([&](const auto&) { tape.clear(); });
  const auto y = sum(h);
  BOOST_CHECK_THROW(y.backward(), GradientError);
  hook.remove();
  y.backward();
  BOOST_TEST(x.grad()(1) == 4.0);
  tape.clear();
}

BOOST_AUTO_TEST_CASE(hooks_of_recorded_passes_are_bound_by_the_same) {
  auto tape = std::make_unique<Tape<double>>();
  const auto x = tape->variable({1.0, 2.0}, "x");
  const auto h = square(x);
  const auto y = sum(h);
  const GradientOptions recorded{.differentiable = true};
  {
    const Hook hook = h.register_hook([&](const auto&) { tape->clear(); });
    BOOST_CHECK_THROW(static_cast<void>(gradients(y, {x}, recorded)), GradientError);
    hook.remove();
  }
  h.register_hook([&](const auto&) { tape.reset(); });
  BOOST_CHECK_THROW(static_cast<void>(gradients(y, {x}, recorded)), GradientError);
}

BOOST_AUTO_TEST_CASE(a_callback_cannot_take_the_tape_from_its_layer) {
  Tape<> tape;
  layers::RNN<> rnn({.input_size = 2, .hidden_size = 3, .activation = [&](const Variable<>& x) {
                       tape.clear();
                       return tanh(x);
                     }});
  const auto x = tape.constant(xt::ones<float>({2, 1, 2}));
  BOOST_CHECK_THROW(static_cast<void>(rnn(x)), GradientError);
  BOOST_TEST(x.valid());
  const auto mark = tape.mark();
  const auto segment = [&](const Variable<>& v) {
    tape.rewind(mark);
    return v;
  };
  const auto inner = tape.variable({1.0F});
  BOOST_CHECK_THROW(static_cast<void>(checkpoint(segment, inner)), GradientError);
}

/// Calls `action` when its value is computed, and when its gradient is.
struct Calling {
  static constexpr auto name = "calling";
  static constexpr Saves saves = save_nothing;
  std::function<void(bool)> action;

  [[nodiscard]] Shape infer(const Shape& x) const { return x; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    action(true);
    std::copy_n(x.data, x.size(), y.data);
  }
  auto backward(const auto& g, const auto&, const auto&) const {
    action(false);
    return g * 1.0;
  }
};

BOOST_AUTO_TEST_CASE(an_op_cannot_take_its_tape_away) {
  for (const bool in_forward : {true, false})
    for (const bool destroys : {false, true}) {
      auto tape = std::make_unique<Tape<double>>();
      const auto x = tape->variable({1.0, 2.0});
      const Calling op{[&](bool is_forward) {
        if (is_forward != in_forward) return;
        if (destroys)
          tape.reset();
        else
          tape->clear();
      }};
      BOOST_CHECK_THROW(sum(apply(op, x)).backward(), GradientError);
      BOOST_TEST(x.valid() == !destroys);
    }
}

BOOST_AUTO_TEST_CASE(scopes_and_switches_may_outlive_their_tape) {
  auto tape = std::make_unique<Tape<>>();
  const auto off = tape->no_grad();
  const auto scope = tape->scope("part");
  tape.reset();
}

}  // namespace
}  // namespace tapestry::test
