// SPDX-License-Identifier: MIT
// Bad input: what the messages say, and that a failed call leaves everything as it was.
#define BOOST_TEST_MODULE errors
#include <boost/test/unit_test.hpp>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "errors.hpp"
#include "expect_grad.hpp"

namespace tapestry::test {
namespace {

/// A tape with a small computation on it, which must survive what is done to it.
class Bench {
 public:
  Tape<double> tape;
  Variable<double> x = tape.variable(sample({2, 3}, -1, 1), "x");
  Variable<double> y = tape.variable(sample({4, 5}, -1, 1), "y");
  Variable<double> v = tape.variable(sample({3}, -1, 1), "v");
  Variable<double> s = tape.variable(0.5, "s");
  Variable<double> loss = sum(tanh(x) * v) * s;

  /// `call` throws an `E` that says `text`, with the place; the tape is as it was before.
  template <class E>
  void expect(const std::string& text, const std::function<void()>& call) {
    const std::size_t size = tape.size();
    const std::size_t nodes = tape.state().nodes.size();
    const std::size_t used = tape.memory_used();
    BOOST_CHECK_EXCEPTION(call(), E, says(text));
    {
      const auto model = tape.scope("lstm");
      const auto layer = tape.layer(0);
      const auto step = tape.step(3);
      BOOST_CHECK_EXCEPTION(call(), E, says(text + " (in lstm, layer 0, step 3)"));
    }
    BOOST_TEST(tape.size() == size);
    BOOST_TEST(tape.state().nodes.size() == nodes);
    BOOST_TEST(tape.memory_used() == used);
    tape.zero_grad();
    loss.backward();
    const double expected = (1 - std::pow(std::tanh(x.value()(1, 2)), 2)) * v.value()(2) * 0.5;
    BOOST_TEST(std::abs(x.grad()(1, 2) - expected) < 1e-15);
  }
};

BOOST_FIXTURE_TEST_CASE(shapes_that_do_not_broadcast, Bench) {
  expect<ShapeError>("[add] shapes do not broadcast: (2, 3) and (4, 5)", [&] { x + y; });
  expect<ShapeError>("[multiply] shapes do not broadcast: (3,) and (4, 5)", [&] { v* y; });
  expect<ShapeError>("[less] shapes do not broadcast: (2, 3) and (4, 5)", [&] { return x < y; });
  expect<ShapeError>("[less_equal] shapes do not broadcast: (2, 3) and (4, 5)",
                     [&] { return x <= y; });
  expect<ShapeError>("[where] shapes do not broadcast: (2, 3) and (4, 5)", [&] { where(x, y, 1); });
  expect<ShapeError>("[where] shapes do not broadcast: (2, 3) and (4, 5)", [&] { where(x, 1, y); });
  expect<ShapeError>("[pow] shapes do not broadcast: (2, 3) and (4, 5)", [&] { pow(x, y); });
  expect<ShapeError>("[broadcast_to] (2, 3) does not broadcast to (3,)",
                     [&] { broadcast_to(x, {3}); });
  expect<ShapeError>("[broadcast_to] shapes do not broadcast: (2, 3) and (3, 3)", [&] {
    broadcast_to(x, {3, 3});
  });
}

BOOST_FIXTURE_TEST_CASE(products_of_matrices_that_do_not_fit, Bench) {
  expect<ShapeError>("[matmul] inner dimensions differ: (2, 3) x (4, 5)", [&] { matmul(x, y); });
  expect<ShapeError>("[matmul] inner dimensions differ: (2, 3) transposed x (4, 5) transposed",
                     [&] { matmul(x, y, {.transpose_a = true, .transpose_b = true}); });
  expect<ShapeError>("[matmul] inner dimensions differ: (3,) x (4, 5)", [&] { matmul(v, y); });
  expect<ShapeError>("[matmul] inner dimensions differ: (4, 5) x (3,)", [&] { matmul(y, v); });
  expect<ShapeError>("[matmul] operands need at least one axis: () x (4, 5)",
                     [&] { matmul(s, y); });
  const auto a = tape.constant(sample({2, 2, 3}, 0, 1));
  const auto b = tape.constant(sample({3, 3, 2}, 0, 1));
  expect<ShapeError>("[matmul] shapes do not broadcast: (2,) and (3,)", [&] { matmul(a, b); });
}

BOOST_FIXTURE_TEST_CASE(axes_out_of_range, Bench) {
  expect<IndexError>("[sum] axis 2 is out of range for an array of 2 axes", [&] { sum(x, 2); });
  expect<IndexError>("[mean] axis -3 is out of range for an array of 2 axes", [&] { mean(x, -3); });
  expect<IndexError>("[max] axis 1 is out of range for an array of 1 axis", [&] { max(v, 1); });
  expect<IndexError>("[logsumexp] axis 0 is out of range for an array of 0 axes",
                     [&] { logsumexp(s, 0); });
  expect<IndexError>("[sum] axis -1 is given twice", [&] { sum(x, {1, -1}); });
  expect<IndexError>("[softmax] axis -1 is out of range for an array of 0 axes",
                     [&] { softmax(s); });
  expect<IndexError>("[log_softmax] axis 2 is out of range for an array of 2 axes",
                     [&] { log_softmax(x, 2); });
  expect<IndexError>("[concatenate] axis 0 is out of range for an array of 0 axes", [&] {
    concatenate(std::vector{s, s});
  });
  expect<IndexError>("[stack] axis 3 is out of range for an array of 3 axes", [&] {
    stack(std::vector{x, x}, 3);
  });
  expect<IndexError>("[split] axis 2 is out of range for an array of 2 axes",
                     [&] { split(x, 2, 2); });
  expect<IndexError>("[slice] axis 2 is out of range for an array of 2 axes",
                     [&] { slice(x, 2, 0, 1); });
  expect<IndexError>("[take] axis -3 is out of range for an array of 2 axes",
                     [&] { take(x, {0}, -3); });
  expect<IndexError>("[transpose] axis 2 is out of range for an array of 2 axes", [&] {
    transpose(x, {0, 2});
  });
  expect<IndexError>("[transpose] axis 0 is given twice", [&] { transpose(x, {0, 0}); });
  expect<IndexError>("[expand_dims] axis 4 is out of range for an array of 3 axes",
                     [&] { expand_dims(x, 4); });
  expect<IndexError>("[squeeze] axis 2 is out of range for an array of 2 axes",
                     [&] { squeeze(x, 2); });
}

BOOST_FIXTURE_TEST_CASE(shapes_that_do_not_fit, Bench) {
  expect<ShapeError>("[reshape] cannot give 6 elements of shape (2, 3) the shape (4, rest)", [&] {
    reshape(x, {4, rest});
  });
  expect<ShapeError>("[reshape] cannot give 6 elements of shape (2, 3) the shape (0, rest)", [&] {
    reshape(x, {0, rest});
  });
  expect<ShapeError>("[reshape] more than one extent is left open", [&] {
    reshape(x, {rest, rest});
  });
  expect<ShapeError>("[squeeze] axis 1 of (2, 3) does not have extent 1", [&] { squeeze(x, 1); });
  expect<ShapeError>("[transpose] 1 axes given for shape (2, 3)", [&] { transpose(x, {0}); });
  expect<ShapeError>("[concatenate] shapes differ outside axis 0: (2, 3) and (4, 5)", [&] {
    concatenate(std::vector{x, y});
  });
  expect<ShapeError>("[concatenate] shapes differ outside axis 1: (2, 3) and (3,)", [&] {
    concatenate(std::vector{x, v}, 1);
  });
  expect<ShapeError>("[stack] shapes differ: (2, 3) and (4, 5)", [&] { stack(std::vector{x, y}); });
  expect<ShapeError>("[split] axis 1 of (4, 5) is not 3 equal parts", [&] { split(y, 3, 1); });
  const auto empty = tape.constant(empty_array({4, 0}));
  expect<ShapeError>("[max] no elements along axis 1 of (4, 0)", [&] { max(empty); });
  BOOST_CHECK_EXCEPTION(static_cast<void>(x.item()), ShapeError,
                        says("[item] 'x' has shape (2, 3), not one element"));
}

BOOST_FIXTURE_TEST_CASE(arguments_out_of_range, Bench) {
  expect<IndexError>("[select] index 2 is out of range for axis 0 of (2, 3)",
                     [&] { select(x, 0, 2); });
  expect<IndexError>("[select] index -4 is out of range for axis 1 of (2, 3)",
                     [&] { select(x, 1, -4); });
  expect<ArgumentError>("[slice] step must be positive, not 0", [&] { slice(x, 0, 0, 2, 0); });
  expect<ArgumentError>("[slice] step must be positive, not -1", [&] { slice(x, 0, 0, 2, -1); });
  expect<ArgumentError>("[split] no sections", [&] { split(x, 0); });
  expect<ArgumentError>("[dropout] p must lie in [0, 1], not 1.5", [&] { dropout(x, 1.5); });
  expect<ArgumentError>("[dropout] p must lie in [0, 1], not nan",
                        [&] { dropout(x, std::numeric_limits<double>::quiet_NaN()); });
  const std::vector<Variable<double>> none;
  BOOST_CHECK_EXCEPTION(concatenate(none), ArgumentError, says("[concatenate] no arrays given"));
  BOOST_CHECK_EXCEPTION(stack(none), ArgumentError, says("[stack] no arrays given"));
}

BOOST_FIXTURE_TEST_CASE(tokens_out_of_range, Bench) {
  expect<IndexError>("[take] index 4 at position (1, 0) is out of range for axis 0 of (4, 5)", [&] {
    take(y, {{3, 0}, {4, 9}});
  });
  expect<IndexError>("[take] index -5 at position (0,) is out of range for axis 0 of (4, 5)",
                     [&] { take(y, {-5}); });
  for (const bool primitive : {false, true}) {
    tape.set_primitive(primitive);
    expect<IndexError>(
        "[softmax_cross_entropy] target 3 at element 1 is outside the 3 classes of "
        "logits (2, 3)",
        [&] {
          softmax_cross_entropy(x, {0, 3});
        });
    expect<IndexError>(
        "[softmax_cross_entropy] target -1 at element 0 is outside the 3 classes of "
        "logits (2, 3)",
        [&] {
          softmax_cross_entropy(x, {-1, 0});
        });
    expect<ShapeError>("[softmax_cross_entropy] logits (2, 3) need targets of shape (2,), not (3,)",
                       [&] {
                         softmax_cross_entropy(x, {0, 1, 2});
                       });
    expect<ShapeError>("[softmax_cross_entropy] logits () need targets of shape (), not (1,)",
                       [&] { softmax_cross_entropy(s, {0}); });
    expect<ShapeError>("[softmax_cross_entropy] class weights (2,) do not fit logits (2, 3)", [&] {
      softmax_cross_entropy(x, {0, 1}, {.weight = Values{1.0, 2.0}});
    });
    expect<ArgumentError>("[softmax_cross_entropy] label smoothing must lie in [0, 1], not 1.5",
                          [&] {
                            softmax_cross_entropy(x, {0, 1}, {.label_smoothing = 1.5});
                          });
  }
}

BOOST_FIXTURE_TEST_CASE(too_many_axes_or_elements, Bench) {
  const auto big = tape.constant(sample({1, 1, 1, 1, 1, 1, 1, 2}, 0, 1));
  expect<ShapeError>("[shape] more than 8 axes", [&] { expand_dims(big, 0); });
  expect<ShapeError>("[shape] more than 8 axes", [&] { stack(std::vector{big, big}); });
  expect<ShapeError>("[shape] more than 8 axes", [&] { take(big, {{0, 0}, {0, 0}}); });
  BOOST_CHECK_EXCEPTION(static_cast<void>(tape.variable(sample({1, 1, 1, 1, 1, 1, 1, 1, 1}, 0, 1))),
                        ShapeError, says("[shape] more than 8 axes"));
  BOOST_CHECK_EXCEPTION(static_cast<void>(Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), ShapeError,
                        says("[shape] more than 8 axes"));
  constexpr std::size_t huge = std::size_t{1} << 32;
  expect<ShapeError>("[broadcast_to] too many elements: (4294967296, 4294967296)", [&] {
    broadcast_to(s, {huge, huge});
  });
}

BOOST_FIXTURE_TEST_CASE(handles_that_are_not_valid, Bench) {
  const auto mark = tape.mark();
  const auto gone = x + 1;
  tape.rewind(mark);
  const std::string text = "stale variable: value " + std::to_string(gone.index()) +
                           " of this tape was dropped by clear() or rewind()";
  expect<StaleVariable>("[add] " + text, [&] { x + gone; });
  expect<StaleVariable>("[exp] " + text, [&] { exp(gone); });
  expect<StaleVariable>("[sum] " + text, [&] { sum(gone, 1); });
  expect<StaleVariable>("[matmul] " + text, [&] { matmul(y, gone); });
  expect<StaleVariable>("[concatenate] " + text, [&] { concatenate(std::vector{x, gone}); });
  expect<StaleVariable>("[value] " + text, [&] { static_cast<void>(gone.value()); });
  expect<StaleVariable>("[grad] " + text, [&] { static_cast<void>(gone.grad()); });
  expect<StaleVariable>("[shape] " + text, [&] { static_cast<void>(gone.shape()); });
  expect<StaleVariable>("[detach] " + text, [&] { static_cast<void>(gone.detach()); });
  expect<StaleVariable>("[named] " + text, [&] { static_cast<void>(gone.named("n")); });
  expect<StaleVariable>("[backward] " + text, [&] { gone.backward(); });
  expect<StaleVariable>("[backward] " + text, [&] { tape.backward(std::vector{loss, gone}); });
  expect<StaleVariable>("[gradients] " + text, [&] { gradients(loss, {x, gone}); });
  BOOST_CHECK_EXCEPTION(Variable<double>() + x, StaleVariable,
                        says("[add] this variable refers to nothing"));
}

BOOST_AUTO_TEST_CASE(handles_of_a_cleared_or_destroyed_tape) {
  Variable<double> x;
  {
    Tape<double> tape;
    x = tape.variable(1.0);
    tape.clear();
    BOOST_CHECK_EXCEPTION(
        x + 1, StaleVariable,
        says("[add_scalar] stale variable: value 0 of this tape was dropped by clear() or "
             "rewind()"));
    x = tape.variable(1.0);
  }
  BOOST_CHECK_EXCEPTION(x + 1, StaleVariable,
                        says("[add_scalar] the tape of this variable no longer exists"));
  BOOST_CHECK_EXCEPTION(static_cast<void>(x.value()), StaleVariable,
                        says("[value] the tape of this variable no longer exists"));
}

BOOST_FIXTURE_TEST_CASE(variables_of_two_tapes, Bench) {
  Tape<double> other;
  const auto z = other.variable(sample({2, 3}, -1, 1));
  const auto square_matrix = other.variable(sample({3, 3}, -1, 1));
  const std::size_t size = other.size();
  const char* text = "operands belong to different tapes";
  expect<StaleVariable>(std::string("[add] ") + text, [&] { x + z; });
  expect<StaleVariable>(std::string("[where] ") + text, [&] { where(x, x, z); });
  expect<StaleVariable>(std::string("[matmul] ") + text, [&] { matmul(x, square_matrix); });
  expect<StaleVariable>(std::string("[matmul] ") + text, [&] { matmul(v, square_matrix); });
  expect<StaleVariable>(std::string("[concatenate] ") + text, [&] {
    concatenate(std::vector{x, z});
  });
  expect<StaleVariable>(std::string("[gradients] ") + text, [&] { gradients(loss, {x, z}); });
  BOOST_CHECK_EXCEPTION(tape.backward(std::vector{loss, sum(z)}), StaleVariable,
                        says("[backward] the root belongs to another tape"));
  BOOST_TEST(other.size() == size + 1);
}

BOOST_FIXTURE_TEST_CASE(backward_that_cannot_be, Bench) {
  const auto c = tape.constant({1.0, 2.0}, "c");
  const auto total = sum(c);
  const auto both = [&](const std::string& text, const std::function<void()>& call) {
    BOOST_CHECK_EXCEPTION(call(), GradientError, says(text));
  };
  both(
      "[backward] 'x' has shape (2, 3): pass a seed of that shape, or reduce it with sum() or "
      "mean()",
      [&] { x.backward(); });
  both(
      "[gradients] 'tanh' has shape (2, 3): pass a seed of that shape, or reduce it with sum() or "
      "mean()",
      [&] { gradients(tanh(x), {x}); });
  both("[backward] 'sum' does not depend on any variable or parameter that needs a gradient",
       [&] { total.backward(); });
  both(
      "[gradients] 'c' needs no gradient: it is a constant, or was computed from constants or "
      "without recording",
      [&] { gradients(sum(x) * total, {c}); });
  both(
      "[grad] 'c' needs no gradient: it is a constant, or was computed from constants or without "
      "recording",
      [&] { static_cast<void>(c.grad()); });
  both("[grad] 'x' has no gradient yet: call backward() first",
       [&] { static_cast<void>(x.grad()); });
  both("[backward] 2 roots, but 1 seeds", [&] {
    tape.backward(std::vector{loss, loss}, std::vector{Values(1.0)});
  });
  BOOST_CHECK_EXCEPTION(x.backward({1.0, 2.0}), ShapeError,
                        says("[backward] the seed has shape (2,), but 'x' has (2, 3)"));
  const auto off = tape.no_grad();
  both("[gradients] differentiable gradients need a tape that is recording",
       [&] { gradients(loss, {x}, {.differentiable = true}); });
}

BOOST_FIXTURE_TEST_CASE(values_that_were_given_back, Bench) {
  const auto big = tape.variable(sample({1000}, 0, 1));
  const auto twice = [&] { return big + 1; };
  const std::uint32_t index = twice().index();  // the handle is gone at once
  sum(tape.state().entries.size() > index ? square(big) : big).backward();
  const Variable<double> late(tape.state(), index);
  const char* text =
      "the value of 'add_scalar' was given back by backward(), since no variable referred to it; "
      "call tape.retain_all() before, or name it";
  expect<GradientError>(std::string("[value] ") + text, [&] { static_cast<void>(late.value()); });
  expect<GradientError>(std::string("[exp] ") + text, [&] { exp(late); });
}

BOOST_AUTO_TEST_CASE(texts_from_files_do_nothing_to_a_terminal) {
  const auto text = [](std::string_view part) {
    FileError error("load", part);
    error.add_place(part);
    return std::string(error.what());
  };
  const auto twice = [](const std::string& part) {
    return "[load] " + part + " (in " + part + ")";
  };
  BOOST_TEST(text("\x1B[2J\a\b\x7F") == twice("\\x1B[2J\\x07\\x08\\x7F"));
  BOOST_TEST(text("\xC2\x9B"
                  "2J") == twice("\\u009B2J"));  // CSI in one character
  BOOST_TEST(text("\xE2\x80\xAE"
                  "fdp.exe") == twice("\\u202Efdp.exe"));        // read from the right
  BOOST_TEST(text("\xFF\xE2\x80") == twice("\\xFF\\xE2\\x80"));  // not UTF-8
  BOOST_TEST(text("line\rover") == twice("line\\x0Dover"));
  BOOST_TEST(text("é “ü” ∂\n\tb\r\n") == twice("é “ü” ∂\n\tb\r\n"));
}

BOOST_AUTO_TEST_CASE(messages_keep_the_place_where_it_happened) {
  Tape<float> tape;
  const auto x = tape.variable(Array<float>{1.0F, 2.0F});
  try {
    const auto outer = tape.scope("outer");
    const auto inner = tape.scope("inner");
    reshape(x, {3});
  } catch (Error& error) {
    error.add_place("somewhere else");
    BOOST_TEST(error.what() ==
               std::string("[reshape] cannot give 2 elements of shape (2,) the shape (3) (in "
                           "outer, inner)"));
  }
}

}  // namespace
}  // namespace tapestry::test
