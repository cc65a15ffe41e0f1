// SPDX-License-Identifier: MIT
// The backward pass on arrays: what it computes, where it puts it, what it leaves out.
#define BOOST_TEST_MODULE backward
#include <boost/mpl/list.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "errors.hpp"
#include "expect_grad.hpp"

namespace tapestry::test {
namespace {

using Types = boost::mpl::list<float, double>;

BOOST_AUTO_TEST_CASE_TEMPLATE(a_chain_by_hand, T, Types) {
  Tape<T> tape;
  const auto x = tape.variable(T{2}, "x");
  const auto w = tape.variable(T{3}, "w");
  const auto y = square(w * x + T{1});  // 49
  y.backward();
  BOOST_TEST(y.item() == 49);
  BOOST_TEST(x.grad()() == 42);  // 2 * 7 * 3
  BOOST_TEST(w.grad()() == 28);  // 2 * 7 * 2
}

BOOST_AUTO_TEST_CASE(gradients_are_stored_not_added_to_what_was_there) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Parameter<double> p(Values{1.0, 2.0}, "p");
  p.grad().fill(nan);
  p.zero_grad();
  Tape<double> tape;
  for (int i = 0; i < 200; ++i)  // memory that the next step gets, full of NaN
    static_cast<void>(tape.variable(Values{nan, nan}));
  tape.clear();
  const auto x = tape.variable({{1.0, 2.0}, {3.0, 4.0}});
  const auto v = tape.watch(p);
  const auto y = sum(matmul(x, v) + sum(x * v, 1) + select(x, 0, 1) + take(v, {1, 1}) +
                     concatenate(std::vector{slice(v, 0, 0, 1), slice(v, 0, 1, 2)}));
  y.backward();
  for (const double g : x.grad()) BOOST_TEST(std::isfinite(g));
  BOOST_TEST(p.grad()(0) == 9);   // 4 + 4 + 1
  BOOST_TEST(p.grad()(1) == 15);  // 6 + 6 + 2 + 1
}

BOOST_AUTO_TEST_CASE(intermediate_gradients_are_kept_for_those_who_hold_them) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  const auto h = x * x;
  const auto y = sum(h * h);
  y.backward();
  BOOST_TEST(h.grad()(0) == 2);
  BOOST_TEST(h.grad()(1) == 8);
  BOOST_TEST(y.grad()() == 1);
  BOOST_TEST(x.grad()(1) == 32);
}

BOOST_AUTO_TEST_CASE(gradients_of_what_the_root_does_not_depend_on_are_zero) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  const auto other = tape.variable({1.0, 2.0});
  const auto aside = x * 2;
  sum(x).backward();
  BOOST_TEST(other.grad()(1) == 0);
  BOOST_TEST(aside.grad()(1) == 0);
  BOOST_TEST(x.grad()(1) == 1);
}

/// a * b, counting how often each gradient is computed.
struct Counted {
  static constexpr auto name = "counted";
  static inline int calls[2] = {0, 0};
  [[nodiscard]] Shape infer(const Shape& a, const Shape&) const { return a; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& a, const In<T>& b) const {
    for (std::size_t i = 0; i < y.size(); ++i) y.data[i] = a.data[i] * b.data[i];
  }
  auto backward(Wrt<0>, const auto& g, const auto&, const auto&, const auto& b) const {
    ++calls[0];
    return g * b;
  }
  auto backward(Wrt<1>, const auto& g, const auto&, const auto& a, const auto&) const {
    ++calls[1];
    return g * a;
  }
};

BOOST_AUTO_TEST_CASE(only_needed_gradients_are_computed) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  const auto c = tape.constant({3.0, 4.0});
  const auto counts = [](int a, int b) {
    const bool same = Counted::calls[0] == a && Counted::calls[1] == b;
    Counted::calls[0] = Counted::calls[1] = 0;
    return same;
  };
  counts(0, 0);
  const auto y = apply(Counted{}, x, c);
  sum(y).backward();
  BOOST_TEST(counts(1, 0));
  const auto both = apply(Counted{}, y, x);
  static_cast<void>(apply(Counted{}, both, x));  // the root does not depend on this one
  sum(both).backward();
  BOOST_TEST(counts(2, 1));
  const auto constant = apply(Counted{}, c, c);
  sum(constant * x).backward();
  BOOST_TEST(counts(0, 0));
  const auto [dy] = gradients(sum(both), {y});  // not as far as x
  BOOST_TEST(counts(1, 0));
  static_cast<void>(dy);
}

