// SPDX-License-Identifier: MIT
// What ops of the larger vocabulary refuse, and that a refused call leaves the tape as it was.
#define BOOST_TEST_MODULE vocabulary_errors
#include <boost/test/unit_test.hpp>
#include <concepts>
#include <limits>

#include "errors.hpp"
#include "expect_grad.hpp"

namespace tapestry::test {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Checks the whole text of an exception, and that the tape has no more values than before.
template <class E, class F>
void expect_refused(Tape<double>& tape, const F& f, const std::string& text) {
  const std::size_t before = tape.size();
  BOOST_CHECK_EXCEPTION(f(), E, says(text));
  BOOST_TEST(tape.size() == before, text);
}

struct Fixture {
  Tape<double> tape;
  Variable<double> x = tape.variable(sample({2, 3}, -2, 2));
  Variable<double> line = tape.variable(sample({4}, -2, 2));
};

BOOST_FIXTURE_TEST_CASE(axes_out_of_range, Fixture) {
  const auto refuses = [&](const std::string& op, const auto& f) {
    for (const int axis : {2, -3})
      expect_refused<IndexError>(
          tape, [&] { f(axis); },
          "[" + op + "] axis " + std::to_string(axis) + " is out of range for an array of 2 axes");
  };
  refuses("min", [&](int axis) { return min(x, axis); });
  refuses("max", [&](int axis) { return max(x, axis); });
  refuses("prod", [&](int axis) { return prod(x, axis); });
  refuses("var", [&](int axis) { return var(x, axis); });
  refuses("stddev", [&](int axis) { return stddev(x, axis); });
  refuses("norm", [&](int axis) { return norm(x, axis); });
  refuses("cumsum", [&](int axis) { return cumsum(x, axis); });
  refuses("flip", [&](int axis) { return flip(x, axis); });
  refuses("repeat", [&](int axis) { return repeat(x, 2, axis); });
  refuses("moveaxis", [&](int axis) { return moveaxis(x, axis, 0); });
  refuses("moveaxis", [&](int axis) { return moveaxis(x, 0, axis); });
  refuses("swapaxes", [&](int axis) { return swapaxes(x, 0, axis); });
  refuses("scatter_add", [&](int axis) { return scatter_add(x, {0}, line, axis); });
  expect_refused<IndexError>(
      tape,
      [&] {
        flip(x, {0, -2});
      },
      "[flip] axis -2 is given twice");
  expect_refused<IndexError>(
      tape,
      [&] {
        norm(x, {1, 1});
      },
      "[norm] axis 1 is given twice");
  expect_refused<IndexError>(
      tape,
      [&] {
        moveaxis(x, {0, 0}, {0, 1});
      },
      "[moveaxis] axis 0 is given twice");
  expect_refused<IndexError>(
      tape,
      [&] {
        moveaxis(x, {0, 1}, {1, -1});
      },
      "[moveaxis] axis -1 is given twice");
  expect_refused<ArgumentError>(
      tape,
      [&] {
        moveaxis(x, {0, 1}, 0);
      },
      "[moveaxis] 2 axes cannot move to 1 places");
}

BOOST_FIXTURE_TEST_CASE(numbers_that_make_no_sense, Fixture) {
  expect_refused<ArgumentError>(
      tape, [&] { clip(x, 2, 1); }, "[clip] the lower bound 2 is not at most the upper bound 1");
  expect_refused<ArgumentError>(
      tape, [&] { clip(x, 0, std::nan("")); },
      "[clip] the lower bound 0 is not at most the upper bound nan");
  expect_refused<ArgumentError>(
      tape, [&] { elu(x, infinity); }, "[elu] alpha must be finite, not inf");
  expect_refused<ArgumentError>(
      tape, [&] { leaky_relu(x, infinity); }, "[leaky_relu] slope must be finite, not inf");
  expect_refused<ArgumentError>(
      tape, [&] { scale_gradient(x, -infinity); },
      "[scale_gradient] the factor must be finite, not -inf");
  Tape<float> single;
  const auto f = single.variable({1.0F});  // where 1e300 is infinite
  BOOST_CHECK_THROW(elu(f, 1e300), ArgumentError);
  BOOST_CHECK_THROW(leaky_relu(f, 1e300), ArgumentError);
  BOOST_CHECK_THROW(scale_gradient(f, 1e300), ArgumentError);
  BOOST_TEST(single.size() == 1u);
  expect_refused<ArgumentError>(
      tape, [&] { repeat(x, -1); }, "[repeat] the count must not be negative: -1");
  expect_refused<ArgumentError>(
      tape,
      [&] {
        pad(x, {{0, 1}, {-2, 0}});
      },
      "[pad] width (-2, 0) of axis 1 is negative");
  expect_refused<ArgumentError>(
      tape,
      [&] {
        pad(x, {{0, 1}, {0, 0}, {1, 1}});
      },
      "[pad] 3 widths for an array of shape (2, 3)");
  expect_refused<ArgumentError>(
      tape, [&] { pad(x, {}); }, "[pad] 0 widths for an array of shape (2, 3)");
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  expect_refused<ShapeError>(
      tape,
      [&] {
        pad(x, {{most, most}});
      },
      "[pad] too many elements along axis 0");
  constexpr std::int64_t many = std::int64_t{1} << 62;
  expect_refused<ShapeError>(
      tape, [&] { repeat(line, many, 0); },
      "[repeat] too many elements along axis 0 of (4,), 4611686018427387904 times");
  expect_refused<ShapeError>(
      tape, [&] { repeat(x, many / 4, 1); },
      "[repeat] too many elements: (2, 3458764513820540928)");
  expect_refused<ShapeError>(
      tape, [&] { tile(line, {std::size_t{1} << 61}); },
      "[tile] too many elements: (9223372036854775808,)");
  const auto nothing = tape.variable(Values(xt::zeros<double>({0, 4})));
  expect_refused<ShapeError>(
      tape, [&] { repeat(nothing, many, 1); },
      "[repeat] too many elements along axis 1 of (0, 4), 4611686018427387904 times");
  expect_refused<ShapeError>(
      tape,
      [&] {
        tile(nothing, {1, std::size_t{1} << 62});
      },
      "[tile] too many elements along axis 1 of (0, 4), 4611686018427387904 times");
  expect_refused<IndexError>(
      tape, [&] { sum(x, std::int64_t{1} << 32); },
      "[sum] axis 2147483647 is out of range for an array of 2 axes");
  expect_refused<IndexError>(
      tape,
      [&] {
        scatter_add(x, {0, 2}, x);
      },
      "[scatter_add] index 2 at position (1,) is out of range for axis 0 of (2, 3)");
}

// max(x, 0.5) is no maximum, and sum(x, true) does not keep axes.
static_assert(std::convertible_to<int, Axes> && std::convertible_to<std::int64_t, Axes>);
static_assert(!std::convertible_to<double, Axes> && !std::convertible_to<bool, Axes>);

BOOST_FIXTURE_TEST_CASE(indices_that_do_not_fit, Fixture) {
  Indices row{0, 1, -3};
  row.reshape({1, 3});
  const auto turned = transpose(x);
  expect_refused<ShapeError>(
      tape,
      [&] {
        gather(x, {0, 1}, 0);
      },
      "[gather] indices of shape (2,) do not fit (2, 3) along axis 0");
  expect_refused<ShapeError>(
      tape, [&] { gather(turned, row, 0); },
      "[gather] indices of shape (1, 3) do not fit (3, 2) along axis 0");
  expect_refused<IndexError>(
      tape, [&] { gather(x, row, 0); },
      "[gather] index -3 at position (0, 2) is out of range for axis 0 of (2, 3)");
  expect_refused<IndexError>(
      tape, [&] { gather(x, row, 2); }, "[gather] axis 2 is out of range for an array of 2 axes");
}

BOOST_FIXTURE_TEST_CASE(shapes_that_do_not_fit, Fixture) {
  expect_refused<ShapeError>(
      tape, [&] { maximum(x, line); }, "[maximum] shapes do not broadcast: (2, 3) and (4,)");
  expect_refused<ShapeError>(
      tape, [&] { minimum(x, line); }, "[minimum] shapes do not broadcast: (2, 3) and (4,)");
  expect_refused<ShapeError>(
      tape, [&] { not_equal(x, line); }, "[not_equal] shapes do not broadcast: (2, 3) and (4,)");
  expect_refused<ShapeError>(
      tape, [&] { masked_fill(x, line, 0); },
      "[masked_fill] shapes do not broadcast: (2, 3) and (4,)");
  expect_refused<ShapeError>(
      tape, [&] { tril(line); }, "[tril] a matrix needs two axes, not shape (4,)");
  const auto total = sum(x);
  expect_refused<ShapeError>(
      tape, [&] { triu(total); }, "[triu] a matrix needs two axes, not shape ()");
  expect_refused<ShapeError>(
      tape, [&] { dot(x, line); }, "[dot] inner dimensions differ: (2, 3) x (4,)");
  expect_refused<ShapeError>(
      tape, [&] { scatter_add(x, {0}, line); },
      "[scatter_add] the parts have shape (4,) but must have (1, 3)");
  const auto nothing = tape.variable(Values(xt::zeros<double>({2, 0})));
  expect_refused<ShapeError>(
      tape, [&] { min(nothing, 1); }, "[min] no elements along axis 1 of (2, 0)");
  expect_refused<ShapeError>(
      tape,
      [&] {
        const auto scope = tape.scope("lstm");
        min(nothing);
      },
      "[min] no elements along axis 1 of (2, 0) (in lstm)");
}

BOOST_FIXTURE_TEST_CASE(variables_of_other_tapes, Fixture) {
  Tape<double> other;
  const auto first = slice(line, 0, 0, 1);
  const auto foreign = other.variable({1.0, 2.0, 3.0});
  const auto other_matrix = other.variable(sample({2, 3}, -2, 2));
  const std::string text = "operands belong to different tapes";
  expect_refused<StaleVariable>(
      tape, [&] { maximum(x, foreign); }, "[maximum] " + text);
  expect_refused<StaleVariable>(
      tape, [&] { masked_fill(x, foreign, 0); }, "[masked_fill] " + text);
  expect_refused<StaleVariable>(
      tape, [&] { scatter_add(foreign, {0}, first); }, "[scatter_add] " + text);
  const std::size_t before = other.size();
  expect_refused<StaleVariable>(
      tape, [&] { dot(x, foreign); }, "[dot] " + text);
  expect_refused<StaleVariable>(
      tape, [&] { matmul(x, foreign); }, "[matmul] " + text);
  expect_refused<StaleVariable>(
      tape, [&] { outer(x, foreign); }, "[outer] " + text);
  expect_refused<StaleVariable>(
      tape, [&] { einsum("ij,j->ji", x, foreign); }, "[einsum] " + text);
  BOOST_TEST(other.size() == before);
  const std::size_t own = tape.size();
  const auto refuses = [&](const std::string& op, const auto& loss) {
    BOOST_CHECK_EXCEPTION(loss(x, other_matrix), StaleVariable, says("[" + op + "] " + text));
    BOOST_CHECK_EXCEPTION(loss(other_matrix, x), StaleVariable, says("[" + op + "] " + text));
    BOOST_TEST(tape.size() == own);
    BOOST_TEST(other.size() == before);
  };
  refuses("mse_loss", [](const auto& a, const auto& b) { return mse_loss(a, b); });
  refuses("l1_loss", [](const auto& a, const auto& b) { return l1_loss(a, b); });
  refuses("huber_loss", [](const auto& a, const auto& b) { return huber_loss(a, b); });
  refuses("kl_div", [](const auto& a, const auto& b) { return kl_div(a, b); });
  refuses("kl_div",
          [](const auto& a, const auto& b) { return kl_div(a, b, {.log_target = true}); });
  refuses("binary_cross_entropy_with_logits",
          [](const auto& a, const auto& b) { return binary_cross_entropy_with_logits(a, b); });
  const auto gone = tape.variable({1.0});
  tape.clear();
  const auto stale = [](const std::string& op) {
    return [op](const StaleVariable& e) {
      return std::string(e.what()).starts_with("[" + op + "] stale variable");
    };
  };
  BOOST_CHECK_EXCEPTION(static_cast<void>(gone > 0), StaleVariable, stale("greater"));
  BOOST_CHECK_EXCEPTION(static_cast<void>(gone <= 0), StaleVariable, stale("less_equal"));
  BOOST_CHECK_EXCEPTION(static_cast<void>(0 < gone), StaleVariable, stale("less"));
  BOOST_CHECK_EXCEPTION(where(gone, 1, 0), StaleVariable, stale("where"));
  BOOST_CHECK_THROW(argmax(gone), StaleVariable);
  BOOST_CHECK_THROW(cumsum(gone), StaleVariable);
  BOOST_CHECK_THROW(einsum("i->", gone), StaleVariable);
}

BOOST_FIXTURE_TEST_CASE(subscripts_that_make_no_sense, Fixture) {
  const auto refuses = [&](const std::string& subscripts, const std::string& reason) {
    expect_refused<ArgumentError>(
        tape, [&] { einsum(subscripts, x, line); }, "[einsum] '" + subscripts + "' " + reason);
  };
  refuses("ij->i", "names 1 operand, not 2");
  refuses("ij,k,l", "names 3 operands, not 2");
  refuses("i1,k->i", "has '1' where a letter should be");
  refuses("ij,k->i->j", "has '-' where a letter should be");
  refuses("i.j,k", "has '.' where a letter should be");
  refuses("......,k", "has '.' where a letter should be");
  refuses("ij,k->ijm", "has label 'm' in the result only");
  refuses("ij,k->iji", "has label 'i' twice in the result");
  refuses("i...,k->ik", "lacks '...' in the result");
  const auto misfits = [&](const std::string& subscripts, const std::string& text) {
    expect_refused<ShapeError>(
        tape, [&] { einsum(subscripts, x, line); }, "[einsum] " + text);
  };
  misfits("ijk,k", "an operand of shape (2, 3) does not have 3 axes");
  misfits("ij,", "an operand of shape (4,) does not have 0 axes");
  misfits("ij,i...k", "an operand of shape (4,) does not have at least 2 axes");
  misfits("ij,j", "label 'j' has extents 3 and 4");
  misfits("ii,k", "label 'i' has extents 2 and 3");
  misfits("...,...", "an axis of '...' has extents 3 and 4");
  const auto thin = tape.variable(sample({1, 3}, -2, 2));
  expect_refused<ShapeError>(
      tape, [&] { einsum("ii", thin); }, "[einsum] label 'i' has extents 1 and 3");
  const auto wide = tape.variable(sample({1, 1, 1, 1, 1}, -2, 2));
  expect_refused<ShapeError>(
      tape, [&] { einsum("abcde,fghij,abcde,fghij->", wide, wide, wide, wide); },
      "[einsum] a product of two operands has 10 axes, but at most 8 are possible");
  expect_refused<ShapeError>(
      tape, [&] { einsum("abcdx,efghx->abcdefghx", wide, wide); },
      "[einsum] the result has 9 axes, but at most 8 are possible");
  expect_refused<ArgumentError>(
      tape, [&] { einsum("i", std::vector<Variable<double>>{}); }, "[einsum] no operands given");
}

}  // namespace
}  // namespace tapestry::test
