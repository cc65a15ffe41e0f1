// SPDX-License-Identifier: MIT
// The tape as a record: handles, marks, scopes, recording, memory.
#define BOOST_TEST_MODULE tape
#include <boost/mpl/list.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "allocations.hpp"
#include "errors.hpp"
#include "naive.hpp"
#include "tapestry/autodiff.hpp"

namespace tapestry::test {
namespace {

using Types = boost::mpl::list<float, double>;

BOOST_AUTO_TEST_CASE_TEMPLATE(values_are_copied_and_read_as_views, T, Types) {
  Tape<T> tape;
  Array<T> source{{1, 2, 3}, {4, 5, 6}};
  const auto x = tape.variable(source, "x");
  source.fill(0);
  BOOST_TEST(x.value()(1, 2) == 6);
  BOOST_TEST(x.shape().str() == "(2, 3)");
  BOOST_TEST(x.size() == 6u);
  BOOST_TEST(x.name() == "x");
  BOOST_TEST(x.requires_grad());
  const Array<T> doubled = x.value() * 2 + 1;  // an xtensor expression
  BOOST_TEST(doubled(1, 2) == 13);
  const Array<T> kept = (x * x).value();  // of a variable that is gone at once
  BOOST_TEST(kept(1, 2) == 36);
  const auto c = tape.constant(T{3});
  BOOST_TEST(!c.requires_grad());
  BOOST_TEST(c.item() == 3);
  BOOST_TEST(c.shape().str() == "()");
  BOOST_TEST(c.name() == "constant");
  BOOST_TEST((x + c).named("sum").name() == "sum");
  BOOST_TEST((x + c).name() == "add");
}

BOOST_AUTO_TEST_CASE(braces_say_the_shape) {
  Tape<double> tape;
  BOOST_TEST(tape.constant({1.0, 2.0}).shape().str() == "(2,)");
  BOOST_TEST(tape.constant({{0.8}, {0.2}}).shape().str() == "(2, 1)");
  BOOST_TEST(tape.variable({{0, 0, 1}}).shape().str() == "(1, 3)");
  BOOST_TEST(tape.variable({{1.0}}).shape().str() == "(1, 1)");
  BOOST_TEST(tape.variable({{{1, 2, 3}, {4, 5, 6}}}).shape().str() == "(1, 2, 3)");
  BOOST_TEST(tapestry::Parameter<double>({{0}, {0}, {1}}, "W").shape().str() == "(3, 1)");
  BOOST_TEST(tapestry::Parameter<float>({-6.0, 0.0}).shape().str() == "(2,)");
  BOOST_TEST(tape.variable({{1, 2}, {3, 4}}).value()(1, 0) == 3);
  BOOST_CHECK_EXCEPTION((void)tape.constant({{1, 2}, {3}}), tapestry::ShapeError,
                        says("[constant] row 0 has 2 numbers, row 1 has 1"));
  BOOST_CHECK_EXCEPTION(tapestry::Parameter<float>({{{1, 2}}, {{3, 4}, {5, 6}}}),
                        tapestry::ShapeError,
                        says("[Parameter] matrix 0 has 1 rows, matrix 1 has 2"));
  BOOST_CHECK_EXCEPTION((void)tape.variable({{{1, 2}}, {{3, 4, 5}}}), tapestry::ShapeError,
                        says("[variable] the rows of the matrices differ in length"));
}

BOOST_AUTO_TEST_CASE(any_xtensor_expression_is_a_value) {
  Tape<double> tape;
  const Values source{{1, 2, 3}, {4, 5, 6}};
  const auto x = tape.variable(xt::transpose(source));
  BOOST_TEST(x.shape().str() == "(3, 2)");
  BOOST_TEST(x.value()(2, 0) == 3);
  BOOST_TEST(x.value().data()[1] == 4);  // row-major, whatever the source was
  const auto y = tape.constant(x.value());
  BOOST_TEST(y.value()(2, 1) == 6);
}

BOOST_AUTO_TEST_CASE(cleared_handles_are_stale) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  const auto y = x * x;
  BOOST_TEST(tape.size() == 2u);
  const std::size_t reserved = tape.memory_reserved();
  BOOST_TEST(tape.memory_used() > 0u);
  tape.clear();
  BOOST_TEST(!x.valid());
  BOOST_TEST(!y.valid());
  BOOST_TEST(tape.size() == 0u);
  BOOST_TEST(tape.memory_used() == 0u);
  BOOST_TEST(tape.memory_reserved() == reserved);
  const auto z = tape.variable({3.0, 4.0});  // takes the place of x
  BOOST_TEST(z.index() == x.index());
  BOOST_TEST(!x.valid());
  BOOST_CHECK_THROW(static_cast<void>(x.value()), StaleVariable);
  BOOST_CHECK_THROW(z + x, StaleVariable);
  BOOST_TEST(z.valid());
}

BOOST_AUTO_TEST_CASE(rewinding_forgets_exactly_what_came_after) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  const auto kept = exp(x);
  const auto mark = tape.mark();
  const std::size_t used = tape.memory_used();
  for (int round = 0; round < 3; ++round) {
    const auto y = take(reshape(kept * x, {1, 2}), {0, 0}, 0);
    sum(y).backward();
    BOOST_TEST(y.shape().str() == "(2, 2)");
    tape.zero_grad();
    tape.rewind(mark);
    BOOST_TEST(!y.valid());
    BOOST_TEST(tape.size() == 2u);
    BOOST_TEST(tape.memory_used() == used);
  }
  BOOST_TEST(std::abs(kept.value()(1) - std::exp(2.0)) < 1e-14);
  sum(kept).backward();
  BOOST_TEST(x.grad()(0) == kept.value()(0));
}