BOOST_AUTO_TEST_CASE(values_that_no_rule_needs_are_given_back) {
  constexpr std::size_t n = 10000;
  constexpr std::size_t bytes = n * sizeof(double);
  Tape<double> tape;
  const auto x = tape.variable(sample({n}, 0, 1));
  // add keeps nothing, tanh its output, square its input: of four results two are needed.
  const auto loss = sum(square(tanh(x + 1) + 1));
  BOOST_TEST(tape.memory_used() > 5 * bytes);
  loss.backward();
  BOOST_TEST(tape.memory_used() < 5 * bytes);  // x and its gradient, tanh, the input of square
  BOOST_TEST(tape.memory_used() > 4 * bytes);
  BOOST_TEST(std::isfinite(x.grad()(0)));
}

BOOST_AUTO_TEST_CASE(values_that_someone_holds_are_not_given_back) {
  constexpr std::size_t n = 10000;
  const auto used = [](auto&& build) {
    Tape<double> tape;
    const auto x = tape.variable(sample({n}, 0, 1));
    const auto held = build(tape, x);
    sum(held[0]).backward();
    for (const Variable<double>& v : held) BOOST_TEST(std::isfinite(v.value()(n - 1)));
    return tape.memory_used() / (n * sizeof(double));
  };
  using Held = std::vector<Variable<double>>;
  BOOST_TEST(used([](auto&, const auto& x) { return Held{x + 1 + 1 + 1 + 1}; }) == 4u);
  BOOST_TEST(used([](auto&, const auto& x) {
               const auto middle = x + 1 + 1;
               return Held{middle + 1 + 1, middle};
             }) == 6u);
  BOOST_TEST(used([](auto&, const auto& x) { return Held{(x + 1 + 1).named("middle") + 1 + 1}; }) ==
             6u);
  BOOST_TEST(used([](auto& tape, const auto& x) {
               tape.retain_all();
               return Held{x + 1 + 1 + 1 + 1};
             }) == 10u);
}

BOOST_AUTO_TEST_CASE(values_that_share_memory_are_not_given_back_too_early) {
  constexpr std::size_t n = 4000;
  Tape<double> tape;
  const auto x = tape.variable(sample({2, n}, 0, 1));
  // The results of + are held by nobody, but the view of one is, and a constant reads another.
  const auto view = reshape(select(x + 1, 0, 1), {1, n});
  const auto fixed = (x + 2).detach();
  const auto loss = sum(square(view)) + sum(fixed * x);
  loss.backward();
  static_cast<void>(
      tape.constant(Values(xt::zeros<double>({std::size_t{2}, n}))));  // takes what was given back
  BOOST_TEST(view.value()(0, 7) == x.value()(1, 7) + 1);
  BOOST_TEST(fixed.value()(0, 7) == x.value()(0, 7) + 2);
  BOOST_TEST(x.grad()(0, 7) == fixed.value()(0, 7));
  const Values first = x.grad();
  loss.backward();
  expect_close(as_values(x.grad()), mapped(first, [](double g) { return 2 * g; }), 1e-14, "again");
}

BOOST_AUTO_TEST_CASE(several_roots_with_seeds) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0, 3.0});
  const auto a = square(x);
  const auto b = sum(a * x);  // depends on the other root
  const std::vector<Variable<double>> roots{a, b, x};
  const std::vector<Values> seeds{{1.0, 10.0, 100.0}, Values(2.0), {0.5, 0.5, 0.5}};
  tape.backward(roots, seeds);
  BOOST_TEST(x.grad()(0) == 1 * 2 + 2 * 3 + 0.5);
  BOOST_TEST(x.grad()(1) == 10 * 4 + 2 * 12 + 0.5);
  BOOST_TEST(x.grad()(2) == 100 * 6 + 2 * 27 + 0.5);
  BOOST_TEST(a.grad()(1) == 10 + 2 * 2);
  tape.zero_grad();
  tape.backward(std::vector{b, b});  // the same root twice, with seeds of one
  BOOST_TEST(x.grad()(1) == 24);
}

