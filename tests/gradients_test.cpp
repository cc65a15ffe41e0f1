// SPDX-License-Identifier: MIT
// Gradients as values: by anything, of any order, by ops of one's own, and their check.
#define BOOST_TEST_MODULE gradients
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "errors.hpp"
#include "expect_grad.hpp"

namespace tapestry::test {
namespace {

constexpr GradientOptions differentiable{.differentiable = true};

BOOST_AUTO_TEST_CASE(gradients_by_leaves_and_by_what_lies_between) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0}, "x");
  const auto w = tape.variable(3.0, "w");
  const auto h = w * x;
  const auto y = sum(square(h));
  for (const bool recorded : {false, true}) {
    const auto [dw, dh, dx, dy] = gradients(y, {w, h, x, y}, {.differentiable = recorded});
    BOOST_TEST(dw.item() == 30);
    expect_close(as_values(dh.value()), {6, 12}, 0, "by h");
    expect_close(as_values(dx.value()), {18, 36}, 0, "by x");
    BOOST_TEST(dy.item() == 1);
    BOOST_TEST(dx.requires_grad() == recorded);
  }
  const auto [first, second] = gradients(y, {x, x});
  BOOST_TEST(first.value()(1) == 36);
  BOOST_TEST(second.value()(1) == 36);
}

BOOST_AUTO_TEST_CASE(gradients_leave_those_of_backward_alone) {
  Parameter<double> p(Values{2.0, 3.0}, "p");
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  const auto w = tape.watch(p);
  const auto h = w * x;
  const auto y = sum(square(h));
  const auto [early] = gradients(y, {h});
  BOOST_CHECK_THROW(static_cast<void>(x.grad()), GradientError);  // backward has not run
  BOOST_TEST(!p.has_grad());
  sum(h).backward();
  const std::size_t used = tape.memory_used();
  {
    const auto mark = tape.mark();
    const auto [dh, dw, dx] = gradients(y, {h, w, x});
    expect_close(as_values(dh.value()), {4, 12}, 0, "by h");
    expect_close(as_values(dw.value()), {4, 24}, 0, "by w");
    expect_close(as_values(dx.value()), {8, 36}, 0, "by x");
    tape.rewind(mark);
  }
  BOOST_TEST(tape.memory_used() == used);
  expect_close(as_values(h.grad()), {1, 1}, 0, "kept at h");
  expect_close(as_values(x.grad()), {2, 3}, 0, "kept at x");
  expect_close(as_values(p.grad()), {1, 2}, 0, "kept at p");
  sum(h).backward();
  expect_close(as_values(x.grad()), {4, 6}, 0, "accumulated at x");
  expect_close(as_values(p.grad()), {2, 4}, 0, "accumulated at p");
}

BOOST_AUTO_TEST_CASE(independent_inputs_have_gradient_zero) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  const auto other = tape.variable(xt::ones<double>({2, 0}));
  const auto late = x * 3;
  const auto y = sum(x);
  for (const bool recorded : {false, true}) {
    const auto [dx, none, after] = gradients(y, {x, other, late}, {.differentiable = recorded});
    BOOST_TEST(dx.value()(1) == 1);
    BOOST_TEST(none.shape().str() == "(2, 0)");
    expect_close(as_values(after.value()), {0, 0}, 0, "by what came later");
  }
}

BOOST_AUTO_TEST_CASE(third_and_fourth_derivatives) {
  Tape<double> tape;
  const auto x = tape.variable({0.3, -1.2, 2.0});
  auto y = sum(pow(x, 5));
  const double factors[] = {5, 20, 60, 120};
  for (int order = 1; order <= 4; ++order) {
    const auto [d] = gradients(y, {x}, differentiable);
    expect_close(as_values(d.value()),
                 mapped(as_values(x.value()),
                        [&](double v) { return factors[order - 1] * std::pow(v, 5 - order); }),
                 1e-12, "order " + std::to_string(order));
    y = sum(d);
  }
  auto z = sum(tanh(x));
  for (int order = 1; order <= 3; ++order) {
    const auto [d] = gradients(z, {x}, differentiable);
    z = sum(d);
    if (order < 3) continue;
    expect_close(as_values(d.value()),
                 mapped(as_values(x.value()),
                        [](double v) {
                          const double t = std::tanh(v);
                          return (1 - t * t) * (6 * t * t - 2);
                        }),
                 1e-12, "third derivative of tanh");
  }
}