BOOST_AUTO_TEST_CASE(rewinding_keeps_gradients_of_what_remains) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  const auto mark = tape.mark();
  for (int step = 1; step <= 3; ++step) {
    sum(x * x).backward();
    tape.rewind(mark);
    BOOST_TEST(x.grad()(1) == 4.0 * step);  // accumulated, as for any leaf
  }
}

BOOST_AUTO_TEST_CASE(a_handle_never_refers_to_what_took_its_place) {
  Tape<double> tape;
  const auto x = tape.variable(1.0);
  const auto mark = tape.mark();
  const auto before = x + 1;
  tape.rewind(mark);
  const auto after = x + 2;
  BOOST_TEST(before.index() == after.index());
  BOOST_TEST(!before.valid());
  BOOST_TEST(after.item() == 3);
  BOOST_CHECK_THROW(before * x, StaleVariable);
  auto copy = before;  // copying and assigning a stale handle is harmless
  copy = after;
  BOOST_TEST(copy.item() == 3);
}

BOOST_AUTO_TEST_CASE(marks_nest_and_go_stale) {
  Tape<double> tape;
  const auto x = tape.variable(1.0);
  const auto outer = tape.mark();
  const auto y = x + 1;
  const auto inner = tape.mark();
  auto z = y + 1;
  tape.rewind(inner);
  BOOST_TEST(y.valid());
  z = y + 2;
  tape.rewind(inner);  // again
  tape.rewind(outer);
  BOOST_TEST(!y.valid());
  BOOST_CHECK_EXCEPTION(tape.rewind(inner), StaleVariable,
                        says("[rewind] the tape was cleared or rewound to before this mark"));
  z = x + 1;
  z = z + 1;  // as long as it was at the inner mark, but not the same
  BOOST_CHECK_THROW(tape.rewind(inner), StaleVariable);
  BOOST_TEST(tape.size() == 3u);
  tape.rewind(outer);
  tape.clear();
  BOOST_CHECK_THROW(tape.rewind(outer), StaleVariable);
  const auto empty = tape.mark();
  tape.clear();
  z = tape.variable(1.0);
  BOOST_CHECK_THROW(tape.rewind(empty), StaleVariable);
  BOOST_TEST(z.valid());
  Tape<double> other;
  BOOST_CHECK_EXCEPTION(other.rewind(tape.mark()), StaleVariable,
                        says("[rewind] the mark is not of this tape"));
}

BOOST_AUTO_TEST_CASE(results_that_share_memory_survive_what_they_must) {
  Tape<double> tape;
  const auto x = tape.variable(sample({4, 6}, -1, 1));
  const auto mark = tape.mark();
  {
    const auto flat = reshape(x, {rest});
    const auto row = select(x, 0, 2);
    const auto rows = slice(x, 0, 1, 3);
    BOOST_TEST(flat.value().data() == x.value().data());
    BOOST_TEST(row.value().data() == x.value().data() + 12);
    BOOST_TEST(rows.value().data() == x.value().data() + 6);
    const auto detached = x.detach();
    BOOST_TEST(detached.value().data() == x.value().data());
    BOOST_TEST(slice(x, 1, 0, 2).value().data() != x.value().data());  // not contiguous
  }
  const std::size_t used = tape.memory_used();
  tape.rewind(mark);
  BOOST_TEST(tape.memory_used() < used);
  const auto y = tape.constant(xt::ones<double>({4, 6}));  // would land in memory given back twice
  BOOST_TEST(y.value().data() != x.value().data());
  BOOST_TEST(x.value()(0, 0) == sample({4, 6}, -1, 1)(0, 0));
}