BOOST_AUTO_TEST_CASE(a_seed_weighs_the_elements) {
  Tape<double> tape;
  const auto x = tape.variable({{1.0, 2.0}, {3.0, 4.0}});
  const auto y = x * x;
  y.backward({{1.0, 0.0}, {-1.0, 0.5}});
  expect_close(as_values(x.grad()), {{2, 0}, {-6, 4}}, 0, "gradient");
  const auto one = tape.variable(xt::ones<double>({1, 1}));
  (one * 3).backward();  // one element, whatever the rank
  BOOST_TEST(one.grad()(0, 0) == 3);
  one.backward();  // a leaf can be a root
  BOOST_TEST(one.grad()(0, 0) == 4);
}

BOOST_AUTO_TEST_CASE(a_second_backward_accumulates_as_in_pytorch) {
  Parameter<double> p(Values{2.0}, "p");
  Tape<double> tape;
  const auto w = tape.watch(p);
  const auto x = tape.variable({3.0});
  const auto h = w * x;
  const auto y = sum(h * h);  // w^2 x^2
  y.backward();
  BOOST_TEST(p.grad()(0) == 36);  // 2 w x^2
  BOOST_TEST(x.grad()(0) == 24);
  y.backward();
  BOOST_TEST(p.grad()(0) == 72);
  BOOST_TEST(x.grad()(0) == 48);
  BOOST_TEST(h.grad()(0) == 12);  // of the last pass
  sum(h).backward();
  BOOST_TEST(p.grad()(0) == 75);
  BOOST_TEST(h.grad()(0) == 1);
  p.zero_grad();
  tape.zero_grad();
  BOOST_TEST(!p.has_grad());
  BOOST_TEST(x.grad()(0) == 0);
  y.backward();
  BOOST_TEST(p.grad()(0) == 36);
  BOOST_TEST(x.grad()(0) == 24);
  BOOST_TEST(w.grad()(0) == 36);  // the parameter's
}

BOOST_AUTO_TEST_CASE(uses_of_a_parameter_add_up) {
  Parameter<float> p(Array<float>{1.0F, 2.0F}, "p");
  Tape<float> tape;
  auto y = sum(tape.watch(p));
  for (int t = 0; t < 3; ++t) y = y + sum(square(tape.watch(p)));
  BOOST_TEST(!p.has_grad());
  y.backward();
  BOOST_TEST(p.has_grad());
  BOOST_TEST(p.grad()(1) == 1 + 3 * 4);
  tape.clear();
  sum(tape.watch(p)).backward();  // another tape, or step: still accumulates
  BOOST_TEST(p.grad()(1) == 14);
}

BOOST_AUTO_TEST_CASE(frozen_parameters_get_no_gradient) {
  Parameter<double> frozen(Values{2.0}, "frozen");
  Parameter<double> free(Values{3.0}, "free");
  frozen.set_requires_grad(false);
  Tape<double> tape;
  const auto f = tape.watch(frozen);
  sum(f * tape.watch(free)).backward();
  BOOST_TEST(!f.requires_grad());
  BOOST_TEST(!frozen.has_grad());
  BOOST_TEST(free.grad()(0) == 2);
  BOOST_CHECK_EXCEPTION(sum(f * f).backward(), GradientError,
                        says("[backward] 'sum' does not depend on any variable or parameter that "
                             "needs a gradient"));
}

BOOST_AUTO_TEST_CASE(a_parameter_changed_since_forward_is_refused) {
  Parameter<double> p(Values{1.0, 2.0}, "w");
  Tape<double> tape;
  const auto says_changed = [](const std::string& op) {
    return says(
        "[" + op +
        "] parameter 'w' was changed between the forward pass and this backward pass; change "
        "it after backward(), or clear the tape and run the forward pass again");
  };
  const auto w = tape.watch(p);
  const auto y = sum(square(w));
  y.backward();
  p.value()(0) = 5;
  p.touch();
  BOOST_CHECK_EXCEPTION(y.backward(), GradientError, says_changed("backward"));
  BOOST_CHECK_EXCEPTION(gradients(y, {w}), GradientError, says_changed("gradients"));
  BOOST_CHECK_EXCEPTION(gradients(y, {w}, {.differentiable = true}), GradientError,
                        says_changed("gradients"));
  BOOST_TEST(p.grad()(1) == 4);  // untouched by the refused passes
  tape.clear();
  sum(square(tape.watch(p))).backward();
  BOOST_TEST(p.grad()(0) == 12);
  const auto z = sum(tape.watch(p));
  p.value() = Values{1.0, 2.0, 3.0};
  BOOST_CHECK_EXCEPTION(z.backward(), GradientError, says_changed("backward"));
}