/// Third derivatives of everything that sequence models are made of: the gradient of a function of
/// second derivatives, compared with differences.
BOOST_AUTO_TEST_CASE(third_order_through_products_slices_and_cross_entropy) {
  const auto f = [](const auto& x, const auto& w) {
    const auto h = tanh(matmul(x, w));
    const auto parts = split(h, 2, 1);
    const auto y = concatenate(std::vector{parts[0] * sigmoid(parts[1]), slice(h, 1, 0, 3, 2)}, 1);
    const auto loss = softmax_cross_entropy(take(y, {1, 0, 1}), {0, 2, 1}) + logsumexp(y) +
                      mean(softmax(transpose(y)) * max(h));
    const auto [dx, dw] = gradients(loss, {x, w}, differentiable);
    const auto penalty = sum(square(dx)) + sum(square(dw));
    const auto [ddx, ddw] = gradients(penalty, {x, w}, differentiable);
    return sum(ddx * ddx) + sum(exp(ddw));
  };
  const auto checked = gradcheck(f, sample({2, 3}, -1, 1, 1), sample({3, 4}, -1, 1, 2));
  BOOST_CHECK_MESSAGE(checked.passed, checked.message);
}

BOOST_AUTO_TEST_CASE(a_gradient_penalty_reaches_the_parameters) {
  Parameter<double> weight(sample({3, 2}, -1, 1), "weight");
  Parameter<double> frozen(sample({2}, -1, 1), "bias");
  frozen.set_requires_grad(false);
  const Values input = sample({4, 3}, -1, 1, 3);
  const auto loss = [&](Tape<double>& tape) {
    const auto x = tape.variable(input);
    const auto y = tanh(matmul(x, tape.watch(weight)) + tape.watch(frozen));
    const auto [dx] = gradients(sum(y), {x}, differentiable);
    return sum(square(y)) + mean(square(sqrt(sum(square(dx), 1)) - 1));
  };
  const auto checked = gradcheck(loss, ParameterList<double>{&weight, &frozen});
  BOOST_CHECK_MESSAGE(checked.passed, checked.message);
  BOOST_TEST(!weight.has_grad());
  Tape<double> tape;
  loss(tape).backward();
  BOOST_TEST(weight.has_grad());
  BOOST_TEST(!frozen.has_grad());
}

BOOST_AUTO_TEST_CASE(primitive_tapes_have_the_same_gradients) {
  const Values logits = sample({3, 4}, -1, 1);
  std::vector<Values> results;
  for (const bool primitive : {false, true}) {
    Tape<double> tape;
    tape.set_primitive(primitive);
    const auto x = tape.variable(logits);
    const auto loss = softmax_cross_entropy(x, {1, 3, 0}, {.label_smoothing = 0.2});
    const std::size_t nodes = tape.state().nodes.size();
    BOOST_TEST((primitive ? nodes > 3 : nodes == 1));
    const auto [dx] = gradients(loss, {x}, differentiable);
    const auto [ddx] = gradients(sum(square(dx)), {x});
    results.push_back(as_values(ddx.value()));
  }
  expect_close(results[0], results[1], 1e-14, "second derivative");
}

// Ops of one's own
// ---------------------------------------------------------------------------------

struct Swish {
  static constexpr auto name = "swish";
  auto forward(const auto& x) const { return x * sigmoid(x); }
  auto backward(const auto& g, const auto& y, const auto& x) const {
    const auto s = sigmoid(x);
    return g * (s + y * (1.0 - s));
  }
};

/// A rule for one of two inputs only, with a member that the formula uses.
struct Scaled {
  static constexpr auto name = "scaled";
  static constexpr Saves saves = save_input(1);
  static constexpr auto no_gradient = inputs(1);
  double factor;
  auto forward(const auto& a, const auto& b) const { return factor * (a * b); }
  auto backward(Wrt<0>, const auto& g, const auto& b) const { return factor * (g * b); }
};

/// Sums over the last axis; a general op with a member that owns memory.
struct WeightedSum {
  static constexpr auto name = "weighted_sum";
  static constexpr Saves saves = save_nothing;
  std::vector<double> weights;
  [[nodiscard]] Shape infer(const Shape& x) const {
    if (x.rank() == 0 || x.back() != weights.size())
      throw ShapeError(name, std::to_string(weights.size()) + " weights for " + x.str());
    return x.part(0, x.rank() - 1);
  }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    for (std::size_t i = 0; i < y.size(); ++i) {
      y.data[i] = T{0};
      for (std::size_t k = 0; k < weights.size(); ++k)
        y.data[i] += static_cast<T>(weights[k]) * x.data[i * weights.size() + k];
    }
  }
  auto backward(const auto& g, const auto&, const auto& x) const {
    std::vector<std::remove_cvref_t<decltype(g)>> parts;
    for (const double w : weights) parts.push_back(g * w);
    return reshape(stack(parts, -1), x.shape());
  }
};