BOOST_AUTO_TEST_CASE(handles_may_outlive_the_tape) {
  Variable<double> x;
  BOOST_TEST(!x.valid());
  {
    Tape<double> tape;
    x = tape.variable(1.0) + 2;
    BOOST_TEST(x.item() == 3);
  }
  BOOST_TEST(!x.valid());
  const Variable<double> copy = x;
  BOOST_CHECK_THROW(static_cast<void>(copy.value()), StaleVariable);
  BOOST_CHECK_THROW(x + 1, StaleVariable);
  x = {};
}

BOOST_AUTO_TEST_CASE(handles_are_counted) {
  Tape<double> tape;
  const auto count = [&](const Variable<double>& v) {
    return tape.state().entries[v.index()].handles;
  };
  auto x = tape.variable(1.0);
  BOOST_TEST(count(x) == 1u);
  {
    auto copy = x;
    auto moved = std::move(copy);
    BOOST_TEST(count(x) == 2u);
    copy = moved;
    BOOST_TEST(count(x) == 3u);
    moved = tape.variable(2.0);
    BOOST_TEST(count(x) == 2u);
    copy = Variable<double>();
    auto& self = x;
    x = self;
  }
  BOOST_TEST(count(x) == 1u);
}

BOOST_AUTO_TEST_CASE(without_recording_only_values_are_computed) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  {
    const auto off = tape.no_grad();
    BOOST_TEST(!tape.recording());
    const auto y = square(x);
    BOOST_TEST(y.value()(1) == 4);
    BOOST_TEST(!y.requires_grad());
    BOOST_TEST(tape.state().nodes.empty());
    BOOST_CHECK_THROW(sum(y).backward(), GradientError);
  }
  BOOST_TEST(tape.recording());
  tape.set_recording(false);
  const auto y = square(x);
  tape.set_recording(true);
  const auto z = sum(x * y);
  z.backward();
  BOOST_TEST(x.grad()(1) == 4);  // y is a constant
}

BOOST_AUTO_TEST_CASE(recording_is_restored_when_an_exception_passes) {
  Tape<double> tape;
  const auto x = tape.variable({1.0, 2.0});
  try {
    const auto off = tape.no_grad();
    const auto scope = tape.scope("inner");
    static_cast<void>(reshape(x, {3}));
  } catch (const ShapeError&) {
  }
  BOOST_TEST(tape.recording());
  BOOST_TEST(tape.state().scope == 0u);
}

BOOST_AUTO_TEST_CASE(values_carry_their_scope) {
  Tape<float> tape;
  const auto path = [&](const Variable<float>& v) {
    return tape.state().scopes.path(tape.state().entries[v.index()].scope);
  };
  const auto outside = tape.variable(1.0F);
  const auto model = tape.scope("lstm");
  const auto layer = tape.layer(0);
  std::vector<Variable<float>> steps;
  for (std::size_t t = 0; t < 3; ++t) {
    const auto step = tape.step(t);
    steps.push_back(outside + 1);
  }
  BOOST_TEST(path(outside) == "");
  BOOST_TEST(path(steps[2]) == "lstm, layer 0, step 2");
  BOOST_TEST(path(outside + 1) == "lstm, layer 0");
  const auto again = tape.step(2);
  const auto other = outside + 1;
  BOOST_TEST(tape.state().entries[other.index()].scope ==
             tape.state().entries[steps[2].index()].scope);
}

/// An op that owns heap memory, and counts its copies.
struct Owning {
  static constexpr auto name = "owning";
  static inline int alive = 0;
  std::shared_ptr<int> counter = std::shared_ptr<int>(&++alive, [](int*) { --alive; });
  auto forward(const auto& x) const { return x * 2.0; }
  auto backward(const auto& g, const auto&, const auto&) const { return g * 2.0; }
};

BOOST_AUTO_TEST_CASE(ops_that_own_something_are_destroyed) {
  {
    Tape<double> tape;
    const auto x = tape.variable(1.0);
    const auto mark = tape.mark();
    for (int i = 0; i < 50; ++i) static_cast<void>(apply(Owning{}, x));
    BOOST_TEST(Owning::alive == 50);
    tape.rewind(mark);
    BOOST_TEST(Owning::alive == 0);
    auto y = x;
    for (int i = 0; i < 10; ++i) y = apply(Owning{}, y);
    y.backward();
    BOOST_TEST(x.grad()() == 1024);
    BOOST_TEST(Owning::alive == 10);
    tape.clear();
    BOOST_TEST(Owning::alive == 0);
    static_cast<void>(apply(Owning{}, tape.variable(1.0)));
    BOOST_TEST(Owning::alive == 1);
  }
  BOOST_TEST(Owning::alive == 0);
}