BOOST_AUTO_TEST_CASE(outputs_that_are_not_used_do_not_matter) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0, 3.0, 4.0});
  const auto parts = split(x, 4);
  (parts[1] * parts[3]).backward(Values{1.0});
  expect_close(as_values(x.grad()), {0, 4, 0, 2}, 0, "gradient");
  (parts[0] * 1).backward(Values{1.0});  // the gradients of the pass before are not used again
  expect_close(as_values(x.grad()), {1, 4, 0, 2}, 0, "gradient of another part");
}

BOOST_AUTO_TEST_CASE(gradients_stop_at_a_detached_value) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  const auto h = x * x;
  sum(h.detach() * x).backward();
  BOOST_TEST(x.grad()(1) == 4);
  BOOST_TEST(!h.detach().requires_grad());
}

/// Its rule throws.
struct Refusing {
  static constexpr auto name = "refusing";
  [[nodiscard]] Shape infer(const Shape& x) const { return x; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    std::copy_n(x.data, x.size(), y.data);
  }
  auto backward(const auto& g, const auto&, const auto& x) const { return reshape(g * x, {99}); }
};

BOOST_AUTO_TEST_CASE(an_exception_in_a_rule_leaves_the_tape_usable) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  const auto y = [&] {
    const auto scope = tape.scope("model");
    return sum(apply(Refusing{}, x));
  }();
  const auto z = sum(square(x));
  const std::size_t size = tape.size();
  const char* text = "[reshape] cannot give 2 elements of shape (2,) the shape (99) (in model)";
  for (int i = 0; i < 2; ++i) {
    BOOST_CHECK_EXCEPTION(y.backward(), ShapeError, says(text));
    BOOST_TEST(tape.size() == size);
    BOOST_TEST(tape.state().scope == 0u);
    BOOST_TEST(tape.recording());
  }
  BOOST_CHECK_THROW(gradients(y, {x}), ShapeError);
  BOOST_CHECK_THROW(gradients(y, {x}, {.differentiable = true}), ShapeError);
  BOOST_TEST(tape.size() == size);
  tape.zero_grad();
  z.backward();
  BOOST_TEST(x.grad()(1) == 4);
}

/// Keeps the gradient it sees, which it must not.
struct Keeping {
  static constexpr auto name = "keeping";
  static inline std::optional<Variable<double>> kept;
  [[nodiscard]] Shape infer(const Shape& x) const { return x; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    std::copy_n(x.data, x.size(), y.data);
  }
  Variable<double> backward(const Variable<double>& g, const Variable<double>&,
                            const Variable<double>& x) const {
    kept = g * x;
    return *kept;
  }
};

BOOST_AUTO_TEST_CASE(what_a_rule_keeps_is_stale_afterwards) {
  {
    Tape<double> tape;
    const auto x = tape.variable({1.0, 2.0});
    sum(apply(Keeping{}, x)).backward();
    BOOST_TEST(x.grad()(1) == 2);
    auto y = x + 1;
    while (y.index() < Keeping::kept->index()) y = y + 1;  // takes the number of the kept one
    BOOST_TEST(!Keeping::kept->valid());
    BOOST_TEST(y.valid());
    BOOST_TEST(x.valid());
  }
  Keeping::kept.reset();
}

/// Reads a product before it is added: a rule may use what it computes.
struct Reading {
  static constexpr auto name = "reading";
  [[nodiscard]] Shape infer(const Shape& x) const { return x; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    std::copy_n(x.data, x.size(), y.data);
  }
  auto backward(const auto& g, const auto&, const auto& x) const {
    const auto product = matmul(g, x);
    const auto fixed = product.detach();
    return product + fixed * 0 + reshape(product, product.shape()) * 0;
  }
};

BOOST_AUTO_TEST_CASE(a_rule_may_read_what_it_computes) {
  Tape<double> tape;
  const auto x = tape.variable({{1.0, 2.0}, {3.0, 4.0}});
  sum(apply(Reading{}, x)).backward();
  expect_close(as_values(x.grad()), {{4, 6}, {4, 6}}, 0, "gradient");
}

}  // namespace
}  // namespace tapestry::test