/// x^2 + x with a kernel, and its definition.
struct FusedQuadratic {
  static constexpr auto name = "fused_quadratic";
  [[nodiscard]] Shape infer(const Shape& x) const { return x; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    for (std::size_t i = 0; i < y.size(); ++i) y.data[i] = x.data[i] * x.data[i] + x.data[i];
  }
  template <class T>
  void backward(KernelBackward<T>& call) const {
    if (!call.needs(0)) return;
    const Out<T> target = call.target(0);
    const In<T> g = call.grad(0);
    const In<T> x = call.input(0);
    for (std::size_t i = 0; i < g.size(); ++i) {
      const T d = g.data[i] * (2 * x.data[i] + 1);
      target.data[i] = target.accumulate ? target.data[i] + d : d;
    }
  }
  auto expand(const auto& x) const { return square(x) + x; }
};

/// a b + a with a kernel for both inputs, and its definition.
struct FusedProduct {
  static constexpr auto name = "fused_product";
  [[nodiscard]] Shape infer(const Shape& a, const Shape&) const { return a; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& a, const In<T>& b) const {
    for (std::size_t i = 0; i < y.size(); ++i) y.data[i] = a.data[i] * b.data[i] + a.data[i];
  }
  template <class T>
  void backward(KernelBackward<T>& call) const {
    for (std::size_t k = 0; k < 2; ++k) {
      if (!call.needs(k)) continue;
      const Out<T> target = call.target(k);
      for (std::size_t i = 0; i < target.size(); ++i) {
        const T d = call.grad(0).data[i] * (call.input(1 - k).data[i] + (k == 0 ? 1 : 0));
        target.data[i] = target.accumulate ? target.data[i] + d : d;
      }
    }
  }
  auto expand(const auto& a, const auto& b) const { return a * b + a; }
};

BOOST_AUTO_TEST_CASE(ops_of_ones_own) {
  const auto unary =
      std::vector<Point>{{sample({3}, -1, 1)}, {Values(0.5)}, {sample({2, 0}, 0, 1)}};
  expect_grad(
      "swish", [](const auto& x) { return tapestry::apply(Swish{}, x[0]); }, unary,
      [](const Point& x) { return mapped(x[0], [](double v) { return v / (1 + std::exp(-v)); }); });
  expect_grad(
      "fused", [](const auto& x) { return tapestry::apply(FusedQuadratic{}, x[0]); }, unary,
      [](const Point& x) { return mapped(x[0], [](double v) { return v * v + v; }); });
  const auto product = [](const auto& x) { return tapestry::apply(FusedProduct{}, x[0], x[1]); };
  expect_grad("fused product", product, {{sample({2, 3}, -1, 1, 1), sample({2, 3}, -1, 1, 2)}});
  const auto itself = [](const auto& x) { return tapestry::apply(FusedProduct{}, x[0], x[0]); };
  expect_grad("fused product of one", itself, {{sample({2, 3}, -1, 1)}});
  expect_grad("weighted sum",
              [](const auto& x) {
                return tapestry::apply(WeightedSum{{1, -2, 3}}, x[0]);
              },
              {{sample({3}, -1, 1)}, {sample({2, 3}, -1, 1)}});
}

BOOST_AUTO_TEST_CASE(inputs_without_a_rule_get_no_gradient) {
  Tape<double> tape;
  const auto a = tape.variable({1.0, 2.0});
  const auto b = tape.variable(filled({2, 1}, [](const Position& p) { return 3.0 + p[0]; }));
  const auto y = sum(apply(Scaled{2.0}, a, b));
  y.backward();
  expect_close(as_values(a.grad()), {14, 14}, 0, "by a");
  for (const double g : b.grad()) BOOST_TEST(g == 0);
  BOOST_TEST(!apply(Scaled{2.0}, tape.constant(1.0), b).requires_grad());
}

BOOST_AUTO_TEST_CASE(fused_ops_expand_on_primitive_tapes) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  BOOST_TEST(apply(FusedQuadratic{}, x).name() == "fused_quadratic");
  tape.set_primitive(true);
  BOOST_TEST(apply(FusedQuadratic{}, x).name() == "add");
}

// gradcheck
// ----------------------------------------------------------------------------------------

/// Forgets a term.
struct WrongRule {
  static constexpr auto name = "wrong_rule";
  auto forward(const auto& a, const auto& b) const { return a * b * b; }
  auto backward(Wrt<0>, const auto& g, const auto&, const auto&, const auto& b) const {
    return g * b * b;
  }
  auto backward(Wrt<1>, const auto& g, const auto&, const auto& a, const auto& b) const {
    return g * a * b;  // should be twice that
  }
};

/// The gradient is right, but a constant: its own derivative is lost.
struct NotDifferentiable {
  static constexpr auto name = "not_differentiable";
  [[nodiscard]] Shape infer(const Shape& x) const { return x; }
  template <class T>
  void forward(const Out<T>& y, const In<T>& x) const {
    for (std::size_t i = 0; i < y.size(); ++i) y.data[i] = x.data[i] * x.data[i];
  }
  auto backward(const auto& g, const auto&, const auto& x) const { return g * x.detach() * 2; }
};