BOOST_AUTO_TEST_CASE(memory_of_the_arena_is_aligned_reused_and_kept) {
  detail::Arena arena;
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (std::size_t bytes = 0; bytes < 5000; bytes += 37) {
    void* block = arena.allocate(bytes);
    const auto address = reinterpret_cast<std::uintptr_t>(block);
    BOOST_TEST(address % (bytes >= 64 ? 64 : 16) == 0u);
    std::fill_n(static_cast<unsigned char*>(block), bytes, static_cast<unsigned char>(bytes));
    blocks.emplace_back(block, bytes);
  }
  for (const auto& [block, bytes] : blocks)  // no two overlap
    for (std::size_t i = 0; i < bytes; ++i)
      BOOST_REQUIRE(static_cast<unsigned char*>(block)[i] == static_cast<unsigned char>(bytes));
  const std::size_t used = arena.used();
  for (const auto& [block, bytes] : blocks) arena.release(block, bytes);
  BOOST_TEST(arena.used() == 0u);
  BOOST_TEST(arena.peak() == used);
  const std::size_t reserved = arena.reserved();
  for (const auto& [block, bytes] : blocks) static_cast<void>(arena.allocate(bytes));
  BOOST_TEST(arena.used() == used);
  BOOST_TEST(arena.reserved() == reserved);
  arena.reset();
  BOOST_TEST(arena.used() == 0u);
  static_cast<void>(arena.allocate(std::size_t{1} << 20));
  BOOST_TEST(arena.reserved() > reserved);
}

/// A training step of a small recurrent network, by hand.
template <class T>
T recurrent_step(Tape<T>& tape, std::vector<Parameter<T>>& p, const Array<T>& input,
                 const Indices& targets, const Array<T>& zero) {
  tape.clear();
  for (Parameter<T>& parameter : p) parameter.zero_grad();
  const auto model = tape.scope("rnn");
  const auto x = tape.constant(input, "x");
  Variable<T> h = tape.constant(zero);
  Variable<T> loss = tape.constant(zero);
  for (std::size_t t = 0; t < 4; ++t) {
    const auto step = tape.step(t);
    const auto i = static_cast<std::int64_t>(t);
    const auto a = matmul(select(x, 0, i), tape.watch(p[0]), {.transpose_b = true});
    if (t == 0)
      h = tanh(a + tape.watch(p[2]));
    else
      h = tanh(a + matmul(h, tape.watch(p[1]), {.transpose_b = true}) + tape.watch(p[2]));
    const auto gate = sigmoid(slice(h, 1, 0, 8)) * relu(slice(h, 1, 8, 16));
    loss = loss + softmax_cross_entropy(h, targets) + mean(square(gate)) + sum(softmax(h)) / 7 +
           logsumexp(h);
    loss = loss + max(exp(-h)) + sum(transpose(log_softmax(h)), {0, 1}) * T{0.01} +
           sum(where(h > 0, sqrt(h * h + 1), take(h, targets, 0)));
  }
  loss.backward();
  return loss.item();
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_steady_step_takes_nothing_from_the_heap, T, Types) {
  Tape<T> tape;
  std::vector<Parameter<T>> parameters;
  for (const Extents& shape : {Extents{16, 5}, Extents{16, 16}, Extents{16}}) {
    Array<T> value(sample(shape, -0.5, 0.5));
    parameters.emplace_back(value, "p" + std::to_string(parameters.size()));
  }
  const Array<T> input(sample({4, 3, 5}, -1, 1));
  const Indices targets{0, 2, 1};
  const Array<T> zero(T{0});
  const T first = recurrent_step(tape, parameters, input, targets, zero);
  recurrent_step(tape, parameters, input, targets, zero);
  const std::size_t reserved = tape.memory_reserved();
  const std::size_t used = tape.memory_used();
  const std::size_t before = allocations();
  for (int step = 0; step < 100; ++step) {
    const T loss = recurrent_step(tape, parameters, input, targets, zero);
    if (loss != first) BOOST_ERROR("step " << step << ": the loss is " << loss);
  }
  BOOST_TEST(allocations() - before == 0u);
  BOOST_TEST(tape.memory_reserved() == reserved);
  BOOST_TEST(tape.memory_used() == used);
}

}  // namespace
}  // namespace tapestry::test