BOOST_AUTO_TEST_CASE(gradcheck_says_what_is_wrong) {
  const auto f = [](const auto& a, const auto& b) { return tapestry::apply(WrongRule{}, a, b); };
  const Values a{2.0, 3.0};
  const Values b{{1.0, 1.0}, {1.0, 4.0}};
  const GradcheckResult result = gradcheck(f, a, b);
  BOOST_TEST(!result.passed);
  BOOST_TEST(!result);
  BOOST_TEST(std::abs(result.largest_error - 12) < 1e-6);
  BOOST_TEST(result.message.starts_with("derivative of output element ("));
  BOOST_TEST(result.message.find(" by input 1, element (") != std::string::npos);
  const auto one = gradcheck(f, Values(1.0), Values(3.0));
  BOOST_TEST(one.message ==
             "derivative of output element () by input 1, element (): analytic 3, "
             "numeric 6");
}

BOOST_AUTO_TEST_CASE(gradcheck_of_second_order_finds_what_the_first_does_not) {
  const auto f = [](const auto& x) { return tapestry::apply(NotDifferentiable{}, x); };
  const Values x{1.0, -2.0};
  BOOST_TEST(gradcheck(f, x).passed);
  const GradcheckResult result = gradcheck(f, x, {.second_order = true});
  BOOST_TEST(!result.passed);
  BOOST_TEST(result.message.starts_with(
      "second derivative of the weighted outputs by input 0, element ("));
}

BOOST_AUTO_TEST_CASE(gradcheck_takes_all_kinds_of_inputs) {
  Tape<double> tape;
  const auto v = tape.variable({{1.0, 2.0}, {3.0, 4.0}});
  const auto three = [](const auto& a, const auto& b, const auto& c) { return a * b + tanh(c); };
  const GradcheckOptions both{.second_order = true};
  BOOST_TEST(gradcheck(three, v.value(), xt::transpose(v.value()), Values(0.3), both).passed);
  BOOST_TEST(
      gradcheck([](const auto& x) { return tanh(x); }, Array<float>{0.5F, -1.0F}, both).passed);
  const auto many = [](std::span<const Variable<double>> x) { return x[0] * x[1] * x[2] * x[3]; };
  BOOST_TEST(gradcheck(many, Point(4, Values{1.0, 2.0}), both).passed);
  // Constants, empty arrays and functions that do not depend on their input are no errors.
  BOOST_TEST(gradcheck([](const auto& x) { return x > 0; }, Values{1.0, -1.0}, both).passed);
  BOOST_TEST(gradcheck([](const auto& x) { return exp(x); }, empty_array({0, 2}), both).passed);
}

BOOST_AUTO_TEST_CASE(gradcheck_heeds_its_options) {
  const auto slightly_wrong = [](const auto& x) { return x.detach() * 0.001 + x; };
  BOOST_TEST(!gradcheck(slightly_wrong, Values{1.0}).passed);
  BOOST_TEST(gradcheck(slightly_wrong, Values{1.0}, {.absolute_tolerance = 0.01}).passed);
  BOOST_TEST(gradcheck(slightly_wrong, Values{1.0}, {.relative_tolerance = 0.01}).passed);
  const auto cube = [](const auto& x) { return pow(x, 3); };  // the error is the step squared
  const GradcheckResult coarse = gradcheck(cube, Values{1.0}, {.step = 0.1});
  BOOST_TEST(!coarse.passed);
  BOOST_TEST(std::abs(coarse.largest_error - 0.01) < 1e-6);
  const auto nan = gradcheck([](const auto& x) { return sqrt(x); }, Values{0.0});
  BOOST_TEST(!nan.passed);
}

BOOST_AUTO_TEST_CASE(gradcheck_names_parameters) {
  Parameter<double> good(Values{1.0, 2.0}, "good");
  Parameter<double> bad(Values{1.0, 2.0}, "bad");
  const auto f = [&](Tape<double>& tape) {
    return tapestry::apply(WrongRule{}, tape.watch(good), tape.watch(bad)) * tape.watch(good);
  };
  const GradcheckResult result = gradcheck(f, ParameterList<double>{&good, &bad});
  BOOST_TEST(!result.passed);
  BOOST_TEST(result.message.find(" by parameter 'bad', element (1,)") != std::string::npos);
  BOOST_TEST(bad.value()(1) == 2);
  const auto right = [&](Tape<double>& tape) { return tape.watch(good) * exp(tape.watch(good)); };
  BOOST_TEST(gradcheck(right, ParameterList<double>{&good, &bad}, {.second_order = true}).passed);
}

}  // namespace
}  // namespace tapestry::test
